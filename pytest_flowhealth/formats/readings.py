"""What the formats have in common: a check's figures, what is wrong with the run itself, texts that can be written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.domain.thresholds import ThresholdResult

LONGEST = 20_000
"""Characters of a text that a format shows; a report's own texts are shorter."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One figure of a check: `name` is its measurement with the statistic, as in ``command.p95``.

    `judged` is the threshold that it stands against; None for a figure without one.
    """

    name: str
    value: float
    unit: str
    judged: ThresholdResult | None = None


def readings(check: CheckResult) -> Iterator[Reading]:
    """Yield what was measured: by its thresholds, else by its value, a series by its median.

    What has no value has no figure.
    """
    for one in check.thresholds:
        if one.observed is not None:
            unit = "1" if one.statistic == "count" else one.unit or "1"
            yield Reading(one.name, one.observed, unit, one)
    judged = {one.measurement for one in check.thresholds if one.observed is not None}
    for taken in check.measurements:
        if taken.name in judged:
            continue
        if taken.stats is not None:
            yield Reading(f"{taken.name}.median", taken.stats.median, taken.unit)
        elif taken.value is not None:
            yield Reading(taken.name, taken.value, taken.unit)


def full_name(check: CheckResult, reading: Reading) -> str:
    """Return a figure's name among all: ``http.page.p95[login]``."""
    _, bracket, which = check.id.partition("[")
    return f"{check.component}.{reading.name}{bracket}{which}"


def of_the_run(health: Report) -> tuple[str, ...]:
    """Return the reasons that are no check's, such as a lost worker.

    Where the verdict is worse than all that the checks say, it is never empty: no format may show a
    broken run as a good one.
    """
    wrong = [one for one in health.checks if one.status not in (None, Status.HEALTHY)]
    ids = {one.id for one in wrong}
    starts = tuple(f"{one}: " for one in ids)
    left = tuple(
        one
        for one in health.reasons
        if one.partition(": ")[0] not in ids and not one.startswith(starts)
    )
    told = max((one.status.severity for one in wrong if one.status), default=0)
    if left or health.status.severity <= told:
        return left
    return health.reasons or (f"the verdict is {health.status.value}",)


def counted(health: Report) -> str:
    """Return how many checks ended how: ``19 pass, 1 fail``."""
    one = health.summary
    counts = {
        "pass": one.passed,
        "warn": one.warn,
        "fail": one.fail,
        "unknown": one.unknown,
        "skip": one.skip,
    }
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "no checks"


def subject(health: Report) -> str:
    """Return what was looked at: its name and version, or its folder."""
    name = health.target.name or health.target.path
    return printable(" ".join(filter(None, (name, health.target.version))))


def worst_first(health: Report) -> list[CheckResult]:
    """Return the checks by severity, of equals the one first that keeps most others from running."""
    waiting = blocked(health)

    def rank(one: CheckResult) -> tuple[int, int]:
        severity = -1 if one.outcome is Outcome.SKIP else (one.status or Status.HEALTHY).severity
        return (-severity, -len(waiting[one.id]))

    return sorted(health.checks, key=rank)


def blocked(health: Report) -> Mapping[str, Sequence[str]]:
    """Return the ids of the checks that each check, by its id, keeps from running."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for one in health.checks:
        if one.blocked_by is not None:
            waiting[one.blocked_by].append(one.id)
    return waiting


def exact(value: float) -> str:
    """Return a number in full, without an exponent: not every reader knows 1e-05."""
    text = format(Decimal(repr(float(value))), "f")
    return text.removesuffix(".0")


def safe(text: str) -> str:
    """Return a text without what a terminal, a parser or a CI log would act on; its lines stay."""
    return printable(text, LONGEST)


def encodable(tree: Any) -> Any:
    """Return a tree of dicts, lists and texts with lone surrogates written out: UTF-8 has none."""
    if isinstance(tree, str):
        return tree.encode("utf-8", "backslashreplace").decode()
    if isinstance(tree, dict):
        return {encodable(key): encodable(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [encodable(one) for one in tree]
    return tree
