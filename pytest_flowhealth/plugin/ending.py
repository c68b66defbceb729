"""The end of a run: its report, its verdict and its exit code.

However a run ends, the exit code is that of the report: 0 to 3 for a verdict, 3 if something kept it from
having one, 4 for a usage error.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.config import ConftestImportFailure

from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.status import USAGE_ERROR, Status
from pytest_flowhealth.domain.text import Redactor, find_secrets, one_line
from pytest_flowhealth.monitor.round_request import read_round_request
from pytest_flowhealth.plugin.leaked_mocks import restore_originals
from pytest_flowhealth.plugin.options import read_early_options
from pytest_flowhealth.plugin.reporting.exit_guard import settle_exit
from pytest_flowhealth.plugin.reporting.messages import summarize
from pytest_flowhealth.plugin.reporting.recorder import Recorder
from pytest_flowhealth.plugin.reporting.report_builder import build_report, build_unfinished
from pytest_flowhealth.plugin.reporting.sinks import REPORTED, SINKS, make_sinks, make_valid_sinks
from pytest_flowhealth.plugin.reporting.stdout import ensure_open, flush_stdout
from pytest_flowhealth.plugin.reporting.terminal import show_verdict
from pytest_flowhealth.plugin.run import RUN, HealthRun, Mode


def finish_run(config: pytest.Config, pytest_exit: int | None) -> int | None:
    """End a run: build its report, deliver it, and return the exit code.

    Args:
        config: The session has ended, and everything is unconfigured.
        pytest_exit: The exit code that pytest itself would end with.

    Raises:
        pytest.UsageError: An xdist worker found one.
    """
    restore_originals()
    ensure_open()
    run = config.stash[RUN]
    if run.usage_error is not None:
        abort(config, run.usage_error)
        raise pytest.UsageError(run.usage_error)
    if run.mode is Mode.WATCHING:
        run.mode = _find_mode(config)
    if not run.decides and not config.option.health_report:
        return pytest_exit
    document = _deliver(run, int(pytest_exit or 0))
    if not run.decides:
        return pytest_exit
    show_verdict(run, document)
    flush_stdout()
    settle_exit(document.health.exit_code)
    if config.option.health_submit is not None and run.monitor is None:
        from pytest_flowhealth.plugin.submit import submit

        submit(run, document)
    return document.health.exit_code


def finish_with_error(config: pytest.Config, error: BaseException) -> int | None:
    """End a run that an exception ended outside its checks.

    Raises:
        pytest.UsageError: It was one; pytest shows it and exits with 4.
    """
    restore_originals()
    if isinstance(error, pytest.UsageError):
        abort(config, str(error))
        raise error
    text = f"internal error: {type(error).__name__}: {one_line(str(error))}"
    if RUN not in config.stash:
        return abort_unknown(config, text)
    config.stash[RUN].problems.append(RunProblem(text))
    return finish_run(config, 0)


def finish_without_conftest(config: pytest.Config, error: BaseException) -> int:
    """End a run that a conftest.py, or its options, kept from starting.

    Raises:
        pytest.UsageError: It was one; pytest shows it and exits with 4.
    """
    if isinstance(error, pytest.UsageError):
        abort(config, str(error))
        raise error
    if isinstance(error, SystemExit):
        text = f"a conftest.py ended the process with exit code {error.code}"
    elif isinstance(error, ConftestImportFailure):
        text = f"{error.path.name} can't be used: {one_line(summarize(error.cause))}"
    else:
        text = f"a conftest.py or a plugin failed at the start: {one_line(summarize(error))}"
    return abort_unknown(config, text)


def abort_unknown(config: pytest.Config, text: str) -> int:
    """End a run that has no verdict, with the reason in the report and on standard error."""
    text = Redactor(find_secrets(os.environ))(one_line(text))
    abort(config, text, Status.UNKNOWN.exit_code)
    sys.stderr.write(f"UNKNOWN  {text}\n")
    return Status.UNKNOWN.exit_code


def abort(config: pytest.Config, reason: str, exit_code: int = USAGE_ERROR) -> None:
    """Leave a report that says why there is no verdict."""
    run = config.stash.get(RUN, None)
    root = run.target.root if run else config.invocation_params.dir
    heading, *mistakes = [line.strip() for line in reason.splitlines()] or ["usage error"]
    document = build_unfinished(root, mistakes or [heading], exit_code)
    config.stash[REPORTED] = True
    request = read_round_request()
    if request is not None and run is None:
        from pytest_flowhealth.plugin.reporting.monitor_pipe import MonitorPipe

        MonitorPipe.refuse(request.pipe, document)
        return
    options = config.known_args_namespace
    for sink in config.stash.get(SINKS, []) or make_valid_sinks(
        options, config.invocation_params.dir
    ):
        with contextlib.suppress(pytest.UsageError):
            sink.write(document)


def abort_startup(arguments: Sequence[str], reason: str, exit_code: int) -> bool:
    """Leave a report that says why pytest ended before this plugin was loaded.

    Returns:
        Whether `arguments` ask for a health run: otherwise nothing is written.
    """
    options = read_early_options(arguments)
    if options is None:
        return False
    folder = Path.cwd()
    text = Redactor(find_secrets(os.environ))(one_line(reason))
    if read_round_request() is None:  # the monitor knows by itself
        for sink in make_valid_sinks(options, folder):
            sink.write(build_unfinished(folder, [text], exit_code))
    sys.stderr.write(f"UNKNOWN  {text}\n")
    return True


def _deliver(run: HealthRun, pytest_exit: int) -> Document:
    """Build the report and write it to every sink; what fails makes the report unknown."""
    config = run.config
    sinks = config.stash.get(SINKS, None) or make_sinks(config, config.option)
    config.stash[REPORTED] = True
    document = build_report(run, pytest_exit)
    try:
        config.hook.pytest_flowhealth_report(report=document)
    except Exception as error:  # noqa: BLE001  # a hook of another plugin may raise anything
        run.problems.append(RunProblem(f"pytest_flowhealth_report: {one_line(summarize(error))}"))
        document = build_report(run, pytest_exit)
    while True:
        failures: dict[int, str] = {}
        for sink in sinks:
            # A final one waits for a report that is not corrected any more.
            if not (failures and sink.final) and (failure := sink.write(document)):
                failures[id(sink)] = failure
        if not failures:
            return document
        for failure in failures.values():
            sys.stderr.write(f"{failure}\n")
        run.problems += [RunProblem(failure) for failure in failures.values()]
        sinks = [sink for sink in sinks if id(sink) not in failures]
        document = build_report(run, pytest_exit)


def _find_mode(config: pytest.Config) -> Mode:
    """Return the mode that xdist's workers found; if none reported, by what was reported."""
    run = config.stash[RUN]
    recorder: Recorder = config.pluginmanager.getplugin("flowhealth-recorder")
    modes = {worker.mode for worker in recorder.workers}
    if modes:
        return Mode.AUTO if Mode.AUTO.value in modes else Mode.MIXED
    only_checks = run.results and run.finished.keys() <= run.results.keys()
    return Mode.AUTO if only_checks else Mode.MIXED
