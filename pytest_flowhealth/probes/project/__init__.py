"""An npm project: its packages, what is installed, and whether that is as it must be.

`NpmProject` asks npm's own libraries and Node, in one Node process (agent/). A name is imported when
it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_flowhealth.probes.project.layout import Layout, ProjectPackage
    from pytest_flowhealth.probes.project.npm_project import NpmProject

__all__ = ["Layout", "NpmProject", "ProjectPackage"]

_MODULES = {
    "Layout": "layout",
    "NpmProject": "npm_project",
    "ProjectPackage": "layout",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
