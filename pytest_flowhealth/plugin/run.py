"""The state of one run of checks, kept on pytest's config under a stash key."""

from __future__ import annotations

import dataclasses
import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_flowhealth.config.target import Target
    from pytest_flowhealth.domain.checks import CheckResult, CheckSpec
    from pytest_flowhealth.domain.root_causes import RunProblem
    from pytest_flowhealth.monitor.round_request import RoundRequest
    from pytest_flowhealth.plugin.reporting.run_history import RunHistory
    from pytest_flowhealth.plugin.reporting.sanitizer import Sanitizer
    from pytest_flowhealth.plugin.reporting.test_entries import TestEntries


class Mode(Enum):
    """Who decides the exit code.

    HEALTH: --health was given. AUTO: everything collected is a check. MIXED: a suite that also has
    checks, which keeps pytest's own exit codes. WATCHING: the controller of xdist's workers, before
    they reported what they collected.
    """

    HEALTH = "health"
    AUTO = "auto"
    MIXED = "mixed"
    WATCHING = "watching"


@dataclasses.dataclass
class HealthRun:
    """One run of checks.

    Attributes:
        specs: What was collected: the declaration of each check, by node id.
        results: What was reported: the result of each check, by node id, sanitized.
        collected: The node ids that have to report, checks and ordinary tests.
        finished: The node ids of ordinary tests that reported, and whether they failed.
        skipped_files: The files that skipped themselves at import, with the reason.
        problems: What is wrong with the run itself.
        not_requested: The components that were not asked for.
        samples: The samples of each series, by metric name, for the history.
        usage_error: Of an xdist worker: why it did not run anything.
        reported_problems: The texts of all problems that the last report was built from.
        monitor: What the monitor asks for, if this run is one of its rounds.
    """

    config: pytest.Config
    mode: Mode
    target: Target
    sanitizer: Sanitizer
    entries: TestEntries
    report_path: Path | None
    started: datetime.datetime
    start: float
    history: RunHistory | None = None
    monitor: RoundRequest | None = None
    specs: dict[str, CheckSpec] = dataclasses.field(default_factory=dict)
    results: dict[str, CheckResult] = dataclasses.field(default_factory=dict)
    collected: dict[str, None] = dataclasses.field(default_factory=dict)
    finished: dict[str, bool] = dataclasses.field(default_factory=dict)
    skipped_files: dict[str, str] = dataclasses.field(default_factory=dict)
    problems: list[RunProblem] = dataclasses.field(default_factory=list)
    not_requested: tuple[str, ...] = ()
    deselected: int = 0
    samples: dict[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    usage_error: str | None = None
    reported_problems: tuple[str, ...] = ()

    @property
    def decides(self) -> bool:
        """Whether the exit code is that of the verdict."""
        return self.mode in (Mode.HEALTH, Mode.AUTO)


RUN: pytest.StashKey[HealthRun] = pytest.StashKey()
"""Where the run is kept on pytest's config."""


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")
