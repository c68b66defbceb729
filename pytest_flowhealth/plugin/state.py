"""What one run of checks knows, kept on pytest's config under a stash key."""

from __future__ import annotations

import dataclasses
import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.checks import CheckSpec
from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.text import Redactor
from pytest_flowhealth.monitor.frames import order
from pytest_flowhealth.plugin.answers import Answers
from pytest_flowhealth.plugin.recorder import Recorder

if TYPE_CHECKING:
    from pytest_flowhealth.plugin.memory import Memory


class Mode(Enum):
    """Who decides the exit code.

    HEALTH: asked for with --health; AUTO: everything collected is a check;
    MIXED: a suite with checks in it, which keeps pytest's own exit codes;
    WATCHING: the controller of xdist's workers, before they told what they have.
    """

    HEALTH = "health"
    AUTO = "auto"
    MIXED = "mixed"
    WATCHING = "watching"


@dataclasses.dataclass(frozen=True)
class Conclusion:
    """What a run came to; `facts` tells whether anything happened since.

    `pytest_exit` is the exit code of pytest that it was drawn from.
    """

    document: Document
    exit_code: int
    pytest_exit: int
    facts: tuple[int, ...]


@dataclasses.dataclass
class Run:
    """One run: its target, its declared checks, what was recorded, what it came to."""

    config: pytest.Config
    mode: Mode
    target: Target
    redact: Redactor
    recorder: Recorder
    answers: Answers
    report: Path | None
    started: datetime.datetime
    start: float
    declarations: dict[str, CheckSpec] = dataclasses.field(default_factory=dict)
    problems: list[RunProblem] = dataclasses.field(default_factory=list)
    not_asked: tuple[str, ...] = ()
    usage: str | None = None
    conclusion: Conclusion | None = None
    memory: Memory | None = None
    samples: dict[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    """The samples of each series by its metric's name (history/entry.py), where they are kept."""

    @property
    def decides(self) -> bool:
        """Whether the exit code is this run's verdict."""
        return self.mode in (Mode.HEALTH, Mode.AUTO)


def is_round(config: pytest.Config) -> bool:
    """Tell whether this run is a round of the monitor, which writes the report and the history itself."""
    return order() is not None and not is_worker(config)


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")
