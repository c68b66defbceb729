"""Attribute failures to their root causes, and derive the status of a run from its checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.dependencies import (
    find_root_cause,
    make_finder,
    sort_requirements_first,
)
from pytest_flowhealth.domain.status import Outcome, Status, worst


class RunProblem(msgspec.Struct, frozen=True, gc=False):
    """Something about the run itself, not about one check, that keeps it from being healthy."""

    text: str
    status: Status = Status.UNKNOWN


class Component(msgspec.Struct, frozen=True):
    """A component's status (None if every check was skipped) and the ids of its checks."""

    status: Status | None
    checks: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True):
    """The status of a run, its reasons (the worst first), and the checks it was derived from."""

    status: Status
    reasons: tuple[str, ...]
    components: dict[str, Component]
    counts: dict[Outcome, int]
    checks: tuple[CheckResult, ...]


def derive_verdict(checks: tuple[CheckResult, ...], problems: Sequence[RunProblem]) -> Verdict:
    """Return the verdict on `checks`, in their order, and on the run's `problems`.

    No check at all, or every check skipped, is unknown.

    Args:
        checks: With their root causes, see `attribute_root_causes`.
        problems: What went wrong around the checks.
    """
    all_problems = [*problems]
    if all(check.outcome is Outcome.SKIP for check in checks):
        all_problems.append(RunProblem("every check was skipped" if checks else "no check was run"))
    components = _group_by_component(checks)
    statuses = [
        component.status for component in components.values() if component.status is not None
    ]
    counted = Counter(check.outcome for check in checks)
    return Verdict(
        status=worst([*statuses, *(problem.status for problem in all_problems)]),
        reasons=_explain(checks, all_problems),
        components=components,
        counts={outcome: counted[outcome] for outcome in Outcome},
        checks=checks,
    )


def attribute_root_causes(checks: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
    """Return the checks with what follows from another check attributed to that root cause.

    A check that ran although its requirement is not satisfied (it was run by another xdist worker)
    is blocked after the fact, however it ended: the verdict is that of a run in one process.
    A check that says it is blocked by one that does not count is unknown.
    """
    results = {check.id: check for check in checks}
    find = make_finder(results)
    for check_id in sort_requirements_first(checks):
        results[check_id] = _attribute(results[check_id], results, find)
    return tuple(_resolve_blocker(results[check.id], results) for check in checks)


def _attribute(
    check: CheckResult,
    results: Mapping[str, CheckResult],
    find: Callable[[str], Sequence[CheckResult]],
) -> CheckResult:
    cause = find_root_cause(check.requires, find) if check.requires else None
    if cause is None and check.outcome in (Outcome.FAIL, Outcome.UNKNOWN):
        cause = _find_declared_dependency(check, results)
    if cause in (None, check.id) or check.blocked_by is not None:
        return check
    message = f"blocked by {cause}"
    return msgspec.structs.replace(
        check,
        outcome=Outcome.SKIP,
        blocked_by=cause,
        message=f"{message}; {check.message}" if check.message else message,
    )


def _find_declared_dependency(check: CheckResult, results: Mapping[str, CheckResult]) -> str | None:
    """Return the check named by `health.depends_on`, or what blocks that one, if it failed as badly."""
    for name in check.depends:
        cause = results.get(name)
        if cause is not None and cause.blocked_by is not None:
            cause = results.get(cause.blocked_by)
        if cause is None or cause.outcome not in (Outcome.FAIL, Outcome.UNKNOWN):
            continue
        ours, theirs = check.status, cause.status
        if ours is not None and theirs is not None and theirs is worst([ours, theirs]):
            return cause.id
    return None


def _resolve_blocker(check: CheckResult, results: Mapping[str, CheckResult]) -> CheckResult:
    if check.blocked_by is None:
        return check
    cause = results.get(check.blocked_by)
    while cause is not None and cause.blocked_by is not None:
        cause = results.get(cause.blocked_by)
    if cause is None or cause.is_satisfied:
        return msgspec.structs.replace(
            check,
            outcome=Outcome.UNKNOWN,
            blocked_by=None,
            message=f"{check.message}, which does not count",
        )
    return msgspec.structs.replace(check, blocked_by=cause.id)


def _group_by_component(checks: Sequence[CheckResult]) -> dict[str, Component]:
    grouped: dict[str, list[CheckResult]] = {}
    for check in checks:
        grouped.setdefault(check.component, []).append(check)
    components = {}
    for name, members in grouped.items():
        statuses = [check.status for check in members if check.status is not None]
        status = worst(statuses) if statuses else None
        components[name] = Component(status, tuple(check.id for check in members))
    return components


def _explain(checks: Sequence[CheckResult], problems: Sequence[RunProblem]) -> tuple[str, ...]:
    """Return why the run is not healthy: the worst first, then what blocks the most checks."""
    blocking = Counter(check.blocked_by for check in checks if check.blocked_by)
    reasons = [
        (status.severity, blocking[check.id], f"{check.id}: {check.message}")
        for check in checks
        if (status := check.status) not in (None, Status.HEALTHY)
    ]
    reasons += [
        (problem.status.severity, 0, problem.text)
        for problem in problems
        if problem.status is not Status.HEALTHY
    ]
    return tuple(
        text for _, _, text in sorted(reasons, key=lambda reason: (-reason[0], -reason[1]))
    )
