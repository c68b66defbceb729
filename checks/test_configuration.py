"""Configuration files: those that configuration.files names, otherwise the well-known ones that exist.

Each is read to its end as the tool it belongs to reads it; none is run.
"""

from concurrent.futures import Future
from pathlib import Path

import pytest

from pytest_flowhealth import (
    CheckFailed,
    FlowHealthError,
    Health,
    NotApplicable,
    Target,
    prefetch,
)
from pytest_flowhealth.probes import raise_worst
from pytest_flowhealth.probes.project import (
    ConfigFile,
    NpmProject,
    SourceFile,
    find_config_files,
    find_remedy,
    read_config_files,
    uses_node_config,
)


@prefetch
def configuration_files(target: Target, npm_project: NpmProject) -> list[ConfigFile]:
    """What was found of each file."""
    root, named = target.root, target.config.configuration.files
    try:
        packages = npm_project.layout().packages
    except FlowHealthError:  # package.manifest says why
        packages = []
    folders = [Path(package.folder) for package in packages] or [root]
    if named is not None:
        files = tuple(SourceFile(root / name, name) for name in dict.fromkeys(named))
    else:
        files = find_config_files(root, folders)
    if not files:
        raise NotApplicable(
            "there is no configuration file of a known name, and none is configured"
        )
    return read_config_files(npm_project, files, node_config=uses_node_config(packages))


@pytest.mark.health("configuration", timeout=120)
def test_files(
    health: Health, target: Target, configuration_files: Future[list[ConfigFile]]
) -> None:
    """Every file exists and parses."""
    found = configuration_files.result()
    health.detail(
        parsed=[file.label for file in found if not file.error and file.format != "text"],
        not_parsed=[file.label for file in found if not file.error and file.format == "text"],
        problems=[file.error.message for file in found if file.error],
    )
    for file in found:
        if file.warning:
            health.warn(file.warning)
    broken = next((file.label for file in found if isinstance(file.error, CheckFailed)), None)
    remedy = broken and find_remedy(target.root, None, target.root / broken)
    raise_worst(
        [file.error for file in found if file.error],
        broken="configuration files are broken",
        unread="configuration files could not be parsed",
        remedy=remedy or f"correct {broken or 'the file'}",
    )
