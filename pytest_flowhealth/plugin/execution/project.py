"""The project that the bundled checks ask about: its Node process starts before they are imported."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target
    from pytest_flowhealth.probes.project import NpmProject

QUESTIONS = {
    "system": ("versions",),
    "package": ("layout", "tree", "load"),
    "build": ("layout", "resolve", "syntax"),
    "dependencies": ("audit", "outdated"),
    "configuration": ("layout", "syntax"),
    "npm": ("layout", "registry"),
}
"""What the bundled checks of a component ask the project."""

_PROJECT: pytest.StashKey[NpmProject] = pytest.StashKey()
_PREPARED: pytest.StashKey[Future[Any]] = pytest.StashKey()


def prepare_project(config: pytest.Config, target: Target, components: Iterable[str]) -> None:
    """Start the Node process if the checks of one of `components` ask it."""
    questions = [question for name in components for question in QUESTIONS.get(name, ())]
    if questions:
        config.stash[_PREPARED] = get_project(config, target).prepare(*dict.fromkeys(questions))


def get_project(config: pytest.Config, target: Target) -> NpmProject:
    """Return the project of this run; its process ends with pytest's configuration."""
    from pytest_flowhealth.probes.project import NpmProject

    if _PROJECT not in config.stash:
        config.stash[_PROJECT] = project = NpmProject(target.root)
        config.add_cleanup(project.close)
    return config.stash[_PROJECT]


def get_preparation(config: pytest.Config) -> Future[Any] | None:
    """Return what is done when the Node process that was started early has nothing more to do."""
    return config.stash.get(_PREPARED, None)
