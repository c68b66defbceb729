"""Queries of the history file: ranges of a metric, measurements of earlier runs, runs and reports."""

from __future__ import annotations

import json
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from sqlite3 import Connection
from typing import Any

import msgspec

from pytest_flowhealth.domain.statistics import UnsupportedStatistic, compute
from pytest_flowhealth.history.rollup import (
    HOUR,
    MINUTE,
    TEN,
    Rollup,
    make_rollup,
    summarize_rollups,
    unpack_hour,
)

POINTS = 600
"""Points of a range by default."""


class Point(msgspec.Struct, frozen=True):
    """One stretch of a range: `at` is its begin, seconds since 1970; p95 None for too few values."""

    at: float
    count: int
    min: float
    max: float
    mean: float
    p95: float | None


class PastMeasurement(msgspec.Struct, frozen=True):
    """One measurement of an earlier run: its median (`value`) and its samples in order.

    If only the statistics of a series are known, they are in `statistics`, and `samples` has only
    the median.
    """

    run: str
    started: float
    value: float
    samples: tuple[float, ...]
    statistics: dict[str, float] = {}

    def figure(self, statistic: str) -> float | None:
        """Return a statistic of the run, None where it is not known or the samples don't support it."""
        if self.statistics:
            return self.statistics.get("median" if statistic == "p50" else statistic)
        try:
            return compute(statistic, self.samples)
        except UnsupportedStatistic:
            return None


class RecordedRun(msgspec.Struct, frozen=True):
    """A recorded run; `baseline` is the name that it was recorded as."""

    uid: str
    started: float
    duration: float
    status: str
    target: str | None
    version: str | None
    fingerprint: str
    baseline: str | None


_RUN = "uid, started, duration, status, target, version, fingerprint, baseline"


def read_series(
    connection: Connection, metric: str, since: float, until: float, points: int = POINTS
) -> list[Point]:
    """Return the points of a metric from `since` to before `until`, about `points` at most.

    From the samples where a stretch is shorter than a minute, as long as they are kept; else from
    the roll-ups of minutes, or of hours. Stretches without values are left out.

    Raises:
        sqlite3.Error: It can't be read.
    """
    row = connection.execute("SELECT id FROM metrics WHERE name = ?", (metric,)).fetchone()
    if row is None or until <= since:
        return []
    stretch = (until - since) / max(1, points)
    if stretch < MINUTE:
        found = _make_sample_points(connection, row[0], since, until, stretch)
        if found:
            return found
    if stretch < HOUR:
        step = MINUTE if stretch < TEN else TEN
        return _make_points(_read_rollups(connection, row[0], step, since, until), stretch, step)
    return _make_points(_read_hours(connection, row[0], since, until), stretch, HOUR)


def read_past(
    connection: Connection,
    metric: str,
    fingerprint: str,
    *,
    limit: int = 50,
    before: str | None = None,
) -> list[PastMeasurement]:
    """Return what the last runs of a fingerprint measured, the oldest first.

    Args:
        connection: The history.
        metric: A measurement: `redis.command`.
        fingerprint: As fingerprint.py makes it.
        limit: How many runs.
        before: A run; itself and later ones are left out.

    Raises:
        sqlite3.Error: It can't be read.
    """
    rows = connection.execute(
        "SELECT runs.uid, runs.started, value, samples FROM measurements "
        "JOIN runs ON runs.id = run JOIN metrics ON metrics.id = metric "
        "WHERE name = ? AND fingerprint = ? "
        "AND started < coalesce((SELECT started FROM runs WHERE uid = ?), 1e300) "
        "ORDER BY started DESC LIMIT ?",
        (metric, fingerprint, before, limit),
    ).fetchall()
    return [
        PastMeasurement(uid, at, value, _decode_samples(blob))
        for uid, at, value, blob in reversed(rows)
    ]


def read_period(
    connection: Connection, metric: str, since: float, until: float
) -> list[PastMeasurement]:
    """Return what the runs between two times measured, on whatever machine, the oldest first.

    Raises:
        sqlite3.Error: It can't be read.
    """
    rows = connection.execute(
        "SELECT runs.uid, runs.started, value, samples FROM measurements "
        "JOIN runs ON runs.id = run JOIN metrics ON metrics.id = metric "
        "WHERE name = ? AND started >= ? AND started < ? ORDER BY started",
        (metric, since, until),
    )
    return [PastMeasurement(uid, at, value, _decode_samples(blob)) for uid, at, value, blob in rows]


def list_metrics(connection: Connection, name: str) -> list[tuple[str, str]]:
    """Return the metrics of a name, those of its parametrised checks too, each with its unit.

    Raises:
        sqlite3.Error: They can't be read.
    """
    rows = connection.execute("SELECT name, unit FROM metrics ORDER BY name")
    return [
        (metric, unit) for metric, unit in rows if metric == name or metric.startswith(f"{name}[")
    ]


def read_run(connection: Connection, run: str) -> dict[str, PastMeasurement]:
    """Return what one run measured, by metric.

    Raises:
        sqlite3.Error: It can't be read.
    """
    rows = connection.execute(
        "SELECT name, runs.uid, started, value, samples FROM measurements "
        "JOIN runs ON runs.id = run JOIN metrics ON metrics.id = metric WHERE uid = ?",
        (run,),
    )
    return {
        name: PastMeasurement(uid, at, value, _decode_samples(blob))
        for name, uid, at, value, blob in rows
    }


def list_runs(
    connection: Connection, *, limit: int = 50, fingerprint: str | None = None
) -> list[RecordedRun]:
    """Return the last runs, the newest first.

    Raises:
        sqlite3.Error: They can't be read.
    """
    rows = connection.execute(
        f"SELECT {_RUN} FROM runs WHERE ? IS NULL OR fingerprint = ? "  # noqa: S608  # our own names
        "ORDER BY started DESC LIMIT ?",
        (fingerprint, fingerprint, limit),
    )
    return [RecordedRun(*row) for row in rows]


def find_run(connection: Connection, name: str) -> RecordedRun | None:
    """Return the run with an id (its begin is enough), the name of a baseline, or `latest`.

    Raises:
        sqlite3.Error: It can't be read.
    """
    if name == "latest":
        return next(iter(list_runs(connection, limit=1)), None)
    escaped = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = connection.execute(
        f"SELECT {_RUN} FROM runs WHERE baseline = ? OR uid LIKE ? ESCAPE '\\' "  # noqa: S608  # as above
        "ORDER BY baseline = ? DESC, started DESC LIMIT 1",
        (name, f"{escaped}%", name),
    ).fetchall()
    return RecordedRun(*rows[0]) if rows else None


def read_report(connection: Connection, run: str) -> dict[str, Any] | None:
    """Return the report of a run, None where there is none.

    Raises:
        sqlite3.Error: It can't be read.
    """
    row = connection.execute("SELECT report FROM runs WHERE uid = ?", (run,)).fetchone()
    if row is None:
        return None
    found: dict[str, Any] = json.loads(zlib.decompress(row[0]))
    return found


def _decode_samples(blob: bytes) -> tuple[float, ...]:
    values = array("d")
    values.frombytes(blob)
    return tuple(values)


def _make_sample_points(
    connection: Connection, metric: int, since: float, until: float, stretch: float
) -> list[Point]:
    rows = connection.execute(
        "SELECT at, value FROM samples WHERE metric = ? AND at >= ? AND at < ? ORDER BY at",
        (metric, int(1_000 * since), int(1_000 * until)),
    ).fetchall()
    if stretch <= 1:
        return [Point(at / 1_000, 1, value, value, value, None) for at, value in rows]
    found: dict[int, list[float]] = defaultdict(list)
    for at, value in rows:
        found[int((at / 1_000 - since) / stretch)].append(value)
    return [
        Point(since + index * stretch, *summarize_rollups([make_rollup(values)]))
        for index, values in found.items()
    ]


def _read_rollups(
    connection: Connection, metric: int, step: int, since: float, until: float
) -> Iterator[tuple[int, Rollup]]:
    table = "minutes" if step == MINUTE else "tens"
    rows = connection.execute(
        f"SELECT hour, data FROM {table} "  # noqa: S608  # our own names
        "WHERE metric = ? AND hour > ? AND hour < ? ORDER BY hour",
        (metric, int(since) - HOUR, int(until) + 1),
    )
    for hour, data in rows:
        for number, rollup in unpack_hour(data).items():
            at = hour + step * number
            if since - step < at < until:
                yield at, rollup


def _read_hours(
    connection: Connection, metric: int, since: float, until: float
) -> Iterator[tuple[int, Rollup]]:
    rows = connection.execute(
        "SELECT hour, count, least, greatest, total, sketch FROM hours "
        "WHERE metric = ? AND hour > ? AND hour < ? ORDER BY hour",
        (metric, int(since) - HOUR, int(until) + 1),
    )
    return ((hour, Rollup(*rest)) for hour, *rest in rows)


def _make_points(found: Iterable[tuple[int, Rollup]], stretch: float, step: int) -> list[Point]:
    """Put roll-ups together to stretches of a whole number of `step` seconds."""
    width = step * max(1, round(stretch / step))
    parts: dict[int, list[Rollup]] = defaultdict(list)
    for at, rollup in found:
        parts[at // width * width].append(rollup)
    return [Point(at, *summarize_rollups(rollups)) for at, rollups in parts.items()]
