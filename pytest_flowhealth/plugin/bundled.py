"""The bundled checks: where they lie, which components they cover, how they are imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.pathlib import ImportMode, import_path

QUICK = ("system", "package", "redis", "build", "dependencies", "configuration")
"""The components that a run without a path looks at, in their order."""

_PACKAGE = Path(__file__).resolve().parent.parent


def folder() -> Path:
    """Return the folder of the bundled checks: in the package (wheel) or beside it (checkout)."""
    return beside_or_inside("checks")


def beside_or_inside(name: str) -> Path:
    """Return a folder that lies in the package in a wheel, and beside it in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def files() -> dict[str, Path]:
    """Return the bundled files by component, the quick ones first and in their order."""
    found = {path.stem.removeprefix("test_"): path for path in sorted(folder().glob("test_*.py"))}
    return {name: found[name] for name in (*QUICK, *found) if name in found}


class BundledModule(pytest.Module):
    """A bundled file: imported by its own path, and collected whatever the target's settings are.

    The target may have a test_system.py too, another import mode, or other
    patterns for the names of tests.
    """

    def _getobj(self) -> object:
        return import_path(
            self.path,
            mode=ImportMode.importlib,
            root=self.path.parent,
            consider_namespace_packages=False,
        )

    def funcnamefilter(self, name: str) -> bool:
        """Tell whether a function is a check."""
        return name.startswith("test_")


class BundledCollection:
    """The hook that makes the bundled files' modules; the plugin `flowhealth-bundled`."""

    def __init__(self) -> None:
        self._paths = set(files().values())

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(
        self, module_path: Path, parent: pytest.Collector
    ) -> pytest.Module | None:
        """Return the module of a bundled file."""
        if module_path not in self._paths:
            return None
        module: pytest.Module = BundledModule.from_parent(
            parent, path=module_path, nodeid=_nodeid(f"pytest_flowhealth/checks/{module_path.name}")
        )
        return module


def _nodeid(path: str) -> object:
    """Return a file's node id: of a file outside its root folder pytest makes an empty one."""
    try:
        from _pytest.nodeid import NodeId
    except ImportError:  # before pytest 9
        return path
    return NodeId(path=path)
