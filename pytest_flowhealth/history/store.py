"""Write runs, one-second samples and roll-ups to the history file, and purge what is old."""

from __future__ import annotations

import sqlite3
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from pytest_flowhealth.domain.statistics import compute
from pytest_flowhealth.history.database import secure_delete, transaction
from pytest_flowhealth.history.rollup import (
    HOUR,
    MINUTE,
    TEN,
    Rollup,
    make_rollup,
    merge_rollups,
    pack_hour,
    unpack_hour,
)
from pytest_flowhealth.history.run_record import RunRecord

Second = tuple[float, Mapping[str, tuple[float, str]]]
"""One second: its time, and each metric's value and unit."""

LOCKED = 0.05
"""Seconds that removing what is old holds the write lock at the most."""

_FIRST_STEP = 200


class Retention(msgspec.Struct, frozen=True):
    """For how many seconds each kind is kept; runs that are a baseline stay."""

    samples: float = 86_400.0
    rollups: float = 90 * 86_400.0
    runs: float = 90 * 86_400.0
    reports: float = 90 * 86_400.0
    events: float = 365 * 86_400.0


def add_run(connection: sqlite3.Connection, entry: RunRecord) -> bool:
    """Store a run and roll up its samples; return whether it was new.

    If it is known, only its verdict is updated, which may change after its end.

    Raises:
        sqlite3.Error: It can't be written; nothing of it was.
    """
    with transaction(connection):
        done = connection.execute(
            "INSERT OR IGNORE INTO runs (uid, started, duration, status, target, version, "
            "fingerprint, report, instance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(entry.uid, entry.started, entry.duration, entry.status),
                *(entry.target, entry.version, entry.fingerprint, entry.report, entry.instance),
            ),
        )
        if done.rowcount == 0:
            _judge_anew(connection, entry)
            return False
        run = done.lastrowid
        _add_outcomes(connection, run, entry)
        for measurement in entry.taken:
            metric = ensure_metric(connection, measurement.name, measurement.unit)
            connection.execute(
                "INSERT INTO measurements VALUES (?, ?, ?, ?, ?)",
                (
                    *(
                        metric,
                        run,
                        compute("median", measurement.samples),
                        len(measurement.samples),
                    ),
                    array("d", measurement.samples).tobytes(),
                ),
            )
            _roll_up(connection, metric, {int(entry.started): measurement.samples})
    return True


def _judge_anew(connection: sqlite3.Connection, entry: RunRecord) -> None:
    connection.execute(
        "UPDATE runs SET status = ?, duration = ?, report = ? WHERE uid = ?",
        (entry.status, entry.duration, entry.report, entry.uid),
    )
    row = connection.execute("SELECT id FROM runs WHERE uid = ?", (entry.uid,)).fetchone()
    _add_outcomes(connection, row[0], entry)


def _add_outcomes(connection: sqlite3.Connection, run: int | None, entry: RunRecord) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?)",
        [(run, *msgspec.structs.astuple(outcome)) for outcome in entry.outcomes],
    )


ROLLED = "rolled"
"""The fact that is the time up to which samples have been rolled up."""


def add_raw(connection: sqlite3.Connection, moments: Sequence[Second]) -> None:
    """Store one-second samples; `roll_up_raw` rolls them up once their minute is over.

    Raises:
        sqlite3.Error: They can't be written; none of them was.
    """
    with transaction(connection):
        numbers: dict[str, int] = {}
        rows = []
        for at, values in moments:
            for name, (value, unit) in values.items():
                if name not in numbers:
                    numbers[name] = ensure_metric(connection, name, unit)
                rows.append((numbers[name], int(1_000 * at), value))
        connection.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", rows)


def roll_up_raw(connection: sqlite3.Connection, now: float) -> None:
    """Roll up the samples of the minutes that are over, each once, however often it is called.

    Raises:
        sqlite3.Error: It can't be done; nothing was.
    """
    until = int(now) // MINUTE * MINUTE
    with transaction(connection):
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (ROLLED,)).fetchone()
        # The first time, what was there before has been rolled up by whoever wrote it.
        since = until - MINUTE if row is None else int(row[0])
        for metric, values in _minutes(connection, since, until).items():
            _roll_up(connection, metric, values)
        connection.execute(
            "INSERT OR REPLACE INTO facts VALUES (?, ?)", (ROLLED, max(since, until))
        )


def _minutes(
    connection: sqlite3.Connection, since: int, until: int
) -> dict[int, dict[int, list[float]]]:
    """Return the samples of each metric by their minutes."""
    found: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (metric,) in connection.execute("SELECT id FROM metrics").fetchall():
        rows = connection.execute(
            "SELECT at, value FROM samples WHERE metric = ? AND at >= ? AND at < ?",
            (metric, 1_000 * since, 1_000 * until),
        )
        for at, value in rows:
            found[metric][at // 1_000 // MINUTE * MINUTE].append(value)
    return found


def add_samples(
    connection: sqlite3.Connection,
    values: Mapping[str, Iterable[tuple[float, float]]],
    unit: str = "1",
) -> None:
    """Keep samples of metrics, each with its time in seconds since 1970, and roll them up.

    Raises:
        sqlite3.Error: They can't be written; none of them was.
    """
    with transaction(connection):
        for name, pairs in values.items():
            metric = ensure_metric(connection, name, unit)
            moments = [(at, value) for at, value in pairs]
            connection.executemany(
                "INSERT OR REPLACE INTO samples VALUES (?, ?, ?)",
                [(metric, int(1_000 * at), value) for at, value in moments],
            )
            by_minute: dict[int, list[float]] = defaultdict(list)
            for at, value in moments:
                by_minute[int(at) // MINUTE * MINUTE].append(value)
            _roll_up(connection, metric, by_minute)


def add_rollups(
    connection: sqlite3.Connection, name: str, minutes: Mapping[int, Rollup], unit: str = "1"
) -> None:
    """Add roll-ups of minutes, by their time in seconds since 1970, to what is there.

    Raises:
        sqlite3.Error: They can't be written; none of them was.
    """
    with transaction(connection):
        _add(connection, ensure_metric(connection, name, unit), minutes)


def ensure_metric(connection: sqlite3.Connection, name: str, unit: str) -> int:
    """Return the id of a metric; insert it if it is new."""
    connection.execute("INSERT OR IGNORE INTO metrics (name, unit) VALUES (?, ?)", (name, unit))
    number: int = connection.execute("SELECT id FROM metrics WHERE name = ?", (name,)).fetchone()[0]
    return number


def _roll_up(
    connection: sqlite3.Connection, metric: int, values: Mapping[int, Iterable[float]]
) -> None:
    _add(connection, metric, {at: make_rollup(rollups) for at, rollups in values.items()})


def _add(connection: sqlite3.Connection, metric: int, minutes: Mapping[int, Rollup]) -> None:
    by_hour: dict[int, dict[int, Rollup]] = defaultdict(dict)
    for at, rollup in minutes.items():
        by_hour[at // HOUR * HOUR][at % HOUR // MINUTE] = rollup
    for hour, new in by_hour.items():
        _merge(connection, "minutes", (metric, hour), new)
        _merge(connection, "tens", (metric, hour), _tens(new))
        _merge_hour(connection, metric, hour, list(new.values()))


def _tens(minutes: Mapping[int, Rollup]) -> dict[int, Rollup]:
    parts: dict[int, list[Rollup]] = defaultdict(list)
    for minute, rollup in minutes.items():
        parts[minute * MINUTE // TEN].append(rollup)
    return {number: merge_rollups(rollups) for number, rollups in parts.items()}


def _merge(
    connection: sqlite3.Connection, table: str, key: tuple[int, int], new: Mapping[int, Rollup]
) -> None:
    row = connection.execute(
        f"SELECT data FROM {table} WHERE metric = ? AND hour = ?",  # noqa: S608  # our own names
        key,
    ).fetchone()
    there = unpack_hour(row[0]) if row else {}
    for number, rollup in new.items():
        there[number] = merge_rollups([there[number], rollup]) if number in there else rollup
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (*key, pack_hour(there)))  # noqa: S608  # as above


def _merge_hour(connection: sqlite3.Connection, metric: int, hour: int, new: list[Rollup]) -> None:
    row = connection.execute(
        "SELECT count, least, greatest, total, sketch FROM hours WHERE metric = ? AND hour = ?",
        (metric, hour),
    ).fetchone()
    whole = merge_rollups([Rollup(*row), *new] if row else new)
    connection.execute(
        "INSERT OR REPLACE INTO hours VALUES (?, ?, ?, ?, ?, ?, ?)",
        (metric, hour, *msgspec.structs.astuple(whole)),
    )


def purge(
    connection: sqlite3.Connection,
    retention: Retention = Retention(),  # noqa: B008  # frozen
    now: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Remove what is older than it is to be kept; return how many rows.

    In steps, each a transaction that holds the write lock for at most `LOCKED` seconds.

    Raises:
        sqlite3.Error: It can't be done; what was removed until then is.
    """
    now = time.time() if now is None else now
    rollups = int(now - retention.rollups)
    wanted: list[tuple[str, str, tuple[object, ...]]] = [
        ("samples", "at < ?", (int(1_000 * (now - retention.samples)),)),
        ("minutes", "hour < ?", (rollups - HOUR,)),
        ("tens", "hour < ?", (rollups - HOUR,)),
        ("hours", "hour < ?", (rollups - HOUR,)),
        ("runs", "started < ? AND baseline IS NULL", (now - retention.runs,)),
        ("alert_events", "at < ?", (now - retention.events,)),
        ("silences", "ends < ?", (now - retention.events,)),
    ]
    removed = sum(_purge(connection, *kind, clock=clock) for kind in wanted)
    with secure_delete(connection):
        old = ("at < ?", (now - retention.reports,))
        return removed + _purge(connection, "reports", *old, clock=clock)


_KEYS = {"samples": "metric, at", **dict.fromkeys(("minutes", "tens", "hours"), "metric, hour")}


def _purge(
    connection: sqlite3.Connection,
    table: str,
    condition: str,
    values: tuple[object, ...],
    *,
    clock: Callable[[], float],
) -> int:
    key = _KEYS.get(table, "rowid")
    chosen = f"SELECT {key} FROM {table} WHERE {condition} LIMIT ?"  # noqa: S608  # our own names
    order = f"DELETE FROM {table} WHERE ({key}) IN ({chosen})"  # noqa: S608  # as above
    removed, step = 0, _FIRST_STEP
    while True:
        began = clock()
        with transaction(connection):
            count = connection.execute(order, (*values, step)).rowcount
        removed += count
        if count < step:
            return removed
        # Never more at a time than a third of the limit lets expect.
        took = max(clock() - began, 1e-6)
        step = max(1, min(4 * step, int(step * LOCKED / 3 / took)))
