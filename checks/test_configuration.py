"""Configuration files: those that configuration.files names, else the well-known ones that are there.

Each is read to its end by a parser of its kind; none is run.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from pytest_flowhealth import FlowHealthError, Health, NotApplicable, Target, prefetch
from pytest_flowhealth.probes import files
from pytest_flowhealth.probes.listing import raise_worst


def folders_of(target: Target) -> Sequence[Path]:
    """Return the folders of the packages; the root alone where package.json can't tell."""
    try:
        return [package.path for package in target.packages]
    except FlowHealthError:  # told by package.manifest
        return [target.root]


@prefetch
def configuration_files(target: Target) -> tuple[files.Looked, ...]:
    """What was found of each file."""
    named = target.config.configuration.files
    if named is not None:
        sources = files.configured(target.root, named)
    else:
        sources = files.well_known(target.root, folders_of(target))
    if not sources:
        raise NotApplicable(
            "there is no configuration file of a known name, and none is configured"
        )
    return files.look(sources, target.root)


@pytest.mark.health("configuration", timeout=120)
def test_files(health: Health, configuration_files: Future[tuple[files.Looked, ...]]) -> None:
    """Every file is there and parses."""
    found = configuration_files.result()
    health.detail(
        parsed=[one.label for one in found if not one.error and one.kind != "text"],
        not_parsed=[one.label for one in found if not one.error and one.kind == "text"],
        problems=[one.error.message for one in found if one.error],
    )
    raise_worst(
        [one.error for one in found if one.error],
        broken="configuration files are broken",
        unread="configuration files could not be parsed",
        remedy="mend the file at that line, or restore it: git checkout -- FILE",
    )
