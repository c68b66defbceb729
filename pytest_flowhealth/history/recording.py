"""Record runs in the history and query it; an error of the history never changes a run's verdict."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history import spool
from pytest_flowhealth.history.database import connect, is_broken, move_aside
from pytest_flowhealth.history.run_record import RunRecord
from pytest_flowhealth.history.store import Retention, add_run, purge

WAIT = 1.0
"""Seconds that a run waits for another process's write lock."""

Result = TypeVar("Result")


class RecordResult(msgspec.Struct, frozen=True):
    """Whether a run was recorded (`kept`), or is spooled (`waiting`); `problem` is what was wrong."""

    kept: bool
    waiting: bool = False
    problem: str | None = None


def record_run(
    path: Path,
    run: RunRecord,
    retention: Retention = Retention(),  # noqa: B008  # frozen
    wait: float = WAIT,
) -> RecordResult:
    """Write a run, and the spooled ones, into the history at `path`; its errors are returned, not raised."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _record(path, run, retention, wait)
    except UsageError as error:
        return RecordResult(kept=False, problem=str(error))
    except sqlite3.Error as error:
        problem = describe_error(error)
        moved = _move_if_broken(path, error)
        if moved is not None:
            return _record_anew(path, run, retention, moved)
    except OSError as error:
        problem = error.strerror or str(error)
    return _spool(path, run, problem)


def _record(path: Path, run: RunRecord, retention: Retention, wait: float) -> RecordResult:
    with open_history(path, wait) as connection:
        spool.import_spooled(connection, path)
        add_run(connection, run)
        # What is old can wait, the run is kept.
        with contextlib.suppress(sqlite3.Error):
            purge(connection, retention)
    return RecordResult(kept=True)


def _record_anew(path: Path, run: RunRecord, retention: Retention, moved: Path) -> RecordResult:
    problem = f"the history was broken; it is now {moved.name}, and a new one is begun"
    try:
        _record(path, run, retention, WAIT)
    except sqlite3.Error as error:
        return _spool(path, run, describe_error(error))
    return RecordResult(kept=True, problem=problem)


def _move_if_broken(path: Path, error: sqlite3.Error) -> Path | None:
    if not is_broken(error):
        return None
    try:
        return move_aside(path)
    except OSError:
        return None


def _spool(path: Path, run: RunRecord, problem: str) -> RecordResult:
    try:
        spool.spool_run(path, run)
    except OSError as error:
        return RecordResult(
            kept=False, problem=f"{problem}; nor beside it: {error.strerror or error}"
        )
    _drain_later(path)
    return RecordResult(kept=False, waiting=True, problem=problem)


def _drain_later(path: Path) -> None:
    """Start a process that imports the spooled runs as soon as the history can be written."""
    argv = [sys.executable, "-m", "pytest_flowhealth.history.drain", str(path.absolute())]
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    # Nobody waits for it: it outlives us, in a session of its own.
    with contextlib.suppress(OSError, NotImplementedError):
        os.posix_spawn(sys.executable, argv, os.environ, file_actions=nothing, setsid=True)


@contextlib.contextmanager
def open_history(path: Path, wait: float = WAIT) -> Iterator[sqlite3.Connection]:
    """Open the history for writing, and close it.

    Raises:
        UsageError: A newer version of this program made it.
        sqlite3.Error: It can't be used.
    """
    connection = connect(path, wait=wait)
    try:
        yield connection
    finally:
        connection.close()


def query_history(
    path: Path, query: Callable[[sqlite3.Connection], Result], otherwise: Result
) -> tuple[Result, str | None]:
    """Run a query on the history, after importing the spooled runs if that is possible.

    Returns:
        The result and None; `otherwise` and None if there is no history; `otherwise` and the reason if
        it can't be read.
    """
    if not path.is_file() and not spool.list_spooled(path):
        return otherwise, None
    try:
        with open_history(path) as connection:
            with contextlib.suppress(sqlite3.Error):
                spool.import_spooled(connection, path)
            return query(connection), None
    except sqlite3.Error as error:
        return otherwise, describe_error(error)
    except UsageError as error:
        return otherwise, str(error)


def describe_error(error: sqlite3.Error) -> str:
    """Return what an SQLite error means, in words."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return "another process has held its write lock for too long"
    if "full" in text:
        return "the disk is full"
    if "readonly" in text or "unable to open" in text:
        return "it can't be opened for writing"
    return text
