"""The bundled checks: where they are, which components they cover, how they are collected.

Only the files of requested components, and of what they require, are imported: all of them together
take longer to import than pytest needs to start.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

QUICK = ("system", "package", "redis", "build", "dependencies", "configuration")
"""The components that a run without a path checks, in their order."""

_PACKAGE = Path(__file__).resolve().parents[2]


def find_folder() -> Path:
    """Return the folder of the bundled checks: in the package (wheel) or beside it (checkout)."""
    return find_beside_or_inside("checks")


def find_beside_or_inside(name: str) -> Path:
    """Return a folder that is in the package in a wheel, and beside it in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


@cache
def find_files() -> dict[str, Path]:
    """Return the bundled files by component, the quick ones first and in their order."""
    paths = sorted(find_folder().glob("test_*.py"))
    found = {path.stem.removeprefix("test_"): path for path in paths}
    return {name: found[name] for name in (*QUICK, *found) if name in found}


def is_bundled(path: Path) -> bool:
    """Tell whether `path` is a file of the bundled checks."""
    return path in find_files().values()


class BundledModule(pytest.Module):
    """A bundled file, imported under a name of its own and collected whatever the settings are.

    The project may have a test_redis.py too, another import mode, or other patterns for the names
    of tests. Bundled checks raise CheckFailed and assert nothing, so pytest rewrites nothing.
    """

    def _getobj(self) -> ModuleType:
        name = f"pytest_flowhealth_checks.{self.path.stem}"
        loader = SourceFileLoader(name, str(self.path))
        spec = importlib.util.spec_from_file_location(name, self.path, loader=loader)
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # a loader was given
        sys.modules[name] = module
        loader.exec_module(module)
        return module

    def funcnamefilter(self, name: str) -> bool:
        """Tell whether a function is a check."""
        return name.startswith("test_")


class BundledCollection:
    """Collect a bundled file that is given by its path; the plugin `flowhealth-bundled`."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(
        self, module_path: Path, parent: pytest.Collector
    ) -> pytest.Module | None:
        """Return the module of a bundled file."""
        if not is_bundled(module_path):
            return None
        return _make_module(parent, module_path)


def collect_component(session: pytest.Session, component: str) -> Iterator[pytest.Item]:
    """Import the bundled file of a component, and yield its checks."""
    yield from session.genitems(_make_module(session, find_files()[component]))


def _make_module(parent: pytest.Collector, path: Path) -> pytest.Module:
    nodeid = _make_nodeid(f"pytest_flowhealth/checks/{path.name}")
    module: pytest.Module = BundledModule.from_parent(parent, path=path, nodeid=nodeid)
    return module


def _make_nodeid(path: str) -> object:
    """Return a file's node id: for a file outside the root folder pytest makes an empty one."""
    try:
        from _pytest.nodeid import NodeId
    except ImportError:  # before pytest 9
        return path
    return NodeId(path=path)
