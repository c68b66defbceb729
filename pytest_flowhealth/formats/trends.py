"""The trends of the thresholds' figures over the last runs: a line of blocks each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_flowhealth.domain.checks import unit_suffix
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.formats.style import Line

BLOCKS = "▁▂▃▄▅▆▇█"


def render_trends(health: Report, width: int) -> Iterator[Line]:
    """Yield a line for each threshold's figure that earlier runs had too."""
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
