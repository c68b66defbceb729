"""What was measured lately, in memory: readings of metrics, as long back as rules look."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

MOST = 3_600
"""Readings of a metric that are kept at the most."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What was measured at one time: `values` are the samples of a series, or one value."""

    at: float
    values: tuple[float, ...]


class Kept(msgspec.Struct):
    """The readings of one metric, the oldest first, in one unit."""

    unit: str
    readings: deque[Reading]


class Series:
    """The readings of all metrics; times are seconds of a clock that never goes back."""

    def __init__(self, longest: float = 600.0) -> None:
        self._longest = longest
        self._kept: dict[str, Kept] = {}
        self._fresh: set[str] = set()

    def keep(self, longest: float) -> None:
        """Keep readings as long as this from now on, in seconds."""
        self._longest = longest

    def take_fresh(self) -> set[str]:
        """Return the metrics that got a reading since the last time."""
        found, self._fresh = self._fresh, set()
        return found

    def add(self, metric: str, unit: str, reading: Reading) -> None:
        """Add a reading; what is older than rules look is forgotten."""
        kept = self._kept.get(metric)
        if kept is None or kept.unit != unit:
            kept = self._kept[metric] = Kept(unit, deque(maxlen=MOST))
        kept.readings.append(reading)
        self._fresh.add(metric)
        while len(kept.readings) > 1 and reading.at - kept.readings[0].at > self._longest:
            kept.readings.popleft()

    def named(self, metric: str) -> Iterator[str]:
        """Return the metrics of a name: itself, and those of its parametrised checks."""
        return (one for one in self._kept if one == metric or one.startswith(f"{metric}["))

    def last(self, metric: str) -> Reading | None:
        """Return the last reading of a metric."""
        kept = self._kept.get(metric)
        return kept.readings[-1] if kept else None

    def unit(self, metric: str) -> str:
        """Return the unit of a metric that has readings."""
        return self._kept[metric].unit

    def since(self, metric: str, begin: float) -> list[Reading]:
        """Return the readings of a metric at `begin` and after it."""
        kept = self._kept.get(metric)
        if kept is None:
            return []
        found = []
        for one in reversed(kept.readings):
            if one.at < begin:
                break
            found.append(one)
        return found[::-1]
