"""Begins a run: reads the target's configuration, registers what records and judges."""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_flowhealth.config.load import load_target, locate
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.text import Redactor, password_in, secrets_in
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.monitor.frames import order
from pytest_flowhealth.plugin.answers import ANSWERS, Answers
from pytest_flowhealth.plugin.doubts import listen
from pytest_flowhealth.plugin.exclusive import LockKeeper
from pytest_flowhealth.plugin.keys import RUN
from pytest_flowhealth.plugin.messages import usage_error
from pytest_flowhealth.plugin.recorder import EVIDENCE_ATTRIBUTE, FromWorker, Recorder
from pytest_flowhealth.plugin.report_file import report_path
from pytest_flowhealth.plugin.runner import Blocker, Runner
from pytest_flowhealth.plugin.state import Mode, Run, is_round, is_worker
from pytest_flowhealth.plugin.terminal import AutoSummary
from pytest_flowhealth.plugin.timeouts import Timeouts

if TYPE_CHECKING:
    from pytest_flowhealth.plugin.memory import Memory


def run_of(config: pytest.Config) -> Run:
    """Return the run under way; a fixture used outside a check starts a mixed one."""
    if RUN not in config.stash:
        begin(config, Mode.MIXED)
    return config.stash[RUN]


def begin(config: pytest.Config, mode: Mode) -> Run:
    """Start a run: read the target's configuration, register what records and judges.

    Raises:
        pytest.UsageError: The configuration or an option can't be meant.
    """
    target = _target(config)
    addresses = (target.config.redis.url, target.config.history.url, config.option.health_history)
    secrets = secrets_in(os.environ) | {password_in(one or "") or "" for one in addresses}
    recorder = Recorder()
    run = Run(
        config=config,
        mode=mode,
        target=target,
        redact=Redactor(secrets),
        recorder=recorder,
        answers=Answers(target),
        report=None
        if is_round(config)
        else report_path(config.option, config.invocation_params.dir),
        started=datetime.datetime.now(datetime.UTC),
        start=time.perf_counter(),
    )
    if mode is not Mode.MIXED:
        listen(config)
        run.memory = _memory(config, target)
    config.stash[RUN] = run
    config.stash[ANSWERS] = run.answers
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
        parts |= _teller(run)
        parts |= {} if mode is Mode.HEALTH else {"summary": AutoSummary(run)}
    for name, part in parts.items():
        if config.pluginmanager.is_blocked(f"flowhealth-{name}"):
            raise pytest.UsageError(
                f"-p no:flowhealth-{name} takes a part out of the verdict; leave it out"
            )
        config.pluginmanager.register(part, f"flowhealth-{name}")
    return run


def _teller(run: Run) -> dict[str, object]:
    """Return what tells the monitor of a round's results, where this run is one."""
    if not is_round(run.config):
        return {}
    from pytest_flowhealth.plugin.round import Teller

    told = order()
    return {"teller": Teller(run, told)} if told else {}


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
            samples=run.samples,
        )
        run.config.workeroutput[EVIDENCE_ATTRIBUTE] = msgspec.json.encode(told).decode()  # type: ignore[attr-defined]


def _memory(config: pytest.Config, target: Target) -> Memory | None:
    """Return the way to the history where one is asked for; a worker leaves it to its controller."""
    option = config.option
    asked = option.health_history or option.health_compare is not None or target.config.history.url
    if not asked or is_worker(config):
        return None
    from pytest_flowhealth.plugin.memory import memory_of

    return memory_of(config, target)


def _target(config: pytest.Config) -> Target:
    folder = Path(config.option.health_project) if config.option.health_project else None
    here = config.invocation_params.dir
    try:
        if is_round(config):
            from pytest_flowhealth.plugin.round import target_of

            return target_of(locate(folder, here)) or load_target(folder, os.environ, here)
        return load_target(folder, os.environ, here)
    except UsageError as error:
        raise usage_error(str(error)) from None
