"""Write rounds, samples, alerts and what the page changes into the history, in one thread.

What can't be written now waits in memory.

A history that is locked, full or broken stops no round and loses no alert: what waits is bounded, and
what had to be dropped is reported.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import shutil
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pytest_flowhealth.alerts import store
from pytest_flowhealth.alerts.engine import TrackedAlert
from pytest_flowhealth.alerts.outbox import Pending
from pytest_flowhealth.alerts.store import Changes, Silence
from pytest_flowhealth.config.atomic import make_folder
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history import spool
from pytest_flowhealth.history.database import is_broken, move_aside
from pytest_flowhealth.history.recording import describe_error, open_history
from pytest_flowhealth.history.run_record import RunRecord
from pytest_flowhealth.history.store import Retention, Second, add_raw, add_run, purge, roll_up_raw

SECONDS, ENTRIES = 3_600, 500
"""How many seconds of samples, and how many rounds, wait at the most."""

_WAIT = 0.2
"""Seconds that a flush waits for another process's write lock: the next one tries again."""

CHANGE_WAIT = 3.0
"""The same of a change, for which somebody waits."""

CHANGE_TIMEOUT = 10.0
"""Seconds after which a change that has not begun is given up: the disk hangs."""

_LITTLE = 2**16
_PURGED = 3_600.0

Result = TypeVar("Result")


class RestoredState(msgspec.Struct, frozen=True):
    """What is known from before the start."""

    alerts: dict[str, TrackedAlert]
    pending: list[Pending]
    clock: float | None


class HistoryWriter:
    """Write to the history: the only thread of the monitor that does.

    Args:
        path: Its file.
        retention: How long what is kept.
    """

    def __init__(self, path: Path, retention: Retention) -> None:
        self.path = path
        self.retention = retention
        self.problem: str | None = None
        self.dropped = 0
        self._notices: list[str] = []
        self._seconds: deque[Second] = deque()
        self._entries: deque[RunRecord] = deque()
        self.silences: list[Silence] = []
        self.acknowledged: dict[str, str] = {}
        self._file: int | None = None
        self._purged = float("-inf")
        self._rolled = 0.0
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True, name="history")

    def take_notices(self) -> list[str]:
        """Return what has happened to the file since the last call, such as that it was moved aside."""
        notices, self._notices = self._notices, []
        return notices

    def restore(self) -> RestoredState:
        """Return what is known from before; nothing where the history can't be read."""
        nothing = RestoredState({}, [], None)
        if not self.path.is_file():
            return nothing
        return self._submit(
            lambda: self._try(
                lambda file: RestoredState(
                    store.read_alerts(file),
                    store.read_outbox(file),
                    store.read_fact(file, store.CLOCK),
                ),
                nothing,
            )
        ).result()

    def add_second(self, at: float, values: Mapping[str, tuple[float, str]]) -> None:
        """Take a second's samples in, to be written with the next flush."""
        if values:
            self._seconds.append((at, values))
            self._bound(self._seconds, SECONDS)

    def add_entry(self, entry: RunRecord) -> None:
        """Take a round in, to be written with the next flush."""
        self._entries.append(entry)
        self._bound(self._entries, ENTRIES)

    def is_replaced(self) -> bool:
        """Tell whether the file is another one than before: all that is remembered must be written anew."""
        try:
            number = self.path.stat().st_ino
        except OSError:
            return self._file is not None
        return self._file is not None and number != self._file

    async def flush(self, changes: Changes, now: float) -> bool:
        """Write all that waits, and read what people said; return whether `changes` are written."""
        waiting = ([*self._seconds], [*self._entries])
        written: list[object] = []
        done = await asyncio.wrap_future(
            self._submit(
                lambda: self._try(
                    lambda file: self._write(file, changes, waiting, written, now), otherwise=False
                )
            )
        )
        _remove(self._seconds, written)
        _remove(self._entries, written)
        return done

    async def change(self, change: Callable[[sqlite3.Connection], Result]) -> Result:
        """Make a change that somebody asks for, and return what it gives; if cancelled in time, it is not made.

        Raises:
            sqlite3.Error, UsageError, OSError: It can't be written.
        """

        def make() -> Result:
            make_folder(self.path.parent)
            with open_history(self.path, CHANGE_WAIT) as file:
                return change(file)

        try:
            async with asyncio.timeout(CHANGE_TIMEOUT):
                return await asyncio.wrap_future(self._submit(make))
        except TimeoutError:
            raise OSError(f"it has not answered for {CHANGE_TIMEOUT:.0f} s") from None

    def close(self) -> None:
        """Write what was submitted, and end the thread."""
        self._jobs.put(None)

    def _submit(self, job: Callable[[], Result]) -> Future[Result]:
        if self._thread.ident is None:
            self._thread.start()
        future: Future[Result] = Future()
        self._jobs.put((job, future))
        return future

    def _work(self) -> None:
        while (queued := self._jobs.get()) is not None:
            job, future = queued
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001  # it is raised where it is awaited
                future.set_exception(error)

    def _bound(self, waiting: deque[Any], most: int) -> None:
        if len(waiting) > most:
            waiting.popleft()
            self.dropped += 1

    def _write(
        self,
        file: sqlite3.Connection,
        changes: Changes,
        waiting: tuple[Sequence[Second], Sequence[RunRecord]],
        written: list[object],
        now: float,
    ) -> bool:
        seconds, entries = waiting
        store.write_changes(file, changes)
        self.silences, self.acknowledged = (
            store.read_silences(file, now),
            store.read_acknowledged(file),
        )
        if seconds:
            add_raw(file, seconds)
            written += seconds
        for entry in entries:
            add_run(file, entry)
            written.append(entry)
        spool.import_spooled(file, self.path)
        if now - self._rolled >= 60:
            roll_up_raw(file, now)
            self._rolled = now
        if now - self._purged >= _PURGED:
            self._purged = now
            purge(file, self.retention)
        return True

    def _try(self, do: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        try:
            make_folder(self.path.parent)
            # Opened anew each time: what others do to an open file's maps could end this process.
            with open_history(self.path, _WAIT) as file:
                done = do(file)
            self._file = self.path.stat().st_ino
        except sqlite3.Error as error:
            self.problem = f"the history can't be written: {self._explain(error)}"
            self._move_if_broken(error)
            return otherwise
        except (UsageError, OSError) as error:
            self.problem = f"the history can't be written: {error}"
            return otherwise
        self.problem = None
        return done

    def _explain(self, error: sqlite3.Error) -> str:
        """Return what an error means: on a full disk SQLite speaks of input and output too."""
        with contextlib.suppress(OSError):
            if "I/O" in str(error) and shutil.disk_usage(self.path.parent).free < _LITTLE:
                return "the disk is full"
        return describe_error(error)

    def _move_if_broken(self, error: sqlite3.Error) -> None:
        """Move a broken history aside: the next flush begins a new one."""
        if not is_broken(error):
            return
        with contextlib.suppress(OSError):
            moved = move_aside(self.path)
            self._notices.append(
                f"the history was broken; it is now {moved.name}, and a new one is begun"
            )


def _remove(waiting: deque[Any], written: Sequence[object]) -> None:
    """Remove what was written from what waits."""
    ids = {id(item) for item in written}
    while waiting and id(waiting[0]) in ids:
        waiting.popleft()
