"""Store install reports in batches, in a thread; a sender gets 201 only after the commit.

The monitor writes to the same file each second: a batch holds the lock for some milliseconds, and
a pause follows.
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
from pytest_flowhealth.history.recording import describe_error, open_history
from pytest_flowhealth.install_reports.store import StoredReport, add

WAITING = 500
"""Maximum number of reports that wait for being written."""

BATCH = 100
PAUSE = 0.02
_LOCK_TIMEOUT = 2.0

Pending = tuple[StoredReport, "Future[None]"]


class QueueFull(Exception):
    """The maximum number of reports waits already."""


class WriteError(Exception):
    """A report could not be written; the message says why."""


class BatchWriter:
    """Writes reports into the history.

    Args:
        path: The history's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.Queue[Pending | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False

    def submit(self, report: StoredReport) -> Future[None]:
        """Return a future that is done when the report is on the disk; its exception is `WriteError`.

        Raises:
            QueueFull: Too many reports wait.
        """
        done: Future[None] = Future()
        with self._starting:
            if self._closed:
                raise QueueFull
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="reports")
                self._thread.start()
        try:
            self._queue.put_nowait((report, done))
        except queue.Full:
            raise QueueFull from None
        return done

    def close(self, seconds: float = 2.0) -> None:
        """Write the waiting reports and end the thread."""
        with self._starting:
            self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            while batch[-1] is not None and len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            self._write([pending for pending in batch if pending is not None])
            if batch[-1] is None:
                return
            time.sleep(PAUSE)

    def _write(self, batch: list[Pending]) -> None:
        # A sender that is gone does not get the id, and could not erase its report.
        wanted = [pending for pending in batch if pending[1].set_running_or_notify_cancel()]
        if not wanted:
            return
        try:
            make_folder(self._path.parent)
            with open_history(self._path, _LOCK_TIMEOUT) as file:
                add(file, [report for report, _ in wanted])
        except Exception as error:  # noqa: BLE001  # no sender waits in vain
            for _, done in wanted:
                done.set_exception(WriteError(_describe_error(error)))
            return
        for _, done in wanted:
            done.set_result(None)


def _describe_error(error: Exception) -> str:
    if isinstance(error, sqlite3.Error):
        return describe_error(error)
    if isinstance(error, UsageError):
        return "the history can't be used"
    return getattr(error, "strerror", None) or "the history can't be written"
