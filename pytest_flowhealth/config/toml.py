"""TOML 1.0 from files that may be hostile: read in a bounded time, or not at all."""

from __future__ import annotations

import re
import tomllib
from typing import Any

LARGEST = 2**18
"""Characters of TOML that are read."""

DOTS = 500
"""Dots that a line of TOML may have."""

STEPS = 4_000_000
"""Steps that its keys may take tomllib, a second's worth."""

TOO_LARGE = "it is too large to be read in a bounded time"


class TooLarge(ValueError):
    """It is of a size, or has keys, that tomllib takes many seconds for."""


class NotToml(ValueError):
    """What is wrong in a text, and where: `line` and `column` begin at 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


def read_toml(text: str) -> dict[str, Any]:
    """Return what a TOML text says.

    Raises:
        TooLarge: It would take too long.
        NotToml: It is not TOML, or nested too deep, or has a number that is too long.
    """
    if len(text) > LARGEST or not _is_quick(text):
        raise TooLarge(TOO_LARGE)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise NotToml("too many brackets in one another", 1, 1) from None
    except tomllib.TOMLDecodeError as error:
        raise _placed(str(error), text) from None
    except ValueError:
        # Python's own limit of digits, which tomllib lets through.
        raise NotToml("a number has too many digits", 1, 1) from None


def _is_quick(text: str) -> bool:
    """Tell whether the keys are short enough.

    tomllib goes, for each part of a key, through all the parts before it, those
    of the table's header included. No key goes over a line's end.
    """
    deepest = steps = 0
    for line in text.split("\n"):
        dots = line.count(".")
        if line.lstrip().startswith("["):
            deepest = max(deepest, dots)
        steps += (dots + 1) * (dots + deepest)
        if dots > DOTS or steps > STEPS:
            return False
    return True


def _placed(said: str, text: str) -> NotToml:
    message, _, place = said.partition(" (at ")
    where = re.match(r"line (\d+), column (\d+)", place)
    if where:
        return NotToml(message, int(where[1]), int(where[2]))
    return NotToml(message, text.count("\n") + 1, 1)
