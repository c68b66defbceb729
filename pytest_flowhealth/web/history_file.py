"""Read and change the history file for requests, with errors in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.history.recording import describe_error, open_history, query_history

WAIT = 3.0
"""Seconds that a change waits for another's write lock."""

Result = TypeVar("Result")


class NoHistory(Exception):
    """The history can't be read or written; the message says why."""


class TooMany(Exception):
    """There are so many of them already that another one is not taken."""


class HistoryFile:
    """The file of a history.

    Args:
        place: Where it is.
    """

    def __init__(self, location: HistoryLocation) -> None:
        self.location = location

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

    def change(self, change: Callable[[sqlite3.Connection], Result]) -> Result:
        """Make a change, and return what it gives.

        Raises:
            NoHistory: It can't be written.
        """
        try:
            with open_history(self.location.path, WAIT) as file:
                return change(file)
        except sqlite3.Error as error:
            raise NoHistory(f"the history can't be written: {describe_error(error)}") from None
        except (UsageError, OSError) as error:
            raise NoHistory(f"the history can't be written: {error}") from None
