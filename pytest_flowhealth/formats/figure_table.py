"""Render the table of measured figures, the recommendations, and the trends of thresholds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pytest_flowhealth.domain.checks import CheckResult, unit_suffix
from pytest_flowhealth.domain.measurements import Measurement
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.domain.thresholds import ThresholdResult
from pytest_flowhealth.formats.style import OUTCOME_STYLES, Line

RECOMMENDATIONS = "recommendations"
"""The name of the detail with recommendations."""

_OUTCOME = len("unknown")

_HEADINGS = ("measured", "value", "warns", "fails", "")
Row = tuple[str, str, str, str, str, str]
"""Name, value, warn limit, fail limit, outcome, style."""


def render_figures(health: Report, width: int) -> Iterator[Line]:
    """Yield a row for each threshold, and for each measurement without one."""
    rows = [row for check in health.checks for row in _rows(check)]
    if not rows:
        return
    columns = [
        [heading, *column]
        for heading, column in zip(_HEADINGS, zip(*rows, strict=True), strict=False)
    ]
    widths = [max(map(len, column)) for column in columns]
    widths[0] = min(widths[0], max(width - sum(widths[1:4]) - _OUTCOME - 10, 16))
    yield [(_align(_HEADINGS, widths), "bold")]
    for *cells, style in rows:
        yield [(_align(cells[:4], widths), "plain"), (f"  {cells[4].partition(',')[0]}", style)]
        note = cells[4].partition(", ")[2]
        for piece in textwrap.wrap(one_line(note, 300), max(width - 4, 20)):
            yield [(f"    {piece}", style)]


def render_recommendations(health: Report, width: int) -> Iterator[Line]:
    """Yield the recommendations of the checks."""
    sentences = [
        str(sentence)
        for check in health.checks
        for sentence in check.details.get(RECOMMENDATIONS, ())
    ]
    if sentences:
        yield [(RECOMMENDATIONS, "bold")]
    for sentence in sentences:
        for number, piece in enumerate(textwrap.wrap(one_line(sentence, 500), max(width - 4, 20))):
            yield [("  - " if number == 0 else "    ", "plain"), (piece, "plain")]


def _rows(check: CheckResult) -> Iterator[Row]:
    judged = {threshold.measurement for threshold in check.thresholds}
    for threshold in check.thresholds:
        # A skipped check has no measurements.
        if threshold.observed is not None or check.outcome is not Outcome.SKIP:
            yield _judged_row(check, threshold)
    for taken in check.measurements:
        value = _value(taken)
        if taken.name not in judged and value is not None:
            name = f"{check.component}.{taken.name}" + (".median" if taken.stats else "")
            yield (name, f"{format_number(value)}{unit_suffix(taken.unit)}", "", "", "", "plain")


def _judged_row(check: CheckResult, threshold: ThresholdResult) -> Row:
    value = (
        "-"
        if threshold.observed is None
        else f"{format_number(threshold.observed)}{unit_suffix(threshold.unit)}"
    )
    sign = ">" if threshold.better == "lower" else "<"
    warns, fails = (
        "" if limit is None else f"{sign} {format_number(limit)}"
        for limit in (threshold.warn, threshold.fail)
    )
    outcome = threshold.outcome.value
    if threshold.note and threshold.observed is not None:
        outcome = f"{outcome}, {threshold.note}"
    name = f"{check.component}.{threshold.name}"
    return name, value, warns, fails, outcome, OUTCOME_STYLES[threshold.outcome]


def _value(taken: Measurement) -> float | None:
    return taken.stats.median if taken.stats else taken.value


def _align(cells: list[str] | tuple[str, ...], widths: list[int]) -> str:
    name, *others = cells[:4]
    name = name if len(name) <= widths[0] else f"{name[: widths[0] - 3]}..."
    right = "  ".join(f"{cell:>{size}}" for cell, size in zip(others, widths[1:4], strict=True))
    return f"  {name:<{widths[0]}}  {right}"


BLOCKS = "▁▂▃▄▅▆▇█"


def render_trends(health: Report, width: int) -> Iterator[Line]:
    """Yield a line for each threshold that earlier runs also have."""
    shown = [trend for trend in health.trends if trend.median is not None]
    if not shown:
        return
    longest = min(max(len(trend.threshold) for trend in shown), max(width - 46, 20))
    yield [
        ("trends", "bold"),
        (f" over the last {max(len(trend.values) for trend in shown)} runs", "plain"),
    ]
    for trend in shown:
        now = f"{format_number(trend.values[-1])}{unit_suffix(trend.unit)}"
        change = "" if trend.change is None else f"{trend.change:+.0%} to the median"
        blocks = draw_sparkline(trend.values)
        yield [(f"  {trend.threshold:<{longest}}  {blocks:<20}  {now:>10}  {change}", "plain")]


def draw_sparkline(values: Sequence[float]) -> str:
    """Return one block for each value, from the least to the greatest."""
    least, greatest = min(values), max(values)
    if greatest <= least:
        return BLOCKS[3] * len(values)
    scale = (len(BLOCKS) - 1) / (greatest - least)
    return "".join(BLOCKS[round((value - least) * scale)] for value in values)
