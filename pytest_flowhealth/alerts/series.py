"""What was measured lately, in memory: readings of metrics, as long back as rules look."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

import msgspec

MOST = 3_600
"""Readings of a metric that are kept at the most; where rules look further back, some are put together."""

USUAL = 600.0
"""Seconds that readings are kept where no rule looks further back."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What was measured at one time: `values` are the samples of a series, or one value."""

    at: float
    values: tuple[float, ...]


class Kept(msgspec.Struct):
    """The readings of one metric, the oldest first, in one unit; `newest` is the last as it came."""

    unit: str
    readings: deque[Reading]
    newest: Reading


class Series:
    """The readings of all metrics; times are seconds of a clock that never goes back.

    Args:
        longest: How many seconds back rules look, by metric.
    """

    def __init__(self, longest: Mapping[str, float] | None = None) -> None:
        self._longest = longest or {}
        self._kept: dict[str, Kept] = {}
        self._fresh: set[str] = set()

    def keep(self, longest: Mapping[str, float]) -> None:
        """Keep readings as long as this from now on, in seconds by metric."""
        self._longest = longest

    def take_fresh(self) -> set[str]:
        """Return the metrics that got a reading since the last time."""
        found, self._fresh = self._fresh, set()
        return found

    def add(self, metric: str, unit: str, reading: Reading) -> None:
        """Add a reading; what is older than rules look is forgotten."""
        self._fresh.add(metric)
        kept = self._kept.get(metric)
        if kept is None or kept.unit != unit:
            self._kept[metric] = Kept(unit, deque([reading]), reading)
            return
        kept.newest = reading
        longest = self._kept_for(metric)
        last = kept.readings[-1]
        if reading.at - last.at < longest / MOST:
            kept.readings[-1] = Reading(last.at, last.values + reading.values)
        else:
            kept.readings.append(reading)
        while reading.at - kept.readings[0].at > longest:
            kept.readings.popleft()

    def named(self, metric: str) -> Iterator[str]:
        """Return the metrics of a name: itself, and those of its parametrised checks."""
        return (one for one in self._kept if one == metric or one.startswith(f"{metric}["))

    def last(self, metric: str) -> Reading | None:
        """Return the last reading of a metric."""
        kept = self._kept.get(metric)
        return kept.newest if kept else None

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

    def _kept_for(self, metric: str) -> float:
        names = (metric, metric.partition("[")[0])
        return max(USUAL, *(self._longest.get(one, 0.0) for one in names))
