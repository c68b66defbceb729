"""How each metric changed over the recorded runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.statistics import DEFAULT
from pytest_flowhealth.domain.thresholds import Better
from pytest_flowhealth.history.reader import Reader
from pytest_flowhealth.history.run_record import name_metric
from pytest_flowhealth.history.threshold_suggestions import read_reports

STEADY = 0.1
"""A change of a smaller share counts as steady."""

FEWEST = 6
"""Runs without which no direction is told: a third of fewer is one or two values."""

Direction = Literal["rising", "falling", "steady", "too few runs"]


class MetricTrend(msgspec.Struct, frozen=True):
    """How one figure changed.

    Attributes:
        name: The metric with its statistic: `redis.command.p95`.
        unit: Of `last` and `median`.
        runs: How many runs measured it.
        change: How far the median of the newest third is from that of the oldest third, as a share
            of it; None for fewer than six runs, and where that is 0.
        worse: Whether it changed in the direction that its threshold says is worse.
        check: The check that measured the last value; the worst one of a parametrisation.
    """

    name: str
    unit: str
    runs: int
    last: float
    median: float
    change: float | None
    direction: Direction
    worse: bool
    check: str


class _Figure(msgspec.Struct):
    unit: str
    statistic: str
    better: Better | None
    checks: dict[str, str]
    """The check of each metric; several where it is parametrised."""


def read_trends(reader: Reader, target: Target, since: float, until: float) -> list[MetricTrend]:
    """Return the trend of each figure that the last runs judged or measured, by name."""
    figures: dict[str, _Figure] = {}
    for report in read_reports(reader.runs(limit=10), reader, target):
        for check in report.get("health", {}).get("checks", ()):
            for name, figure in _iterate_figures(check):
                figures.setdefault(name, figure).checks |= figure.checks
    found = (_make_trend(reader, name, figures[name], since, until) for name in sorted(figures))
    return [trend for trend in found if trend is not None]


def _iterate_figures(check: dict[str, Any]) -> Iterator[tuple[str, _Figure]]:
    """Yield what a check measured: by its thresholds, else by the median."""
    for measurement in check["measurements"]:
        name = f"{check['component']}.{measurement['name']}"
        checks = {name_metric(check["id"], check["component"], measurement["name"]): check["id"]}
        limits = [
            each for each in check["thresholds"] if each["measurement"] == measurement["name"]
        ]
        for each in limits:
            statistic = each["statistic"]
            figure = _Figure(measurement["unit"], statistic or DEFAULT, each["better"], checks)
            yield f"{name}.{statistic}" if statistic else name, figure
        if not limits:
            yield name, _Figure(measurement["unit"], DEFAULT, None, checks)


def _make_trend(
    reader: Reader, name: str, figure: _Figure, since: float, until: float
) -> MetricTrend | None:
    """Return a trend; of several checks, a run counts with its worst value."""
    worst = min if figure.better == "higher" else max
    by_run: dict[tuple[float, str], tuple[float, str]] = {}
    for metric, check in figure.checks.items():
        for past in reader.read_period(metric, since, until):
            value = past.figure(figure.statistic)
            if value is not None:
                run, known = (past.started, past.run), (value, check)
                by_run[run] = worst(by_run.get(run, known), known)
    if not by_run:
        return None
    values = [by_run[run][0] for run in sorted(by_run)]
    last, check = by_run[max(by_run)]
    change = _compute_change(values)
    direction = _choose_direction(values, change)
    return MetricTrend(
        name=name,
        unit=figure.unit,
        runs=len(values),
        last=last,
        median=statistics.median(values),
        change=change,
        direction=direction,
        worse=(figure.better, direction) in (("lower", "rising"), ("higher", "falling")),
        check=check,
    )


def _compute_change(values: Sequence[float]) -> float | None:
    if len(values) < FEWEST:
        return None
    third = len(values) // 3
    oldest, newest = statistics.median(values[:third]), statistics.median(values[-third:])
    return (newest - oldest) / abs(oldest) if oldest else None


def _choose_direction(values: Sequence[float], change: float | None) -> Direction:
    if len(values) < FEWEST:
        return "too few runs"
    if change is None:  # from 0
        third = len(values) // 3
        change = statistics.median(values[-third:])
    if abs(change) < STEADY:
        return "steady"
    return "rising" if change > 0 else "falling"
