"""Values from records that anyone may have written: taken where they can be meant, else told."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from pytest_flowhealth.domain.text import one_line

MOST_TOLD = 10
"""Problems that are told one by one."""

LONGEST = 200
"""Characters of a text that are kept."""

LARGEST = 1e15
"""The largest number that is believed: exact in JSON, and more than any fleet counts."""

_NUMBER = re.compile(r"[+-]?\d{1,16}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,2})?\Z", re.ASCII)
_EARLIEST = 946_684_800.0  # the year 2000
_AHEAD = 86_400.0


class ProblemNotes:
    """What could not be used; the first ones by name, the others counted."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._more = 0

    def add(self, text: str) -> None:
        """Note one problem."""
        if len(self._told) < MOST_TOLD:
            self._told.append(one_line(text, 300))
        else:
            self._more += 1

    def list_problems(self) -> tuple[str, ...]:
        """Return the problems, and how many more there are."""
        more = (f"and {self._more:,} more",) if self._more else ()
        return (*self._told, *more)


class RecordParser:
    """Takes values out of records; what is of the wrong kind is None, and noted.

    Args:
        now: Seconds since 1970; moments far after it are no moments.
        notes: Where problems go.
    """

    def __init__(self, now: float, notes: ProblemNotes) -> None:
        self.now = now
        self.notes = notes

    def document(self, text: bytes | str, where: str) -> Any:
        """Return the value that JSON holds, None for what is no JSON."""
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeError, ValueError) as error:
            self.notes.add(f"{where} is no JSON: {error}")
            return None

    def table(self, text: bytes | str, where: str) -> Mapping[str, Any] | None:
        """Return the object that JSON holds, None for anything else."""
        found = self.document(text, where)
        if isinstance(found, dict):
            return found
        if found is not None or text.strip() in (b"null", "null"):
            self.notes.add(f"{where} is no JSON object")
        return None

    def number(self, value: object, where: str) -> float | None:
        """Return a number from 0 to `LARGEST`, given as such or as text."""
        if value is None or value == "":
            return None
        number = _number(value)
        if number is None or not 0 <= number <= LARGEST:
            self.notes.add(f"{where} is no usable number: {_shown(value)}")
            return None
        return number

    def count(self, value: object, where: str) -> int | None:
        """Return a whole number from 0."""
        number = self.number(value, where)
        if number is None or number.is_integer():
            return None if number is None else int(number)
        self.notes.add(f"{where} is no whole number: {_shown(value)}")
        return None

    def share(self, value: object, where: str) -> float | None:
        """Return a number from 0 to 1."""
        number = self.number(value, where)
        if number is None or number <= 1:
            return number
        self.notes.add(f"{where} is not from 0 to 1: {_shown(value)}")
        return None

    def text(self, value: object, where: str) -> str | None:
        """Return a printable line, at most `LONGEST` characters of it."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.notes.add(f"{where} is no text: {_shown(value)}")
            return None
        return one_line(value, LONGEST)

    def state(self, value: object, where: str) -> str | None:
        """Return a state in lower case, words joined by ``_``."""
        text = self.text(value, where)
        return None if text is None else text.lower().replace("-", "_").replace(" ", "_")

    def moment(self, value: object, where: str) -> float | None:
        """Return seconds since 1970, given in s or ms, or as ISO 8601."""
        if value in (None, "", 0):
            return None
        seconds = _number(value)
        if seconds is None:
            seconds = _iso(value)
        elif seconds > 1e11:
            seconds /= 1_000.0
        if seconds is None or not _EARLIEST <= seconds <= self.now + _AHEAD:
            self.notes.add(f"{where} is no moment up to now: {_shown(value)}")
            return None
        return seconds


def decode_text(value: object) -> str:
    """Return what Redis gave as a text."""
    if isinstance(value, bytes):
        return value[:10_000].decode("utf-8", "replace")
    return "" if value is None else str(value)[:10_000]


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = float(value) if _NUMBER.match(value.strip()) else None
    if not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _iso(value: object) -> float | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _shown(value: object) -> str:
    return one_line(repr(value)[:60], 60)
