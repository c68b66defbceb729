"""Read the history file, and let the monitor change it, for requests, with errors in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.history.recording import describe_error, query_history
from pytest_flowhealth.monitor.history_writer import HistoryWriter

Result = TypeVar("Result")


class NoHistory(Exception):
    """The history can't be read or written; the message says why."""


class TooMany(Exception):
    """There are so many of them already that another one is not taken."""


class HistoryFile:
    """The file of a history.

    Args:
        location: Where it is.
        writer: Who writes to it.
    """

    def __init__(self, location: HistoryLocation, writer: HistoryWriter) -> None:
        self.location, self._writer = location, writer

    def read(self, query: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """Return what a query finds; `otherwise` is its kind.

        Raises:
            NoHistory: It can't be read.
        """
        if not self.location.path.is_file():
            raise NoHistory(
                f"there is no history {self.location.path.name}: nothing was kept yet, or it is gone"
            )
        found, problem = query_history(self.location.path, query, otherwise)
        if problem is not None:
            raise NoHistory(f"the history can't be read: {problem}")
        return found

    async def change(self, change: Callable[[sqlite3.Connection], Result]) -> Result:
        """Make a change, and return what it gives.

        Raises:
            NoHistory: It can't be written.
        """
        try:
            return await self._writer.change(change)
        except sqlite3.Error as error:
            raise NoHistory(f"the history can't be written: {describe_error(error)}") from None
        except (UsageError, OSError) as error:
            raise NoHistory(f"the history can't be written: {error}") from None
