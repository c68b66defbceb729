"""Recent readings of metrics in memory, as far back as rules look."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

import msgspec

MOST = 3_600
"""Maximum number of readings of a metric; if rules look further back, adjacent ones are merged."""

USUAL = 600.0
"""How long readings are kept if no rule looks further back, in seconds."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A measurement at one time, in seconds: the samples of a series, or one value."""

    at: float
    values: tuple[float, ...]


class MetricReadings(msgspec.Struct):
    """The readings of one metric in one unit, the oldest first; `newest` is the last one, not merged."""

    unit: str
    readings: deque[Reading]
    newest: Reading


class RecentReadings:
    """The readings of all metrics; times are seconds of a monotonic clock.

    Args:
        longest: How many seconds back rules look, by metric.
    """

    def __init__(self, longest: Mapping[str, float] | None = None) -> None:
        self._longest = longest or {}
        self._windows: dict[str, MetricReadings] = {}
        self._fresh: set[str] = set()

    def keep(self, longest: Mapping[str, float]) -> None:
        """Change how far back rules look, in seconds by metric."""
        self._longest = longest

    def take_fresh(self) -> set[str]:
        """Return the metrics that got a reading since the last call."""
        found, self._fresh = self._fresh, set()
        return found

    def add(self, metric: str, unit: str, reading: Reading) -> None:
        """Add a reading, and remove those that no rule looks back to."""
        self._fresh.add(metric)
        window = self._windows.get(metric)
        if window is None or window.unit != unit:
            self._windows[metric] = MetricReadings(unit, deque([reading]), reading)
            return
        window.newest = reading
        longest = self._find_window_length(metric)
        last = window.readings[-1]
        if reading.at - last.at < longest / MOST:
            window.readings[-1] = Reading(last.at, last.values + reading.values)
        else:
            window.readings.append(reading)
        while reading.at - window.readings[0].at > longest:
            window.readings.popleft()

    def named(self, metric: str) -> Iterator[str]:
        """Return the metric with this name and those of its parametrised checks."""
        return (name for name in self._windows if name == metric or name.startswith(f"{metric}["))

    def last(self, metric: str) -> Reading | None:
        """Return the last reading of a metric."""
        window = self._windows.get(metric)
        return window.newest if window else None

    def unit(self, metric: str) -> str:
        """Return the unit of a metric that has readings."""
        return self._windows[metric].unit

    def since(self, metric: str, begin: float) -> list[Reading]:
        """Return the readings of a metric at `begin` and after it."""
        window = self._windows.get(metric)
        if window is None:
            return []
        found = []
        for reading in reversed(window.readings):
            if reading.at < begin:
                break
            found.append(reading)
        return found[::-1]

    def _find_window_length(self, metric: str) -> float:
        names = (metric, metric.partition("[")[0])
        return max(USUAL, *(self._longest.get(name, 0.0) for name in names))
