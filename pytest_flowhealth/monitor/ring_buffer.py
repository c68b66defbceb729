"""A ring buffer of the last hour's samples, one per second."""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Mapping

SECONDS = 3_600
"""The number of samples."""


class Ring:
    """Values of metrics by the second; a second without a value has no point."""

    def __init__(self, seconds: int = SECONDS) -> None:
        self._size = seconds
        self._times = array("d", [math.nan]) * seconds
        self._values: dict[str, array[float]] = {}
        self._next = 0
        # Written by the monitor, read by the page's threads.
        self._lock = threading.Lock()

    def add(self, at: float, values: Mapping[str, float]) -> None:
        """Add the values of one second; `at` in seconds since 1970."""
        with self._lock:
            if self._next and at <= self._times[(self._next - 1) % self._size]:
                self._next = 0  # the calendar's clock was set back: what it said before is void
            slot = self._next % self._size
            self._times[slot] = at
            for name in values.keys() - self._values.keys():
                self._values[name] = array("d", [math.nan]) * self._size
            for name, series in self._values.items():
                series[slot] = values.get(name, math.nan)
            self._next += 1

    def points(self, metric: str, since: float = 0.0) -> list[tuple[float, float]]:
        """Return a metric's values with their times, the oldest first."""
        with self._lock:
            series = self._values.get(metric)
            if series is None:
                return []
            begin = max(0, self._next - self._size)
            slots = (number % self._size for number in range(begin, self._next))
            pairs = [(self._times[slot], series[slot]) for slot in slots]
        return [(at, value) for at, value in pairs if at >= since and not math.isnan(value)]

    def last(self) -> tuple[float, dict[str, float]] | None:
        """Return the time and the values of the last second; None before the first."""
        with self._lock:
            if not self._next:
                return None
            slot = (self._next - 1) % self._size
            values = {name: series[slot] for name, series in self._values.items()}
            return self._times[slot], {
                k: value for k, value in values.items() if not math.isnan(value)
            }

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics that have values."""
        return sorted(self._values)
