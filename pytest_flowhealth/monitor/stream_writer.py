"""Write to a stream in a thread, so that a slow reader does not delay the monitor."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from typing import TextIO

WAITING = 2_000
"""Pieces of text that wait at the most; what comes then is lost, and counted."""


class StreamWriter:
    """One stream.

    Args:
        out: Where it goes, by its file descriptor where it has one.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._queue: queue.Queue[str | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._write_on, daemon=True, name="voice")
        self.lost = 0

    def say(self, text: str) -> None:
        """Write a text, soon."""
        if self._thread.ident is None:
            self._thread.start()
        try:
            self._queue.put_nowait(text)
        except queue.Full:
            self.lost += 1

    def close(self, seconds: float = 1.0) -> None:
        """Write what waits, for so long."""
        if self._thread.ident is None:
            return
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=seconds)
            self._thread.join(seconds)

    def _write_on(self) -> None:
        while (text := self._queue.get()) is not None:
            # Whoever read this may be gone, or its disk full: the monitor goes on.
            with contextlib.suppress(OSError, ValueError):
                self._write(text)

    def _write(self, text: str) -> None:
        try:
            number = self._out.fileno()
        except (OSError, ValueError):  # a stream of somebody's own
            self._out.write(text)
            self._out.flush()
            return
        # Past the stream's buffer, whose lock a write that never ends would hold at the process's end.
        left = text.encode(self._out.encoding or "utf-8", "backslashreplace")
        while left:
            left = left[os.write(number, left) :]
