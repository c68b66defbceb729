"""Keep the parts of the monitor running: one that fails is reported and started again."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from pytest_flowhealth.domain.text import one_line

Result = TypeVar("Result")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a part that has failed is started again; each pause is twice the one before."""

SETTLED = 60.0
"""Seconds without a failure after which a part counts as running again."""


class PartFailure(msgspec.Struct, frozen=True):
    """One failure of a part: `at` by the supervisor's clock, `trace` the traceback."""

    part: str
    at: float
    error: str
    trace: str


class Supervisor:
    """Run the parts of the monitor.

    Args:
        clock: Seconds that only go up.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, PartFailure] = {}
        self._unreported: list[PartFailure] = []

    async def run(self, part: str, function: Callable[[], Awaitable[object]]) -> None:
        """Await a part until it returns; what it raises is a failure, and it is called again."""
        pause = FIRST_PAUSE
        while True:
            began = self._clock()
            try:
                await function()
            except Exception as error:  # noqa: BLE001  # no failure of a part may end it for good
                self._record(part, error)
            else:
                return
            if self._clock() - began >= SETTLED:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def call(self, part: str, function: Callable[[], Result], default: Result) -> Result:
        """Call a function and return its result; if it raises, record the failure, return `default`."""
        try:
            return function()
        except Exception as error:  # noqa: BLE001  # no failure of a part may end the monitor
            self._record(part, error)
            return default

    def take_failures(self) -> list[PartFailure]:
        """Return the failures since the last call."""
        found, self._unreported = self._unreported, []
        return found

    def failing(self) -> dict[str, str]:
        """Return the parts that have failed within `SETTLED` seconds, and why."""
        now = self._clock()
        return {
            part: failure.error
            for part, failure in self._last.items()
            if now - failure.at < SETTLED
        }

    def _record(self, part: str, error: Exception) -> None:
        text = one_line(f"{type(error).__name__}: {error}", 300)
        failure = PartFailure(part, self._clock(), text, traceback.format_exc())
        before = self._last.get(part)
        self._last[part] = failure
        if before is None or before.error != text or failure.at - before.at >= SETTLED:
            self._unreported.append(failure)
