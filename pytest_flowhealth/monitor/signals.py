"""Signals: SIGTERM and SIGINT end the monitor, SIGHUP lets it read its configuration again."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType


class Signals:
    """Received signals; `pipe` becomes readable with every signal."""

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self.pipe, self._wake = os.pipe()
        for descriptor in (self.pipe, self._wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stopped)
        signal.signal(signal.SIGHUP, self._hung_up)
        # Nothing is sent in a pipe that nobody reads but by write(2), which says so itself.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def wake(self) -> None:
        """Make the pipe readable, from any thread."""
        with contextlib.suppress(OSError):
            os.write(self._wake, b"\0")

    def drain(self) -> None:
        """Forget what made the pipe readable."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.pipe, 512):
                pass

    def close(self) -> None:
        """Give the pipe back."""
        signal.set_wakeup_fd(-1)
        os.close(self.pipe)
        os.close(self._wake)

    def _stopped(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True

    def _hung_up(self, _number: int, _frame: FrameType | None) -> None:
        self.reload = True
