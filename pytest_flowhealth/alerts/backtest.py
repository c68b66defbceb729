"""Evaluate a rule over the history: when it would have fired."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from pytest_flowhealth.alerts.recent_readings import Reading, RecentReadings
from pytest_flowhealth.alerts.rules import Condition, find_lookbacks, judge
from pytest_flowhealth.alerts.state import Policy, State, step
from pytest_flowhealth.history import query
from pytest_flowhealth.history.query import Point


class BacktestResult(msgspec.Struct, frozen=True):
    """What a rule would have done.

    Attributes:
        metric: Of which metric.
        readings: How many values were there to go by.
        fired: When it would have begun to fire, in seconds since 1970.
    """

    metric: str
    readings: int
    fired: tuple[float, ...]


def run_backtest(
    file: sqlite3.Connection, rule: Condition, policy: Policy, since: float, until: float
) -> list[BacktestResult]:
    """Return what a rule would have done between two times, of each metric that it names.

    What was read every second is judged by the minute, as it is kept: by its mean, or by its least,
    greatest or 95th percentile where the rule says so.

    Raises:
        sqlite3.Error: The history can't be read.
    """
    found = []
    for metric, unit in query.list_metrics(file, rule.metric):
        readings = _read_readings(file, rule, metric, since, until)
        found.append(
            BacktestResult(
                metric, len(readings), _find_firing_times(rule, policy, (metric, unit), readings)
            )
        )
    return found


def _find_firing_times(
    rule: Condition, policy: Policy, metric: tuple[str, str], readings: Iterable[Reading]
) -> tuple[float, ...]:
    series = RecentReadings(find_lookbacks([rule]))
    state, fired = State(), []
    for reading in readings:
        series.add(*metric, reading)
        for judged in judge(rule, series, reading.at, reading.at):
            before, state = state, step(state, judged.breached, reading.at, policy)
            if state.fires and not before.fires:
                fired.append(reading.at)
    return tuple(fired)


def _read_readings(
    file: sqlite3.Connection, rule: Condition, metric: str, since: float, until: float
) -> list[Reading]:
    measured = query.read_period(file, metric, since, until)
    points = query.read_series(file, metric, since, until, points=max(1, int((until - since) / 60)))
    # Where there are more minutes than runs, somebody read it in between.
    if len(points) > 1.5 * len(measured):
        values = [(point.at, _find_statistic(rule.statistic, point)) for point in points]
        return [Reading(at, (value,)) for at, value in values if value is not None]
    return [Reading(run.started, run.samples) for run in measured]


def _find_statistic(statistic: str | None, point: Point) -> float | None:
    statistics = {"min": point.min, "max": point.max, "p95": point.p95, "count": float(point.count)}
    return statistics.get(statistic or "mean", point.mean)
