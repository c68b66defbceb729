"""Build the report of a run from its results and problems."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.domain.checks import CheckResult, make_unreported
from pytest_flowhealth.domain.report import (
    Document,
    HostInfo,
    Report,
    Summary,
    TargetInfo,
    make_summary,
)
from pytest_flowhealth.domain.root_causes import RunProblem, attribute_root_causes, derive_verdict
from pytest_flowhealth.domain.run_history import RunComparison, Trend
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.plugin.run import HealthRun

COVERAGE = "cov_fail_under"


def build_report(run: HealthRun, pytest_exit: int) -> Document:
    """Return the report of a run; with a history, record the run there.

    Args:
        run: What was collected, reported and went wrong.
        pytest_exit: The exit code that pytest itself would end with.
    """
    results = list(_complete_results(run))
    trends: tuple[Trend, ...] = ()
    comparisons: tuple[RunComparison, ...] = ()
    if run.history:
        results, comparisons = run.history.compare_results(results, run.samples)
        trends = run.history.find_trends(results, run.samples)
    checks = attribute_root_causes(results)
    problems = [*run.problems, *_find_problems(run, checks, pytest_exit)]
    clean = run.sanitizer
    problems = [clean.problem(problem) for problem in dict.fromkeys(problems)]
    run.reported_problems = tuple(problem.text for problem in problems)
    verdict = derive_verdict(checks, problems)
    allowed = run.config.option.health_allow == verdict.status.value
    duration = time.perf_counter() - run.start
    report = Report(
        status=verdict.status,
        exit_code=0 if allowed else verdict.status.exit_code,
        reasons=verdict.reasons,
        started=run.started,
        duration=duration,
        target=TargetInfo(
            name=clean.tree(run.target.name),
            version=clean.tree(run.target.version),
            path=printable(str(run.target.root)),
            instance=clean.text(printable(run.target.instance)),
        ),
        host=describe_host(),
        summary=make_summary(verdict.counts),
        components=verdict.components,
        checks=verdict.checks,
        not_asked=run.not_requested,
        deselected=run.deselected,
        trends=trends,
        comparisons=comparisons,
    )
    document = Document(
        created=run.started.timestamp() + duration,  # a check may have changed the time
        duration=duration,
        exitcode=report.exit_code,
        root=printable(str(run.config.rootpath)),
        environment=clean.tree(_read_environment(run.config)),
        summary=run.entries.summary(collected=len(run.collected), deselected=run.deselected),
        tests=run.entries.tests(),
        health=report,
    )
    return run.history.record(document, run.samples) if run.history else document


def build_unfinished(root: Path, reasons: Iterable[str], exit_code: int = 3) -> Document:
    """Return the report of a run that has no verdict: unknown, for `reasons`."""
    shown = printable(str(root))
    report = Report(
        status=Status.UNKNOWN,
        exit_code=exit_code,
        reasons=tuple(reasons),
        started=datetime.datetime.now(datetime.UTC),
        duration=0.0,
        target=TargetInfo(None, None, shown),
        host=describe_host(),
        summary=Summary(),
        components={},
        checks=(),
    )
    counts = {"total": 0, "collected": 0}
    return Document(time.time(), 0.0, exit_code, shown, {}, counts, (), report)


def describe_host() -> HostInfo:
    """Return what the report says of this machine."""
    return HostInfo(
        name=platform.node(),
        system=platform.system(),
        release=platform.release(),
        machine=platform.machine(),
        python=platform.python_version(),
        cpus=os.cpu_count(),
    )


def _complete_results(run: HealthRun) -> Iterator[CheckResult]:
    """Yield a result for every check that was collected, whether it reported or not."""
    for nodeid in dict.fromkeys([*run.collected, *run.results]):
        if nodeid in run.results:
            yield run.results[nodeid]
        elif nodeid in run.specs:
            missing = make_unreported(run.specs[nodeid], "it was collected, but never reported")
            yield run.sanitizer.check(missing)


def _find_problems(
    run: HealthRun, checks: Sequence[CheckResult], pytest_exit: int
) -> Iterator[RunProblem]:
    """Yield what went wrong around the checks."""
    # Nobody knows which checks a file holds that skipped itself at import.
    skipped = [
        RunProblem(
            f"{nodeid} skipped itself whole, so its checks did not report: {reason}; "
            "a pytestmark with skipif skips each of them by name"
        )
        for nodeid, reason in run.skipped_files.items()
    ]
    found = [
        *skipped,
        *_find_test_problems(run),
        *_find_requirements_only(run, checks),
    ]
    yield from found
    if not found and not run.problems:
        yield from _explain_exit_code(run, pytest_exit)


def _find_test_problems(run: HealthRun) -> Iterator[RunProblem]:
    """Yield the problems of tests that are not checks: they have no outcome of their own."""
    for nodeid in run.collected:
        if nodeid in run.specs or nodeid in run.results:
            continue
        if nodeid not in run.finished:
            yield RunProblem(f"{nodeid} was collected, but never reported")
        elif run.finished[nodeid]:
            yield RunProblem(f"{nodeid}, which is not a check, failed", Status.UNHEALTHY)


def _find_requirements_only(run: HealthRun, checks: Sequence[CheckResult]) -> Iterator[RunProblem]:
    """Yield a problem if only what a requested component requires was checked, not the component."""
    requested = set() if run.monitor else set(run.config.option.health_component)
    ours = [result for result in checks if result.component in requested]
    if (
        requested
        and len(ours) < len(checks)
        and all(result.outcome is Outcome.SKIP for result in ours)
    ):
        yield RunProblem(f"every check of {', '.join(sorted(requested))} was skipped")


def _explain_exit_code(run: HealthRun, code: int) -> Iterator[RunProblem]:
    """Yield a problem if pytest itself ends with an error that nothing else explains."""
    if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return
    if code == pytest.ExitCode.TESTS_FAILED:
        if any(run.finished.values()):
            return
        limit = getattr(run.config.option, COVERAGE, None)
        if limit and run.config.pluginmanager.hasplugin("_cov"):
            yield RunProblem(f"the coverage is below --cov-fail-under={limit:g}")
            return
        yield RunProblem("pytest ended with exit code 1, although no test failed")
        return
    yield RunProblem(f"pytest ended with exit code {int(code)}")


def _read_environment(config: pytest.Config) -> dict[str, Any]:
    """Return what pytest-metadata, which pytest-json-report requires, knows of the environment."""
    try:
        from pytest_metadata.plugin import metadata_key
    except ImportError:
        return {}
    return dict(config.stash.get(metadata_key, {}))
