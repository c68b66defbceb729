"""Requirements between checks: resolving names, finding cycles, ordering, root causes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from pytest_flowhealth.domain.checks import CheckResult, CheckSpec
from pytest_flowhealth.domain.status import Outcome


def base_id(check_id: str) -> str:
    """Return a check's id without a parametrisation's brackets."""
    return check_id.partition("[")[0]


class Index:
    """Checks by id and by id without brackets, to resolve requirements at once."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._named: dict[str, list[str]] = {}
        for check_id in ids:
            self._named.setdefault(check_id, []).append(check_id)
            if base_id(check_id) != check_id:
                self._named.setdefault(base_id(check_id), []).append(check_id)

    def __contains__(self, required: str) -> bool:
        return required in self._named

    def resolve(self, required: str) -> Sequence[str]:
        """Return the ids that `required` names; none where there is no such check."""
        return self._named.get(required, ())


def find_cycle(specs: Sequence[CheckSpec]) -> list[str] | None:
    """Return the ids of one cycle of requirements, the first repeated at the end, or None."""
    if not any(spec.requires for spec in specs):
        return None
    try:
        sort_requirements_first(specs)
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]
    return None


def sort_requirements_first(checks: Sequence[CheckSpec | CheckResult]) -> Sequence[str]:
    """Return the ids of `checks`, each after all that it requires.

    Raises:
        graphlib.CycleError: Some require each other.
    """
    index = Index(check.id for check in checks)
    requires = {
        check.id: [name for required in check.requires for name in index.resolve(required)]
        for check in checks
    }
    return [*TopologicalSorter(requires).static_order()]


def order_topologically(specs: Sequence[CheckSpec]) -> list[int]:
    """Return the indices of `specs`: requirements first, else as declared; exclusive ones last.

    Stable: what no requirement moves stays where it was.
    """
    if not any(spec.requires or spec.exclusive for spec in specs):
        return list(range(len(specs)))
    index = Index(spec.id for spec in specs)
    position = {spec.id: number for number, spec in enumerate(specs)}
    order: dict[int, None] = {}

    def add_with_requirements(number: int) -> None:
        waiting = [number]
        while waiting:
            top = waiting[-1]
            needed = [
                position[name]
                for required in specs[top].requires
                for name in index.resolve(required)
                if position[name] not in order
            ]
            if needed:
                waiting.extend(reversed(needed))
            else:
                order.setdefault(waiting.pop())

    for number in sorted(position.values(), key=lambda number: specs[number].exclusive):
        add_with_requirements(number)
    return list(order)


def transitive_closure(wanted: Iterable[str], specs: Sequence[CheckSpec]) -> set[str]:
    """Return the ids in `wanted` and all that they require, directly or not."""
    index = Index(spec.id for spec in specs)
    requires = {spec.id: spec.requires for spec in specs}
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        check_id = waiting.pop()
        if check_id not in found:
            found.add(check_id)
            waiting.extend(
                name for required in requires[check_id] for name in index.resolve(required)
            )
    return found


def find_root_cause(
    requires: Iterable[str], find: Callable[[str], Iterable[CheckResult]]
) -> str | None:
    """Return the id of the check that keeps one with these requirements from running, or None.

    A failed or unknown requirement comes before a skipped one; of a blocked one,
    what blocks it is the cause.
    """
    broken = [
        result for required in requires for result in find(required) if not result.is_satisfied
    ]
    if not broken:
        return None
    first = min(broken, key=lambda result: result.outcome is Outcome.SKIP)
    return first.blocked_by or first.id


def make_finder(results: Mapping[str, CheckResult]) -> Callable[[str], list[CheckResult]]:
    """Return a function that gives the results which a requirement names."""
    index = Index(results)
    return lambda required: [results[check_id] for check_id in index.resolve(required)]
