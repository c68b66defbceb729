"""The verdict on a run: from judged checks and from what went wrong around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.dependencies import finder, root_cause
from pytest_flowhealth.domain.status import Outcome, Status, worst


class RunProblem(msgspec.Struct, frozen=True, gc=False):
    """Something about the run itself, not one check, that keeps it from being healthy."""

    text: str
    status: Status = Status.UNKNOWN


class Component(msgspec.Struct, frozen=True):
    """A component's status (None where every check was skipped) and its checks' ids."""

    status: Status | None
    checks: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True):
    """The status of a run with its reasons, the worst first."""

    status: Status
    reasons: tuple[str, ...]
    components: dict[str, Component]
    summary: dict[Outcome, int]
    checks: tuple[CheckResult, ...]


def judge_run(checks: Sequence[CheckResult], problems: Sequence[RunProblem]) -> Verdict:
    """Return the verdict on `checks`, in their order, and on the run's `problems`.

    No check at all, or every check skipped, is unknown.
    """
    return judge_settled(settle(checks), problems)


def judge_settled(settled: tuple[CheckResult, ...], problems: Sequence[RunProblem]) -> Verdict:
    """Return the verdict on checks whose failures are laid to their causes already; as `judge_run`."""
    wrong = [*problems, *_emptiness(settled)]
    components = _components(settled)
    statuses = [one.status for one in components.values() if one.status is not None]
    return Verdict(
        status=worst([*statuses, *(problem.status for problem in wrong)]),
        reasons=_reasons(settled, wrong),
        components=components,
        summary=_summary(settled),
        checks=settled,
    )


def settle(checks: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
    """Return the checks with failures laid to their root causes.

    A check that ran although its requirement had failed elsewhere (another
    worker) is blocked after the fact; one that says it is blocked by a check
    which does not count is unknown.
    """
    results = {check.id: check for check in checks}
    for check in checks:
        results[check.id] = _laid_to_cause(check, results)
    return tuple(_with_cause(results[check.id], results) for check in checks)


def _laid_to_cause(check: CheckResult, results: dict[str, CheckResult]) -> CheckResult:
    if check.outcome not in (Outcome.FAIL, Outcome.UNKNOWN):
        return check
    cause = root_cause(check.requires, finder(results)) if check.requires else None
    cause = cause or _depended_on(check, results)
    if cause is None or cause == check.id:
        return check
    return msgspec.structs.replace(
        check,
        outcome=Outcome.SKIP,
        blocked_by=cause,
        message=f"blocked by {cause}; {check.message}",
    )


def _depended_on(check: CheckResult, results: dict[str, CheckResult]) -> str | None:
    """Return the check that a failure follows from, as it says itself: one that failed at least as badly."""
    for name in check.depends:
        cause = results.get(name)
        if cause is None or cause.outcome not in (Outcome.FAIL, Outcome.UNKNOWN):
            continue
        ours, theirs = check.status, cause.status
        if ours is not None and theirs is not None and theirs is worst([ours, theirs]):
            return name
    return None


def _with_cause(check: CheckResult, results: dict[str, CheckResult]) -> CheckResult:
    if check.blocked_by is None:
        return check
    cause = results.get(check.blocked_by)
    while cause is not None and cause.blocked_by is not None:
        cause = results.get(cause.blocked_by)
    if cause is None or cause.holds:
        return msgspec.structs.replace(
            check,
            outcome=Outcome.UNKNOWN,
            blocked_by=None,
            message=f"{check.message}, which does not count",
        )
    return msgspec.structs.replace(check, blocked_by=cause.id)


def _emptiness(checks: Sequence[CheckResult]) -> list[RunProblem]:
    if not checks:
        return [RunProblem("no check was run")]
    if all(check.outcome is Outcome.SKIP for check in checks):
        return [RunProblem("every check was skipped")]
    return []


def _components(checks: Sequence[CheckResult]) -> dict[str, Component]:
    grouped: dict[str, list[CheckResult]] = {}
    for check in checks:
        grouped.setdefault(check.component, []).append(check)
    return {
        name: Component(_status(members), tuple(one.id for one in members))
        for name, members in grouped.items()
    }


def _status(checks: Sequence[CheckResult]) -> Status | None:
    statuses = [check.status for check in checks if check.status is not None]
    return worst(statuses) if statuses else None


def _summary(checks: Sequence[CheckResult]) -> dict[Outcome, int]:
    counted = Counter(check.outcome for check in checks)
    return {outcome: counted[outcome] for outcome in Outcome}


def _reasons(checks: Sequence[CheckResult], problems: Sequence[RunProblem]) -> tuple[str, ...]:
    """Return why the run is not healthy: the worst first, then what blocks the most."""
    blocking = Counter(check.blocked_by for check in checks if check.blocked_by)
    told = [
        (status.severity, blocking[check.id], f"{check.id}: {check.message}")
        for check in checks
        if (status := check.status) not in (None, Status.HEALTHY)
    ]
    told += [
        (problem.status.severity, 0, problem.text)
        for problem in problems
        if problem.status is not Status.HEALTHY
    ]
    return tuple(text for _, _, text in sorted(told, key=lambda one: (-one[0], -one[1])))
