"""What we know of our issues, in the history's file: the intention before, the number after."""

from __future__ import annotations

import sqlite3
from typing import Literal

import msgspec

from pytest_flowhealth.history.database import transaction


class Note(msgspec.Struct, frozen=True):
    """One kind's issue in one repository; times in seconds since 1970.

    Attributes:
        state: ``creating``: it is about to be made, or was, nobody knows; ``open``: it is there,
            whether open or closed; ``gone``: somebody deleted or moved it, and that stands.
        claim: By which word of ours the right to make it is claimed at GitHub.
        posted: When the last attempt began that may have made it; None where none has.
        refused: When GitHub did not take it, and `refusals` how often.
        number: The issue's.
        url: Its page.
        opened: When we made it; None where it was found.
        told: The count that it, or the last comment, tells.
        commented: When it was told something last.
        versions: Those that it was told of.
    """

    state: Literal["creating", "open", "gone"]
    claim: str = ""
    posted: float | None = None
    refused: float | None = None
    refusals: int = 0
    number: int | None = None
    url: str = ""
    opened: float | None = None
    told: int = 0
    commented: float = 0.0
    versions: tuple[str, ...] = ()


class Notes:
    """The notes on one repository.

    Args:
        connection: The history's file.
        base: The repository's address in the API.
    """

    def __init__(self, connection: sqlite3.Connection, base: str) -> None:
        self._file = connection
        self._repository = base.lower()

    def load(self, fingerprint: str) -> Note | None:
        """Return a kind's note, None where there is none."""
        row = self._file.execute(
            "SELECT data FROM github_issues WHERE repository = ? AND fingerprint = ?",
            (self._repository, fingerprint),
        ).fetchone()
        return None if row is None else msgspec.msgpack.decode(row[0], type=Note)

    def save(self, fingerprint: str, note: Note) -> None:
        """Keep a note, on the disk before this returns.

        Raises:
            sqlite3.Error: It can't be kept.
        """
        self._file.execute("PRAGMA synchronous = FULL")  # after a power cut it must be known, too
        with transaction(self._file):
            self._file.execute(
                "INSERT OR REPLACE INTO github_issues VALUES (?, ?, ?)",
                (self._repository, fingerprint, msgspec.msgpack.encode(note)),
            )

    def opened_since(self, moment: float) -> int:
        """Return how many we made since then."""
        rows = self._file.execute(
            "SELECT data FROM github_issues WHERE repository = ?", (self._repository,)
        )
        notes = [msgspec.msgpack.decode(row[0], type=Note) for row in rows]
        return sum(1 for one in notes if max(one.opened or 0.0, one.posted or 0.0) >= moment)
