"""The monitor's clock: it never goes back, also not over a restart."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

from pytest_flowhealth.alerts.engine import Timestamp


def read_steady_clock() -> float:
    """Return seconds that only go up, also while the machine is suspended: results grow old in its sleep."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Clock:
    """Seconds since 1970 as they were at the start, counted on by a clock that nobody sets.

    What the calendar's clock does while the monitor runs (a jump, summer time, NTP) moves nothing.
    After a restart it goes on from the last time that was kept, or from the calendar's, if that is
    later: what was to be waited for is not waited for again.

    Args:
        last: The time that it was saved with before the restart.
        steady: Seconds that only go up.
        wall: Seconds since 1970.
    """

    def __init__(
        self,
        last: float | None = None,
        steady: Callable[[], float] = read_steady_clock,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._steady, self._wall = steady, wall
        self._begin = steady()
        self._base = max(wall(), last or 0.0)

    def __call__(self) -> float:
        """Return the time."""
        return self._base + self._steady() - self._begin

    def moment(self) -> Timestamp:
        """Return the time, and the calendar's."""
        return Timestamp(self(), datetime.datetime.fromtimestamp(self._wall(), datetime.UTC))
