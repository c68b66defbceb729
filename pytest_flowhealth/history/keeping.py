"""Keeping a run, whatever is wrong with the history: the run's verdict never suffers from it."""

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
from pytest_flowhealth.history.entry import Entry
from pytest_flowhealth.history.store import Retention, add_run, purge

WAIT = 1.0
"""Seconds that a run waits for another process's write lock."""

Result = TypeVar("Result")


class Kept(msgspec.Struct, frozen=True):
    """What became of a run: kept, or `waiting` in a file of its own; `problem` says why not, or what else was wrong."""

    kept: bool
    waiting: bool = False
    problem: str | None = None


def keep(path: Path, entry: Entry, retention: Retention = Retention(), wait: float = WAIT) -> Kept:  # noqa: B008  # frozen
    """Write a run into the history at `path`, with those that waited; raises nothing of the history's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _kept(path, entry, retention, wait)
    except UsageError as error:
        return Kept(kept=False, problem=str(error))
    except sqlite3.Error as error:
        problem = said(error)
        moved = _moved(path, error)
        if moved is not None:
            return _once_more(path, entry, retention, moved)
    except OSError as error:
        problem = error.strerror or str(error)
    return _waiting(path, entry, problem)


def _kept(path: Path, entry: Entry, retention: Retention, wait: float) -> Kept:
    with opened(path, wait) as connection:
        spool.take_in(connection, path)
        add_run(connection, entry)
        # What is old can wait, the run is kept.
        with contextlib.suppress(sqlite3.Error):
            purge(connection, retention)
    return Kept(kept=True)


def _once_more(path: Path, entry: Entry, retention: Retention, moved: Path) -> Kept:
    problem = f"the history was broken; it is now {moved.name}, and a new one is begun"
    try:
        _kept(path, entry, retention, WAIT)
    except sqlite3.Error as error:
        return _waiting(path, entry, said(error))
    return Kept(kept=True, problem=problem)


def _moved(path: Path, error: sqlite3.Error) -> Path | None:
    if not is_broken(error):
        return None
    try:
        return move_aside(path)
    except OSError:
        return None


def _waiting(path: Path, entry: Entry, problem: str) -> Kept:
    try:
        spool.put(path, entry)
    except OSError as error:
        return Kept(kept=False, problem=f"{problem}; nor beside it: {error.strerror or error}")
    _drain_later(path)
    return Kept(kept=False, waiting=True, problem=problem)


def _drain_later(path: Path) -> None:
    """Start a process that takes the waiting runs in as soon as the history can be written."""
    argv = [sys.executable, "-m", "pytest_flowhealth.history.drain", str(path.absolute())]
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    # Nobody waits for it: it outlives us, in a session of its own.
    with contextlib.suppress(OSError, NotImplementedError):
        os.posix_spawn(sys.executable, argv, os.environ, file_actions=nothing, setsid=True)


@contextlib.contextmanager
def opened(path: Path, wait: float = WAIT) -> Iterator[sqlite3.Connection]:
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


def asked(
    path: Path, ask: Callable[[sqlite3.Connection], Result], otherwise: Result
) -> tuple[Result, str | None]:
    """Ask the history, with the runs that waited taken in where that is possible.

    Returns:
        The answer and None; where the history is not there, `otherwise` and None; where it can't be
        read, `otherwise` and why.
    """
    if not path.is_file() and not spool.waiting(path):
        return otherwise, None
    try:
        with opened(path) as connection:
            with contextlib.suppress(sqlite3.Error):
                spool.take_in(connection, path)
            return ask(connection), None
    except sqlite3.Error as error:
        return otherwise, said(error)
    except UsageError as error:
        return otherwise, str(error)


def said(error: sqlite3.Error) -> str:
    """Return what an error of SQLite's means, in words."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return "another process has held its write lock for too long"
    if "full" in text:
        return "the disk is full"
    if "readonly" in text or "unable to open" in text:
        return "it can't be opened for writing"
    return text
