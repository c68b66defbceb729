"""Writes reports into the history, many at a time, in a thread of its own; whom it answers, it has kept.

The monitor writes to the same file each second: a batch holds the lock for some milliseconds and leaves
it alone for as long.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from pytest_flowhealth.config.atomic import make_folder
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.keeping import opened, said
from pytest_flowhealth.install_reports.store import Kept, add

WAITING = 500
"""Reports that wait to be written at the most."""

BATCH = 100
PAUSE = 0.02
_LOCK = 2.0


class Full(Exception):
    """As many reports wait already as may."""


class NotKept(Exception):
    """A report could not be written; the message says why."""


class Intake:
    """Takes reports in.

    Args:
        path: The history's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.Queue[tuple[Kept, Future[None]] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False

    def hand_in(self, report: Kept) -> Future[None]:
        """Return what is done when the report is on the disk, or has `NotKept`.

        Raises:
            Full: Too many wait.
        """
        done: Future[None] = Future()
        with self._starting:
            if self._closed:
                raise Full
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, daemon=True, name="reports")
                self._thread.start()
        try:
            self._queue.put_nowait((report, done))
        except queue.Full:
            raise Full from None
        return done

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, and end."""
        with self._starting:
            self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(seconds)

    def _write(self) -> None:
        while True:
            batch, ended = self._next()
            if batch:
                self._settle(batch)
            if ended:
                return
            time.sleep(PAUSE)

    def _next(self) -> tuple[list[tuple[Kept, Future[None]]], bool]:
        """Return what waits, and whether that was all; wait for the first."""
        batch: list[tuple[Kept, Future[None]]] = []
        one = self._queue.get()
        while one is not None:
            batch.append(one)
            if len(batch) == BATCH:
                return batch, False
            try:
                one = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _settle(self, batch: list[tuple[Kept, Future[None]]]) -> None:
        # Who has gone since does not learn the id and could not erase it.
        wanted = [one for one in batch if one[1].set_running_or_notify_cancel()]
        try:
            make_folder(self._path.parent)
            with opened(self._path, _LOCK) as file:
                add(file, [report for report, _ in wanted])
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody waits in vain
            for _, done in wanted:
                done.set_exception(NotKept(_reason(error)))
            return
        for _, done in wanted:
            done.set_result(None)


def _reason(error: Exception) -> str:
    if isinstance(error, sqlite3.Error):
        return said(error)
    if isinstance(error, UsageError):
        return "the history can't be used"
    return getattr(error, "strerror", None) or "the history can't be written"
