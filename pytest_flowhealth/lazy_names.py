"""Import the public names of a package when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def make_getattr(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` (PEP 562) of a package.

    Args:
        package: The package's ``__name__``.
        modules: For each public name, the module below the package that defines it.
    """

    def import_name(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return import_name
