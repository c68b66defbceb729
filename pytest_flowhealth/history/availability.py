"""How long each component was healthy, degraded, unhealthy, or not measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, zip_longest
from sqlite3 import Connection
from statistics import median

import msgspec

LONGEST_GAPS = 3.0
"""A round counts for so many intervals at the most; the time after that is not measured."""

_STATES = {"pass": "healthy", "warn": "degraded", "fail": "unhealthy"}


class Availability(msgspec.Struct, frozen=True):
    """Seconds that a component spent in each state; `unmeasured` is the rest of the period.

    Degraded counts as available. A component that was blocked, or whose result is unknown, was not measured.
    """

    healthy: float = 0.0
    degraded: float = 0.0
    unhealthy: float = 0.0
    unmeasured: float = 0.0

    @property
    def share(self) -> float | None:
        """The available share of the measured time, in percent; None if nothing was measured."""
        measured = self.healthy + self.degraded + self.unhealthy
        return 100.0 * (self.healthy + self.degraded) / measured if measured else None


def read_rounds(connection: Connection, since: float) -> dict[str, list[tuple[float, str]]]:
    """Return when each component's rounds since a time began, and their worst outcome, the oldest first.

    Raises:
        sqlite3.Error: The history can't be read.
    """
    rows = connection.execute(
        "SELECT o.component, r.started, "
        "MAX(CASE o.outcome WHEN 'fail' THEN 4 WHEN 'unknown' THEN 3 WHEN 'warn' THEN 2 "
        "WHEN 'pass' THEN 1 ELSE 0 END) "
        "FROM runs r JOIN outcomes o ON o.run = r.id WHERE r.started >= ? "
        "GROUP BY r.id, o.component ORDER BY r.started",
        (since,),
    )
    names = ("skip", "pass", "warn", "unknown", "fail")
    found: dict[str, list[tuple[float, str]]] = {}
    for component, at, severity in rows:
        found.setdefault(component, []).append((at, names[severity]))
    return found


def compute_availability(
    rounds: Sequence[tuple[float, str]], since: float, until: float
) -> Availability:
    """Return how a period was spent: each round counts until the next, for three intervals at the most."""
    longest = LONGEST_GAPS * _interval(at for at, _ in rounds)
    seconds = dict.fromkeys(("healthy", "degraded", "unhealthy"), 0.0)
    for (at, outcome), following in zip_longest(rounds, rounds[1:], fillvalue=(until, "")):
        state = _STATES.get(outcome)
        begin, end = max(at, since), min(following[0], at + longest, until)
        if state is not None and end > begin:
            seconds[state] += end - begin
    return Availability(**seconds, unmeasured=max(0.0, until - since - sum(seconds.values())))


def _interval(times: Iterable[float]) -> float:
    steps = [after - before for before, after in pairwise(times)]
    return median(steps) if steps else 300.0


def compute_availabilities(
    rounds: Mapping[str, Sequence[tuple[float, str]]], periods: Mapping[str, float], now: float
) -> dict[str, dict[str, Availability]]:
    """Return the availability of each component over each period, whose lengths are in seconds."""
    return {
        component: {
            name: compute_availability(own, now - length, now) for name, length in periods.items()
        }
        for component, own in rounds.items()
    }
