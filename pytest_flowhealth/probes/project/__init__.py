"""An npm project: its packages, what is installed, and whether that is as it must be.

`NpmProject` asks npm's own libraries and Node, in one Node process (agent/). A name is imported when
it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_flowhealth.probes.project.installation import (
        Deprecated,
        Fault,
        FileComparison,
        Installation,
        LoadedPackage,
        Lock,
    )
    from pytest_flowhealth.probes.project.layout import (
        Layout,
        ProjectPackage,
    )
    from pytest_flowhealth.probes.project.npm_project import (
        NpmProject,
    )
    from pytest_flowhealth.probes.project.updates import (
        Audit,
        Behind,
        Outdated,
        Vulnerability,
    )
    from pytest_flowhealth.probes.project.versions import (
        Exclusion,
        ProgramVersion,
        Requirement,
        Versions,
    )

__all__ = [
    "Audit",
    "Behind",
    "Deprecated",
    "Exclusion",
    "Fault",
    "FileComparison",
    "Installation",
    "Layout",
    "LoadedPackage",
    "Lock",
    "NpmProject",
    "Outdated",
    "ProgramVersion",
    "ProjectPackage",
    "Requirement",
    "Versions",
    "Vulnerability",
]

_MODULES = {
    "Audit": "updates",
    "Behind": "updates",
    "Deprecated": "installation",
    "Exclusion": "versions",
    "Fault": "installation",
    "FileComparison": "installation",
    "Installation": "installation",
    "Layout": "layout",
    "LoadedPackage": "installation",
    "Lock": "installation",
    "NpmProject": "npm_project",
    "Outdated": "updates",
    "ProgramVersion": "versions",
    "ProjectPackage": "layout",
    "Requirement": "versions",
    "Versions": "versions",
    "Vulnerability": "updates",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
