"""What one run of checks knows, kept on pytest's config under a stash key."""

from __future__ import annotations

import dataclasses
import datetime
import os
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.plugin.answers import Answers
from pytest_flowhealth.plugin.exclusive import LockKeeper
from pytest_flowhealth.plugin.recorder import EVIDENCE_ATTRIBUTE, FromWorker, Recorder
from pytest_flowhealth.verdict.check import Declaration
from pytest_flowhealth.verdict.text import Redactor, password_in, secrets_in
from pytest_flowhealth.verdict.verdict import Problem

if TYPE_CHECKING:
    from pytest_flowhealth.plugin.finish import Conclusion


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
    declarations: dict[str, Declaration] = dataclasses.field(default_factory=dict)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    not_asked: tuple[str, ...] = ()
    usage: str | None = None
    conclusion: Conclusion | None = None

    @property
    def decides(self) -> bool:
        """Whether the exit code is this run's verdict."""
        return self.mode in (Mode.HEALTH, Mode.AUTO)


RUN: pytest.StashKey[Run] = pytest.StashKey()


def run_of(config: pytest.Config) -> Run:
    """Return the run under way; a fixture used outside a check starts a mixed one."""
    if RUN not in config.stash:
        begin(config, Mode.MIXED)
    return config.stash[RUN]


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def begin(config: pytest.Config, mode: Mode) -> Run:
    """Start a run: read the target's configuration, register what records and judges.

    Raises:
        pytest.UsageError: The configuration or an option can't be meant.
    """
    from pytest_flowhealth.plugin.report_file import report_path
    from pytest_flowhealth.plugin.runner import Blocker, Runner
    from pytest_flowhealth.plugin.terminal import AutoSummary
    from pytest_flowhealth.plugin.timeouts import Timeouts

    target = _target(config)
    secrets = secrets_in(os.environ) | {password_in(target.config.redis.url or "") or ""}
    recorder = Recorder()
    run = Run(
        config=config,
        mode=mode,
        target=target,
        redact=Redactor(secrets),
        recorder=recorder,
        answers=Answers(target),
        report=report_path(config.option, config.invocation_params.dir),
        started=datetime.datetime.now(datetime.UTC),
        start=time.perf_counter(),
    )
    config.stash[RUN] = run
    parts: dict[str, object] = {
        "recorder": recorder,
        "runner": Runner(run),
        "blocker": Blocker(run),
        "timeouts": Timeouts(),
    }
    if is_worker(config):
        parts["worker"] = WorkerEnd(run)
    else:
        parts["lock"] = LockKeeper()
        parts |= {} if mode is Mode.HEALTH else {"summary": AutoSummary(run)}
    for name, part in parts.items():
        config.pluginmanager.register(part, f"flowhealth-{name}")
    return run


class WorkerEnd:
    """Lets an xdist worker tell its controller what it had; the plugin `flowhealth-worker`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Put what the controller needs into the worker's last message."""
        run = self._run
        told = FromWorker(
            mode=run.mode.value,
            usage=run.usage,
            declarations=tuple(run.declarations.values()),
            problems=tuple(run.problems),
            not_asked=run.not_asked,
            deselected=run.recorder.deselected,
        )
        run.config.workeroutput[EVIDENCE_ATTRIBUTE] = msgspec.json.encode(told).decode()  # type: ignore[attr-defined]


def _target(config: pytest.Config) -> Target:
    folder = config.option.health_project
    try:
        return load_target(
            Path(folder) if folder else None, os.environ, config.invocation_params.dir
        )
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
