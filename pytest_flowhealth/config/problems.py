"""Quote what a user wrote, suggest the nearest name, and join problems into one usage error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from pytest_flowhealth.domain.text import HIDDEN, Redactor, one_line
from pytest_flowhealth.errors import UsageError

PROBLEMS = 50
"""Problems that are listed; the others are counted."""

_LONGEST_VALUE = 200
_LONGEST_LINE = 4_000

_redact = Redactor()


def usage_error(message: str, problems: Iterable[str] = ()) -> UsageError:
    """Return the error, without control characters and passwords of URLs."""
    lines = [_make_safe(line) for line in problems]
    if len(lines) > PROBLEMS:
        lines = [*lines[:PROBLEMS], f"and {len(lines) - PROBLEMS:,} more"]
    return UsageError(_make_safe(message), problems=lines)


def quote(text: str) -> str:
    """Return `shorten` in quotes."""
    return repr(shorten(text))


def quote_key(name: str) -> str:
    """Return a key as TOML writes it: quoted, unless it is a bare key."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quote(name)


def shorten(text: str) -> str:
    """Return a text of at most 200 characters; what is between a colon and an @ may be a password."""
    colon, at = text.find(":"), text.rfind("@")
    if 0 <= colon < at:
        text = f"{text[: colon + 1]}{HIDDEN}{text[at:]}"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def suggest(name: str, known: Sequence[str]) -> str:
    """Return the known name that is nearest to a misspelled one, or the known names."""
    close = get_close_matches(name[:_LONGEST_VALUE], known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return f"known are {', '.join(known[:20])}{more}"


def _make_safe(line: str) -> str:
    return one_line(_redact(line[:_LONGEST_LINE]))
