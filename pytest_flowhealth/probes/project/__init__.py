"""An npm project: its packages, what is installed, and whether that is as it must be.

`NpmProject` asks npm's own libraries and Node, in one Node process (agent/). A name is imported when
it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

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
    from pytest_flowhealth.probes.project.restore import (
        find_remedy,
    )
    from pytest_flowhealth.probes.project.source_file import (
        SourceFile,
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
    "BuildState",
    "ConfigFile",
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
    "ParsedFiles",
    "ProgramVersion",
    "ProjectPackage",
    "Requirement",
    "SourceFile",
    "Versions",
    "Vulnerability",
    "compare_with_sources",
    "find_build",
    "find_config_files",
    "find_remedy",
    "parse_build",
    "read_config_files",
    "uses_node_config",
]

_MODULES = {
    "Audit": "updates",
    "Behind": "updates",
    "BuildState": "build",
    "ConfigFile": "config_files",
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
    "ParsedFiles": "build",
    "ProgramVersion": "versions",
    "ProjectPackage": "layout",
    "Requirement": "versions",
    "SourceFile": "source_file",
    "Versions": "versions",
    "Vulnerability": "updates",
    "compare_with_sources": "freshness",
    "find_build": "build",
    "find_config_files": "config_files",
    "find_remedy": "restore",
    "parse_build": "build",
    "read_config_files": "config_files",
    "uses_node_config": "config_files",
}

__getattr__ = make_getattr(__name__, _MODULES)
