"""How the last rounds of each component and of one check ended."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from sqlite3 import Connection
from typing import Any

import msgspec

MEASURED_RUNS = 20
"""Runs that are searched for measurements at most: a check that passes without measuring has none."""


class RoundOutcome(msgspec.Struct, frozen=True):
    """How one round ended, for a component or for a check.

    Attributes:
        at: When the round began, in seconds since 1970.
        outcome: pass, warn, unknown, fail or skip; for a component that of its worst check.
        cause: The worst check.
        message: What that check said; empty if it passed.
        duration: Of that check, in seconds.
        value: What it measured, for a check of which a metric was asked for.
    """

    at: float
    outcome: str
    cause: str
    message: str
    duration: float
    value: float | None = None


class FailedPeriod(msgspec.Struct, frozen=True):
    """Rounds in a row that did not pass: from the first, until the next one that passed.

    `outcome` is fail or unknown; times are in seconds since 1970.
    """

    since: float
    until: float
    outcome: str


def read_component_rounds(
    connection: Connection, since: float, limit: int
) -> dict[str, list[RoundOutcome]]:
    """Return the last `limit` rounds of each component since a time, the oldest first.

    Raises:
        sqlite3.Error: The history can't be read.
    """
    # SQLite takes the other columns from the row that has the maximum.
    rows = connection.execute(
        "SELECT component, started, outcome, id, message, duration FROM ("
        "SELECT o.component, r.started, o.outcome, o.id, o.message, o.duration, "
        "MAX(CASE o.outcome WHEN 'fail' THEN 4 WHEN 'unknown' THEN 3 WHEN 'warn' THEN 2 "
        "WHEN 'pass' THEN 1 ELSE 0 END), ROW_NUMBER() OVER (PARTITION BY o.component ORDER BY r.started DESC) AS place "
        "FROM runs r JOIN outcomes o ON o.run = r.id WHERE r.started >= ? "
        "GROUP BY r.id, o.component) WHERE place <= ? ORDER BY started",
        (since, limit),
    )
    found: dict[str, list[RoundOutcome]] = {}
    for component, at, outcome, cause, message, duration in rows:
        found.setdefault(component, []).append(RoundOutcome(at, outcome, cause, message, duration))
    return found


def read_check_rounds(
    connection: Connection, check: str, since: float, until: float, limit: int, metric: str = ""
) -> list[RoundOutcome]:
    """Return the last `limit` rounds of one check between two times, the oldest first.

    `metric` is the one whose value each round has.

    Raises:
        sqlite3.Error: The history can't be read.
    """
    rows = connection.execute(
        "SELECT r.started, o.outcome, o.id, o.message, o.duration, m.value FROM runs r "
        "JOIN outcomes o ON o.run = r.id AND o.id = ? LEFT JOIN measurements m "
        "ON m.run = r.id AND m.metric = (SELECT id FROM metrics WHERE name = ?) "
        "WHERE r.started >= ? AND r.started < ? ORDER BY r.started DESC LIMIT ?",
        (check, metric, since, until, limit),
    ).fetchall()
    return [RoundOutcome(*row) for row in reversed(rows)]


def read_last_measured_result(
    connection: Connection, check: str
) -> tuple[float, dict[str, Any]] | None:
    """Return when a check last measured something, and its result as the report has it.

    Raises:
        sqlite3.Error: The history can't be read.
    """
    rows = connection.execute(
        "SELECT r.started, r.report FROM runs r JOIN outcomes o ON o.run = r.id AND o.id = ? "
        "WHERE o.outcome IN ('pass', 'warn') ORDER BY r.started DESC LIMIT ?",
        (check, MEASURED_RUNS),
    )
    for at, report in rows:
        content = json.loads(zlib.decompress(report))
        for result in content.get("health", {}).get("checks", ()):
            if result.get("id") == check and result.get("measurements"):
                return at, result
    return None


def read_failed_periods(
    connection: Connection, check: str, since: float, until: float
) -> list[FailedPeriod]:
    """Return when a check failed or was unknown between two times, the oldest first.

    Raises:
        sqlite3.Error: The history can't be read.
    """
    rows = connection.execute(
        "SELECT r.started, o.outcome FROM runs r JOIN outcomes o ON o.run = r.id AND o.id = ? "
        "WHERE r.started >= ? AND r.started < ? ORDER BY r.started",
        (check, since, until),
    )
    return join_periods(rows, until)


def join_periods(rounds: Iterable[tuple[float, str]], until: float) -> list[FailedPeriod]:
    """Return the periods in which rounds failed or were unknown; the last one lasts `until` then."""
    found: list[FailedPeriod] = []
    before, begin = "", 0.0
    for at, outcome in (*rounds, (until, "")):
        if outcome == before:
            continue
        if before in ("fail", "unknown"):
            found.append(FailedPeriod(begin, at, before))
        before, begin = outcome, at
    return found
