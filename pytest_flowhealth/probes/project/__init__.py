"""An npm project: its packages, what is installed, and whether that is as it must be.

`NpmProject` asks npm's own libraries and Node, in one Node process (agent/). A name is imported when
it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_flowhealth.probes.project.build import (
        BuildState,
        ParsedFiles,
        find_build,
        parse_build,
    )
    from pytest_flowhealth.probes.project.config_files import (
        ConfigFile,
        find_config_files,
        read_config_files,
        uses_node_config,
    )
    from pytest_flowhealth.probes.project.freshness import (
        compare_with_sources,
    )
    from pytest_flowhealth.probes.project.layout import (
        Layout,
        ProjectPackage,
    )
    from pytest_flowhealth.probes.project.npm_project import (
        NpmProject,
    )
    from pytest_flowhealth.probes.project.restore import (
        find_remedy,
    )
    from pytest_flowhealth.probes.project.source_file import (
        SourceFile,
    )

__all__ = [
    "BuildState",
    "ConfigFile",
    "Layout",
    "NpmProject",
    "ParsedFiles",
    "ProjectPackage",
    "SourceFile",
    "compare_with_sources",
    "find_build",
    "find_config_files",
    "find_remedy",
    "parse_build",
    "read_config_files",
    "uses_node_config",
]

_MODULES = {
    "BuildState": "build",
    "ConfigFile": "config_files",
    "Layout": "layout",
    "NpmProject": "npm_project",
    "ParsedFiles": "build",
    "ProjectPackage": "layout",
    "SourceFile": "source_file",
    "compare_with_sources": "freshness",
    "find_build": "build",
    "find_config_files": "config_files",
    "find_remedy": "restore",
    "parse_build": "build",
    "read_config_files": "config_files",
    "uses_node_config": "config_files",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
