"""Recent readings of metrics in memory, as far back as rules look."""

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


class MetricReadings(msgspec.Struct):
    """The readings of one metric, the oldest first, in one unit; `newest` is the last as it came."""

    unit: str
    readings: deque[Reading]
    newest: Reading


class RecentReadings:
    """The readings of all metrics; times are seconds of a clock that never goes back.

    Args:
        longest: How many seconds back rules look, by metric.
    """

    def __init__(self, longest: Mapping[str, float] | None = None) -> None:
        self._longest = longest or {}
        self._windows: dict[str, MetricReadings] = {}
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
        """Return the metrics of a name: itself, and those of its parametrised checks."""
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
