"""Helpers of the formats: the figures of a check, the reasons of a run, safe texts."""

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
"""Maximum length of a text in a format, in characters; the texts of a report are shorter."""


class Figure(msgspec.Struct, frozen=True, gc=False):
    """One figure of a check: `name` is its measurement with the statistic, as in ``command.p95``.

    `judged` is its threshold; None for a figure without one.
    """

    name: str
    value: float
    unit: str
    judged: ThresholdResult | None = None


def iterate_figures(check: CheckResult) -> Iterator[Figure]:
    """Yield the figures of a check: one for each threshold, otherwise a value or the median of a series.

    A measurement without a value has no figure.
    """
    for threshold in check.thresholds:
        if threshold.observed is not None:
            unit = "1" if threshold.statistic == "count" else threshold.unit or "1"
            yield Figure(threshold.name, threshold.observed, unit, threshold)
    judged = {
        threshold.measurement for threshold in check.thresholds if threshold.observed is not None
    }
    for taken in check.measurements:
        if taken.name in judged:
            continue
        if taken.stats is not None:
            yield Figure(f"{taken.name}.median", taken.stats.median, taken.unit)
        elif taken.value is not None:
            yield Figure(taken.name, taken.value, taken.unit)


def name_figure(check: CheckResult, reading: Figure) -> str:
    """Return the unique name of a figure: ``http.page.p95[login]``."""
    _, bracket, which = check.id.partition("[")
    return f"{check.component}.{reading.name}{bracket}{which}"


def find_run_reasons(health: Report) -> tuple[str, ...]:
    """Return the reasons that do not come from a check, such as a lost worker.

    Not empty if the run's status is worse than that of its checks: no format may show a broken run as
    healthy.
    """
    wrong = [check for check in health.checks if check.status not in (None, Status.HEALTHY)]
    ids = {check.id for check in wrong}
    starts = tuple(f"{name}: " for name in ids)
    left = tuple(
        reason
        for reason in health.reasons
        if reason.partition(": ")[0] not in ids and not reason.startswith(starts)
    )
    severity = max((check.status.severity for check in wrong if check.status), default=0)
    if left or health.status.severity <= severity:
        return left
    return health.reasons or (f"the verdict is {health.status.value}",)


def count_outcomes(health: Report) -> str:
    """Return how many checks ended how: ``19 pass, 1 fail``."""
    summary = health.summary
    counts = {
        "pass": summary.passed,
        "warn": summary.warn,
        "fail": summary.fail,
        "unknown": summary.unknown,
        "skip": summary.skip,
    }
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "no checks"


def describe_target(health: Report) -> str:
    """Return the target's name and version, or its folder."""
    name = health.target.name or health.target.path
    return printable(" ".join(filter(None, (name, health.target.version))))


def sort_by_severity(health: Report) -> list[CheckResult]:
    """Return the checks by severity; of equal ones, the check that blocks most others comes first."""
    waiting = find_blocked(health)

    def rank(check: CheckResult) -> tuple[int, int]:
        severity = (
            -1 if check.outcome is Outcome.SKIP else (check.status or Status.HEALTHY).severity
        )
        return (-severity, -len(waiting[check.id]))

    return sorted(health.checks, key=rank)


def find_blocked(health: Report) -> Mapping[str, Sequence[str]]:
    """Return the ids of the checks that each check, by its id, blocks."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for check in health.checks:
        if check.blocked_by is not None:
            waiting[check.blocked_by].append(check.id)
    return waiting


def write_number(value: float) -> str:
    """Return a number without an exponent: not every reader accepts 1e-05."""
    text = format(Decimal(repr(float(value))), "f")
    return text.removesuffix(".0")


def make_safe(text: str) -> str:
    """Escape what a terminal, a parser or a CI log would interpret; line breaks stay."""
    return printable(text, LONGEST)


def escape_surrogates(tree: Any) -> Any:
    """Escape lone surrogates, which UTF-8 can't encode, in a tree of dicts, lists and texts."""
    if isinstance(tree, str):
        return tree.encode("utf-8", "backslashreplace").decode()
    if isinstance(tree, dict):
        return {escape_surrogates(key): escape_surrogates(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [escape_surrogates(item) for item in tree]
    return tree
