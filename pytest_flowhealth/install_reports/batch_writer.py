"""Store install reports in batches; a sender gets 201 only after the commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.recording import describe_error
from pytest_flowhealth.install_reports.store import StoredReport, add

WAITING = 500
"""Maximum number of reports that wait for being written."""

BATCH = 100


class QueueFull(Exception):
    """The maximum number of reports waits already."""


class WriteError(Exception):
    """A report could not be written; the message says why."""


class BatchWriter:
    """Collects what is to be written while a batch is written.

    Args:
        change: Makes a change of the history.
    """

    def __init__(
        self, change: Callable[[Callable[[sqlite3.Connection], None]], Awaitable[None]]
    ) -> None:
        self._change = change
        self._waiting: list[tuple[StoredReport, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, report: StoredReport) -> None:
        """Return when the report is on the disk.

        Raises:
            QueueFull: Too many reports wait.
            WriteError: It can't be written.
        """
        if len(self._waiting) >= WAITING:
            raise QueueFull
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((report, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            # A sender that is gone does not get the id, and could not erase its report.
            batch = [(report, done) for report, done in batch if not done.done()]
            reports = [report for report, _ in batch]
            failure: WriteError | None = None
            try:
                await self._change(lambda file, reports=reports: add(file, reports))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001  # no sender waits in vain
                failure = WriteError(_describe_error(error))
            for _, done in batch:
                if done.done():
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)


def _describe_error(error: Exception) -> str:
    if isinstance(error, sqlite3.Error):
        return describe_error(error)
    if isinstance(error, UsageError):
        return "the history can't be used"
    return getattr(error, "strerror", None) or "the history can't be written"
