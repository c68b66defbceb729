"""The start of a run: replace the report of the last one, read the configuration, register the parts."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_flowhealth.config.load import load_target, locate
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import Redactor, find_password, find_secrets
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.monitor.round_request import read_round_request
from pytest_flowhealth.plugin.collection import bundled
from pytest_flowhealth.plugin.collection.selection import Selection
from pytest_flowhealth.plugin.ending import abort
from pytest_flowhealth.plugin.execution.exclusive import LockFile
from pytest_flowhealth.plugin.execution.project import prepare_project
from pytest_flowhealth.plugin.execution.retrier import Retrier
from pytest_flowhealth.plugin.execution.runner import CheckRunner
from pytest_flowhealth.plugin.execution.timeouts import Timeouts
from pytest_flowhealth.plugin.leaked_mocks import remember_originals, restore_originals
from pytest_flowhealth.plugin.options import is_question, read_early_options
from pytest_flowhealth.plugin.reporting.exit_guard import guard_exit
from pytest_flowhealth.plugin.reporting.messages import make_usage_error
from pytest_flowhealth.plugin.reporting.recorder import Recorder
from pytest_flowhealth.plugin.reporting.report_builder import build_unfinished
from pytest_flowhealth.plugin.reporting.report_file import find_report_path
from pytest_flowhealth.plugin.reporting.sanitizer import Sanitizer
from pytest_flowhealth.plugin.reporting.sinks import (
    REPORTED,
    SINKS,
    Sink,
    make_sinks,
    make_valid_sinks,
)
from pytest_flowhealth.plugin.reporting.stdout import ensure_open, flush_stdout
from pytest_flowhealth.plugin.reporting.test_entries import TestEntries
from pytest_flowhealth.plugin.run import RUN, HealthRun, Mode, is_worker
from pytest_flowhealth.plugin.startup import take_charge

if TYPE_CHECKING:
    from pytest_flowhealth.monitor.round_request import ConfigSnapshot
    from pytest_flowhealth.plugin.reporting.run_history import RunHistory

_UNFINISHED = ("run did not finish",)

_CLAIM_ERROR: pytest.StashKey[pytest.UsageError] = pytest.StashKey()
_SELECTION: pytest.StashKey[Selection] = pytest.StashKey()


def claim_report(config: pytest.Config) -> None:
    """Replace the earlier report, before an option or a plugin can end pytest."""
    options = read_early_options(config.invocation_params.args)
    if options is None or _may_be_worker():
        take_charge()
        return
    try:
        _claim(config, options)
    except pytest.UsageError as error:
        # Raised here, pytest would show it with a traceback; before_conftests raises it.
        config.stash[_CLAIM_ERROR] = error
    take_charge()
    sys.excepthook = _exit_unknown


def before_conftests(config: pytest.Config) -> None:
    """Guard the ways out of the process, before a conftest.py of the project runs."""
    ensure_open()
    guard_exit(lambda text: abort(config, text, Status.UNKNOWN.exit_code))
    remember_originals()
    if _may_be_worker():
        return
    if _CLAIM_ERROR in config.stash:
        raise config.stash[_CLAIM_ERROR]
    if SINKS not in config.stash:
        _claim(config, config.known_args_namespace)


def start_health(config: pytest.Config) -> None:
    """Start a run that was asked for with --health.

    Raises:
        pytest.UsageError: An option or the configuration is invalid.
    """
    if not is_worker(config) and SINKS not in config.stash:
        _claim(config, config.option)
    if not config.pluginmanager.hasplugin("timeout"):
        raise pytest.UsageError(
            "pytest-timeout is switched off, and without it a check that hangs never ends; "
            "leave out -p no:timeout"
        )
    if config.option.health_submit is not None:
        from pytest_flowhealth.plugin.submit import require_receiver

        require_receiver(config)
    # Other checks still report something if one file can't be imported.
    config.option.continue_on_collection_errors = True
    run = start_run(config, Mode.HEALTH)
    config.pluginmanager.register(bundled.BundledCollection(), "flowhealth-bundled")
    if is_implicit(config):
        # Selection adds the bundled checks, which depend on what these require.
        config.args[:] = [str(run.target.root / path) for path in run.target.config.checks]
        if not (_starts_nothing(config) or is_worker(config)):
            prepare_project(config, run.target, config.stash[_SELECTION].request_components())


def _starts_nothing(config: pytest.Config) -> bool:
    """Tell whether this process runs no check: it lists them, or its workers run them."""
    option = config.option
    return is_question(option) or option.collectonly or getattr(option, "dist", "no") != "no"


def start_run(config: pytest.Config, mode: Mode) -> HealthRun:
    """Start a run: read the project's configuration, register what runs and records the checks.

    Raises:
        pytest.UsageError: The configuration or an option is invalid.
    """
    request = None if is_worker(config) else read_round_request()
    if request is not None:
        # The project's addopts may hold --sw or --pdb: a round does not end at the first failure.
        config.option.stepwise = config.option.usepdb = False
    target = _load_target(config, request.settled if request else None)
    history = target.config.history.url
    urls = (target.config.redis.url, history and history.url, config.option.health_history)
    secrets = find_secrets(os.environ) | {find_password(url or "") or "" for url in urls}
    sanitizer = Sanitizer(Redactor(secrets))
    run = HealthRun(
        config=config,
        mode=mode,
        target=target,
        sanitizer=sanitizer,
        entries=TestEntries(sanitizer),
        report_path=None
        if request
        else find_report_path(config.option, config.invocation_params.dir),
        started=datetime.datetime.now(datetime.UTC),
        start=time.perf_counter(),
        monitor=request,
    )
    if mode is not Mode.MIXED:
        run.history = _open_history(run)
    config.stash[RUN] = run
    _register_parts(run)
    return run


def _register_parts(run: HealthRun) -> None:
    config = run.config
    keeps_samples = bool(run.history or run.monitor or is_worker(config))
    recorder, runner = Recorder(run), CheckRunner(run, keep_samples=keeps_samples)
    parts: dict[str, object] = {
        "recorder": recorder,
        "runner": runner,
        "blockers": runner.blockers,
        "timeouts": Timeouts(),
    }
    if config.option.health_retry is not None:
        parts["retrier"] = Retrier(config.option.health_retry)
    if not is_worker(config):
        parts["lock"] = LockFile()
    if run.monitor is not None:
        from pytest_flowhealth.plugin.reporting.monitor_pipe import MonitorPipe

        pipe = MonitorPipe(run, run.monitor.pipe)
        parts["monitor"] = pipe
        sinks: list[Sink] = [pipe]
        config.stash[SINKS] = sinks
    for name, part in parts.items():
        if config.pluginmanager.is_blocked(f"flowhealth-{name}"):
            raise pytest.UsageError(
                f"-p no:flowhealth-{name} takes a part out of the verdict; leave it out"
            )
        config.pluginmanager.register(part, f"flowhealth-{name}")
    config.stash[_SELECTION] = Selection(run, recorder, implicit=is_implicit(config))


def choose_checks(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Read the markers of `items` and choose the checks to run; start a run if there is none yet.

    Raises:
        pytest.UsageError: Markers, options or names are invalid.
    """
    config = session.config
    if RUN not in config.stash:
        every = all(item.get_closest_marker("health") for item in items)
        start_run(config, Mode.AUTO if every else Mode.MIXED)
        _catch_up(config, items)
    config.stash[_SELECTION].choose(session, items)


def arrange_checks(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the chosen checks."""
    config.stash[_SELECTION].arrange(items)


def is_implicit(config: pytest.Config) -> bool:
    """Tell whether no path was given, so that the bundled checks are run."""
    return config.args_source is not pytest.Config.ArgsSource.ARGS


def _catch_up(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the recorder, which starts only now, what pytest has collected so far."""
    recorder: Recorder = config.pluginmanager.getplugin("flowhealth-recorder")
    recorder.items += items
    reporter = config.pluginmanager.getplugin("terminalreporter")
    for report in reporter.stats.get("skipped", []) if reporter else []:
        if isinstance(report, pytest.CollectReport):
            recorder.pytest_collectreport(report)


def _claim(config: pytest.Config, options: argparse.Namespace) -> None:
    """Replace what the last run left; what is polled says unknown if there is no verdict."""
    if read_round_request() is not None:
        return  # the monitor writes the report of its rounds
    folder = config.invocation_params.dir
    unfinished = build_unfinished(folder, _UNFINISHED)

    def leave_unknown() -> None:
        if REPORTED not in config.stash:
            for sink in config.stash.get(SINKS, None) or make_valid_sinks(options, folder):
                if sink.polled:
                    sink.write(unfinished)

    config.add_cleanup(leave_unknown)
    try:
        config.stash[SINKS] = make_sinks(config, options)
    except pytest.UsageError:
        _claim_sinks(make_valid_sinks(options, folder), unfinished)
        raise
    _claim_sinks(config.stash[SINKS], unfinished)


def _claim_sinks(sinks: list[Sink], unfinished: Document) -> None:
    for sink in sinks:
        sink.claim(unfinished)


def _load_target(config: pytest.Config, settled: ConfigSnapshot | None) -> Target:
    folder = Path(config.option.health_project) if config.option.health_project else None
    here = config.invocation_params.dir
    try:
        if settled is not None:
            return Target(locate(folder, here), **msgspec.structs.asdict(settled))
        return load_target(folder, os.environ, here)
    except UsageError as error:
        raise make_usage_error(str(error)) from None


def _open_history(run: HealthRun) -> RunHistory | None:
    """Return the history if one is asked for; a worker leaves it to its controller."""
    option = run.config.option
    asked = option.health_history or option.health_compare is not None
    if not (asked or run.target.config.history.url) or is_worker(run.config) or run.monitor:
        return None
    from pytest_flowhealth.plugin.reporting.run_history import open_history

    return open_history(run.config, run.target)


def _may_be_worker() -> bool:
    """Tell whether this looks like an xdist worker, which must not touch the report.

    A worker is known for sure only later. The variable alone does not tell: what a worker starts
    inherits it.
    """
    return "PYTEST_XDIST_WORKER" in os.environ and sys.argv[:1] == ["-c"]


def _exit_unknown(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print an exception that nothing caught, and exit with 3: Python's own 1 means degraded."""
    restore_originals()
    with contextlib.suppress(Exception):  # standard error may be closed
        traceback.print_exception(kind, error, trace)
        flush_stdout()
    os._exit(Status.UNKNOWN.exit_code)
