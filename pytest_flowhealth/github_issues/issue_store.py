"""What this program did about each fingerprint, in the history's file."""

from __future__ import annotations

import sqlite3

import msgspec

from pytest_flowhealth.history.database import transaction


class IssueRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The issue of one fingerprint in one repository; times in seconds since 1970.

    Attributes:
        number: The issue's number; None as long as none is known.
        attempted: When its creation was attempted last; None if it was found.
        refused: Whether GitHub refused that attempt (422).
        count: The number of reports in the issue or in its last comment.
        versions: The versions named there.
        updated: When the issue was opened, found or commented last.
    """

    number: int | None = None
    attempted: float | None = None
    refused: bool = False
    count: int = 0
    versions: tuple[str, ...] = ()
    updated: float = 0.0


class IssueStore:
    """The records of one repository.

    Args:
        connection: The history.
        api: The address of the REST API.
        repository: As in ``owner/name``.
    """

    def __init__(self, connection: sqlite3.Connection, api: str, repository: str) -> None:
        self._connection = connection
        self._repository = f"{api.rstrip('/')}/repos/{repository}".lower()

    def load(self) -> dict[str, IssueRecord]:
        """Return the records by fingerprint.

        Raises:
            sqlite3.Error: The history can't be read.
        """
        rows = self._connection.execute(
            "SELECT fingerprint, data FROM github_issues WHERE repository = ?", (self._repository,)
        )
        return {name: msgspec.msgpack.decode(data, type=IssueRecord) for name, data in rows}

    def replace(self, fingerprint: str, before: IssueRecord | None, after: IssueRecord) -> bool:
        """Write a record durably, unless another process has changed it.

        Args:
            fingerprint: Whose record.
            before: The record as it was loaded; None if there was none.
            after: The new record.

        Returns:
            Whether it was written.

        Raises:
            sqlite3.Error: The history can't be written.
        """
        key = (self._repository, fingerprint)
        # After a power failure the attempt to open an issue must be known.
        self._connection.execute("PRAGMA synchronous = FULL")
        with transaction(self._connection):
            row = self._connection.execute(
                "SELECT data FROM github_issues WHERE repository = ? AND fingerprint = ?", key
            ).fetchone()
            current = None if row is None else msgspec.msgpack.decode(row[0], type=IssueRecord)
            if current != before:
                return False
            self._connection.execute(
                "INSERT OR REPLACE INTO github_issues VALUES (?, ?, ?)",
                (*key, msgspec.msgpack.encode(after)),
            )
        return True
