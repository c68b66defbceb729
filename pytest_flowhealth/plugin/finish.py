"""The end of a run: the verdict, the report, the exit code; guarded in one place."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Sequence, Set
from functools import partial
from pathlib import Path

import pytest

from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.root_causes import RunProblem, judge_run
from pytest_flowhealth.domain.status import USAGE_ERROR, Status
from pytest_flowhealth.domain.text import Redactor, one_line, secrets_in
from pytest_flowhealth.monitor.frames import order
from pytest_flowhealth.plugin.guard import settle_exit
from pytest_flowhealth.plugin.keys import RUN, TOLD
from pytest_flowhealth.plugin.messages import summary_of
from pytest_flowhealth.plugin.outputs import (
    POLLED,
    FormatError,
    outputs_of,
    polled_last,
    readable,
    to_stdout,
)
from pytest_flowhealth.plugin.places import Summary, health_of
from pytest_flowhealth.plugin.recorder import Recorder
from pytest_flowhealth.plugin.report_file import STDOUT, NotOurs, encoded, report_path, write_report
from pytest_flowhealth.plugin.results import check_results, run_problems
from pytest_flowhealth.plugin.scrub import Cleaner
from pytest_flowhealth.plugin.shown import show
from pytest_flowhealth.plugin.state import Conclusion, Mode, Run, is_round
from pytest_flowhealth.plugin.stdout import Stdout, flush
from pytest_flowhealth.plugin.written import document_of, look_back, unfinished


def conclude(run: Run, pytest_exit: int) -> Conclusion:
    """Return the run's verdict, written to its report; again only where something changed.

    `pytest_exit` is pytest's own exit code at this point.
    """
    if run.mode is Mode.WATCHING:
        run.mode = _told_by_workers(run.recorder)
    facts = _facts(run)
    before = run.conclusion
    if before is not None:
        if pytest_exit not in (0, before.exit_code, before.pytest_exit):
            run.problems.append(RunProblem(f"pytest ended with exit code {pytest_exit}"))
        elif before.facts == facts:
            return before
        pytest_exit = before.pytest_exit
    run.conclusion = _written(run, pytest_exit)
    return run.conclusion


def final_exit_code(config: pytest.Config, result: int | None) -> int | None:
    """Return the process's exit code, after all else has ended."""
    run = config.stash[RUN]
    usage = next((worker.usage for worker in run.recorder.workers if worker.usage), None)
    if usage is not None:
        refuse(config, usage)
        raise pytest.UsageError(usage)
    shown = run.conclusion
    conclusion = conclude(run, int(result or 0))
    if not run.decides:
        return result
    if conclusion is not shown:
        _show_again(run, conclusion)
    exit_code = _delivered(run, conclusion)
    if config.option.health_submit is not None and not is_round(config):
        from pytest_flowhealth.plugin.submit import submit

        submit(run, conclusion.document)
    return exit_code


def after_error(config: pytest.Config, error: BaseException) -> int:
    """Return the exit code of a run that ended in an error outside its checks.

    Raises:
        pytest.UsageError: It was one; pytest shows it and exits with 4.
    """
    if isinstance(error, pytest.UsageError):
        refuse(config, str(error))
        raise error
    run = config.stash.get(RUN, None)
    problem = RunProblem(f"internal error: {type(error).__name__}: {one_line(str(error))}")
    if run is None:
        return _unknown(config, problem.text)
    run.problems.append(problem)
    conclusion = conclude(run, 0)
    _show_again(run, conclusion)
    return _delivered(run, conclusion)


def _delivered(run: Run, conclusion: Conclusion) -> int:
    """Return the exit code of a verdict that has been shown; its report is worth nothing unread."""
    summary = Summary.of(run.config)
    for deliver in (summary.tell, partial(_to_stdout, run.config)):
        failure = deliver(conclusion.document)
        if failure is not None:
            sys.stderr.write(f"{failure}\n")
            conclusion = _corrected(run, conclusion, [failure])
            summary.tell(conclusion.document)
    flush()
    settle_exit(conclusion.exit_code)
    return conclusion.exit_code


def after_conftest(config: pytest.Config, error: BaseException) -> int:
    """Return the exit code of a run that a conftest.py, or its options, kept from beginning.

    Raises:
        pytest.UsageError: It was one; pytest shows it and exits with 4.
    """
    if isinstance(error, pytest.UsageError):
        refuse(config, str(error))
        raise error
    cause = getattr(error, "cause", error)  # of pytest's ConftestImportFailure
    if isinstance(error, SystemExit):
        text = f"a conftest.py ended the process with exit code {error.code}"
    else:
        where = Path(getattr(error, "path", "conftest.py")).name
        text = f"{where} can't be used: {one_line(summary_of(cause))}"
    return _unknown(config, text)


def not_run(config: pytest.Config) -> int:
    """Return the exit code where a hook of another's answered for pytest, so that nothing ran."""
    return _unknown(config, "nothing was run: a plugin or a conftest.py took pytest's place")


def _unknown(config: pytest.Config, text: str) -> int:
    """Tell that there is no verdict, and why: in the report and on standard error."""
    text = Redactor(secrets_in(os.environ))(one_line(text))
    refuse(config, text, Status.UNKNOWN.exit_code)
    sys.stderr.write(f"UNKNOWN  {text}\n")
    return Status.UNKNOWN.exit_code


def refuse(config: pytest.Config, reason: str, exit_code: int = USAGE_ERROR) -> None:
    """Leave a report that says why nothing was run."""
    run = config.stash.get(RUN, None)
    path = None if is_round(config) else run.report if run else _path(config)
    root = run.target.root if run else config.invocation_params.dir
    heading, *mistakes = [line.strip() for line in reason.splitlines()] or ["usage error"]
    document = unfinished(root, mistakes or [heading], exit_code)
    if is_round(config):
        from pytest_flowhealth.plugin.round import tell_refused

        if told := order():
            tell_refused(told, document)
        return
    if path is not None:
        _try_write(path, document)
    config.stash[TOLD] = True
    # What an earlier run left there must not stand for this one.
    for one in readable(config.known_args_namespace, config.invocation_params.dir):
        one.write(document.health)
    with contextlib.suppress(pytest.UsageError):
        Summary.of(config).tell(document)
    _to_stdout(config, document)


def _path(config: pytest.Config) -> Path | None:
    try:
        return report_path(config.known_args_namespace, config.invocation_params.dir)
    except pytest.UsageError:
        return None


def _written(run: Run, pytest_exit: int) -> Conclusion:
    conclusion = _remembered(run, _concluded(run, pytest_exit))
    if not (run.decides or run.config.option.health_report):
        return conclusion
    failures = _write_all(run, conclusion.document)
    return _corrected(run, conclusion, failures) if failures else conclusion


def _corrected(run: Run, conclusion: Conclusion, failures: Sequence[str]) -> Conclusion:
    """Return the verdict of a run that could not tell it everywhere.

    What could be written, and the history, shall not say what holds no longer.
    """
    told: set[str] = set()
    while failures:
        told.update(failures)
        run.problems += map(RunProblem, failures)
        conclusion = _remembered(run, _concluded(run, conclusion.pytest_exit))
        failures = [one for one in _write_all(run, conclusion.document, told) if one not in told]
    return conclusion


def _write_all(run: Run, document: Document, told: Set[str] = frozenset()) -> list[str]:
    """Write the report and the further outputs; return what went wrong.

    What is polled gets no verdict that is to change: it waits for one that has `told` of the others.
    """
    health = health_of(document)
    run.config.stash[TOLD] = True
    failures = [] if run.report is None else _try_write(run.report, document)
    for one in polled_last(outputs_of(run.config.option, run.config.invocation_params.dir)):
        if told or not failures or one.format not in POLLED:
            failures += filter(None, [one.write(health)])
    return failures


def _remembered(run: Run, conclusion: Conclusion) -> Conclusion:
    """Keep the run in its history, where there is one."""
    if is_round(run.config):
        return _told(run, conclusion)
    if run.memory is None:
        return conclusion
    document = run.memory.remember(conclusion.document, run.samples)
    return dataclasses.replace(conclusion, document=document)


def _told(run: Run, conclusion: Conclusion) -> Conclusion:
    """Tell the monitor how its round ended."""
    from pytest_flowhealth.plugin.round import tell_end

    told = order()
    if told is not None:
        clean = Cleaner(run.redact)
        problems = [clean.text(one.text) for one in run_problems(run, conclusion.pytest_exit)]
        tell_end(told, conclusion.document, run.samples, problems)
    return conclusion


def _try_write(path: Path, document: Document) -> list[str]:
    """Write the report; return what went wrong. An older one does not stay then."""
    try:
        write_report(path, document)
    except NotOurs as error:
        return [str(error)]
    except OSError as error:
        with contextlib.suppress(OSError):
            path.resolve().unlink()
        return [f"the report {path} could not be written: {error.strerror or error}"]
    return []


def _concluded(run: Run, pytest_exit: int) -> Conclusion:
    clean = Cleaner(run.redact)
    results = [clean.check(one) for one in check_results(run)]
    results, past = look_back(run, results)
    problems = [clean.problem(one) for one in run_problems(run, pytest_exit)]
    verdict = judge_run(results, problems)
    allowed = run.config.option.health_allow == verdict.status.value
    exit_code = 0 if allowed else verdict.status.exit_code
    document = document_of(run, verdict, exit_code, (clean, past))
    return Conclusion(document, exit_code, pytest_exit, _facts(run))


def _facts(run: Run) -> tuple[int, ...]:
    recorder = run.recorder
    phases = sum(len(seen.phases) for seen in recorder.seen.values())
    return (len(run.problems), len(recorder.problems), len(recorder.seen), phases)


def _told_by_workers(recorder: Recorder) -> Mode:
    """Return the mode that xdist's workers found; where none told, by what they reported."""
    told = {worker.mode for worker in recorder.workers}
    if told:
        return Mode.AUTO if Mode.AUTO.value in told else Mode.MIXED
    seen = recorder.seen.values()
    return Mode.AUTO if seen and all(one.evidence for one in seen) else Mode.MIXED


def _show_again(run: Run, conclusion: Conclusion) -> None:
    """Show a verdict that was not shown before, or changed after it was."""
    if not run.decides:
        return
    reporter = run.config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        show(run, conclusion, reporter)


def _for_stdout(config: pytest.Config, document: Document) -> bytes:
    """Return what was asked for on standard output: the report, or one further format."""
    options = config.known_args_namespace
    if options.health_report == STDOUT:
        return encoded(document)
    output = to_stdout(outputs_of(options, config.invocation_params.dir))
    return output.render(health_of(document)) if output else b""


def _to_stdout(config: pytest.Config, document: Document) -> str | None:
    """Write the report where --health-report - asks for it; return why that failed."""
    stdout = config.stash.get(Stdout.KEY, None)
    if stdout is None:
        return None
    try:
        stdout.write(_for_stdout(config, document))
    except BrokenPipeError:
        return None  # who asked for it has gone
    except OSError as error:
        return f"the report could not be written to standard output: {error.strerror}"
    except FormatError as error:
        return str(error)
    return None
