"""Find the checks that a failed check blocks, and resolve them when it passes again; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.dependencies import Index
from pytest_flowhealth.domain.status import Outcome


def find_blocked(results: Mapping[str, CheckResult]) -> dict[str, tuple[str, ...]]:
    """Return the checks that each failed or unknown check keeps from running, sorted.

    It follows the requirements of every known check, so that it does not depend on which components
    a round has checked.
    """
    index = Index(results)
    dependents: dict[str, set[str]] = defaultdict(set)
    for check in results.values():
        for required in check.requires:
            for name in index.resolve(required):
                dependents[name].add(check.id)
        if check.blocked_by is not None:
            dependents[check.blocked_by].add(check.id)
    roots = [
        check.id for check in results.values() if check.outcome in (Outcome.FAIL, Outcome.UNKNOWN)
    ]
    found = {root: _reach(root, dependents) for root in roots}
    return {root: names for root, names in found.items() if names}


def _reach(root: str, dependents: Mapping[str, set[str]]) -> tuple[str, ...]:
    seen, left = {root}, [root]
    while left:
        for name in dependents.get(left.pop(), ()):
            if name not in seen:
                seen.add(name)
                left.append(name)
    return tuple(sorted(seen - {root}))


def resolve_blocked(
    results: Mapping[str, CheckResult], blocked: Mapping[str, tuple[str, ...]]
) -> tuple[list[CheckResult], frozenset[str]]:
    """Return the checks, those unknown that nothing blocks any more; and the latter's components."""
    roots = {name: root for root, names in blocked.items() for name in names}
    live, waiting = [], set()
    for check in results.values():
        cause = check.blocked_by
        blocker = None if cause is None else results.get(cause)
        if cause is None or (blocker is not None and not blocker.is_satisfied):
            live.append(check)  # a skipped requirement still blocks
        elif check.id in roots:
            text = f"blocked by {roots[check.id]}"
            live.append(msgspec.structs.replace(check, blocked_by=roots[check.id], message=text))
        else:
            waiting.add(check.component)
            live.append(_make_unknown(check, f"not checked again since {cause} passes"))
    return live, frozenset(waiting)


def expire_result(check: CheckResult) -> CheckResult:
    """Return a check whose last result is too old to count; what does not apply stays so."""
    if check.outcome is Outcome.SKIP and check.blocked_by is None:
        return check
    text = f"not checked lately; the last result was {check.outcome.value}"
    return _make_unknown(check, text)


def _make_unknown(check: CheckResult, message: str) -> CheckResult:
    return msgspec.structs.replace(
        check,
        outcome=Outcome.UNKNOWN,
        blocked_by=None,
        message=message,
        remedy=None,
        measurements=(),
        thresholds=(),
    )
