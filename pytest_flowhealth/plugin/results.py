"""From what was collected and reported to judged checks and the run's own problems."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from pytest_flowhealth.domain.checks import CheckResult, CheckSpec, Evidence, unreported
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.plugin.recorder import Seen
from pytest_flowhealth.plugin.scan import checks_in
from pytest_flowhealth.plugin.state import Mode, Run, is_round


def check_results(run: Run) -> list[CheckResult]:
    """Return a result for every check that was collected, whether it reported or not."""
    recorder = run.recorder
    declarations = _declarations(run)
    nodeids = dict.fromkeys([*recorder.collected, *recorder.seen])
    results = []
    for nodeid in nodeids:
        seen = recorder.seen.get(nodeid)
        declaration = declarations.get(nodeid)
        if seen is not None and (result := _reported(run, seen, declaration)) is not None:
            results.append(result)
        elif declaration is not None:
            results.append(unreported(declaration, "it was collected, but never reported"))
    return results


def run_problems(run: Run, pytest_exit: int) -> list[RunProblem]:
    """Return what went wrong around the checks; `pytest_exit` is pytest's own exit code."""
    problems = [*run.recorder.problems, *run.problems]
    for worker in run.recorder.workers:
        problems += worker.problems
    problems += _skipped_files(run)
    problems += _ordinary_tests(run)
    problems += _only_requirements(run)
    problems += _exit_code(run, pytest_exit, told=bool(problems))
    return list(dict.fromkeys(problems))


def _declarations(run: Run) -> dict[str, CheckSpec]:
    told = {one.nodeid: one for worker in run.recorder.workers for one in worker.declarations}
    return told | run.declarations


def _reported(run: Run, seen: Seen, declaration: CheckSpec | None) -> CheckResult | None:
    if seen.evidence is None and declaration is not None:
        seen = msgspec.structs.replace(seen, evidence=Evidence(declaration))
    return run.recorder.result(seen)


def _skipped_files(run: Run) -> Iterator[RunProblem]:
    """Return the problems of files that skip themselves whole: nobody knows which checks they hold."""
    for nodeid, reason in run.recorder.skipped.items():
        if run.mode is Mode.HEALTH or any(checks_in(run.config.rootpath / nodeid)):
            yield RunProblem(
                f"{nodeid} skipped itself whole, so its checks did not report: {reason}; "
                "a pytestmark with skipif leaves out each of them by name"
            )


def _ordinary_tests(run: Run) -> Iterator[RunProblem]:
    """Return the problems of tests that are no checks: they have no outcome of their own."""
    declarations = _declarations(run)
    for nodeid in run.recorder.collected:
        seen = run.recorder.seen.get(nodeid)
        if nodeid in declarations or (seen is not None and seen.evidence is not None):
            continue
        if seen is None:
            yield RunProblem(f"{nodeid} was collected, but never reported")
        elif seen.failed:
            yield RunProblem(f"{nodeid}, which is no check, failed", Status.UNHEALTHY)


def _only_requirements(run: Run) -> Iterator[RunProblem]:
    """Return a problem where nothing applies of what was asked for by name: what it requires is not it.

    In a monitor's round it is what was due, not what somebody wants to know.
    """
    asked = set() if is_round(run.config) else set(run.config.option.health_component)
    results = check_results(run) if asked else []
    ours = [one for one in results if one.component in asked]
    if len(ours) < len(results) and all(one.outcome is Outcome.SKIP for one in ours):
        names = ", ".join(sorted(asked))
        yield RunProblem(f"every check of {names} was skipped")


def _exit_code(run: Run, code: int, *, told: bool) -> list[RunProblem]:
    """Return a problem where pytest itself says that something went wrong, and nothing told of it."""
    if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) or told:
        return []
    failed = any(seen.failed for seen in run.recorder.seen.values())
    if code == pytest.ExitCode.TESTS_FAILED and failed:
        return []
    return [RunProblem(f"pytest ended with exit code {int(code)}")]
