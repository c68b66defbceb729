"""Messages on what can't be meant: safe to show, bounded, with the name that was perhaps meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

from pytest_flowhealth.domain.text import HIDDEN, Redactor, one_line
from pytest_flowhealth.errors import UsageError

HINTS = 20
"""Unknown names that are told with a hint; finding one takes up to a millisecond."""

PROBLEMS = 50
"""Problems that are told; the rest is counted."""

_LONGEST_VALUE = 200
_LONGEST_LINE = 4_000

_redact = Redactor()


def usage_error(message: str, problems: Iterable[str] = ()) -> UsageError:
    """Return the error with its lines made safe: no control characters, no URL's password."""
    lines = [_safe(one) for one in problems]
    if len(lines) > PROBLEMS:
        lines = [*lines[:PROBLEMS], f"and {len(lines) - PROBLEMS:,} more"]
    return UsageError(_safe(message), problems=lines)


def quoted(text: str) -> str:
    """Return what the user wrote in quotes, cut where it is long, without what may be a password."""
    return repr(shown(text))


def shown(text: str) -> str:
    """Return `quoted` without the quotes.

    An address may stand where none belongs: what lies between a colon and an @ is hidden.
    """
    colon, at = text.find(":"), text.rfind("@")
    if 0 <= colon < at:
        text = f"{text[: colon + 1]}{HIDDEN}{text[at:]}"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def requoted(message: str, value: object) -> str:
    """Return a message on `value` with the value in it `quoted`."""
    if not isinstance(value, str) or not value:
        return message
    return message.replace(repr(value), quoted(value)).replace(f"'{value}'", quoted(value))


def hint(name: str, known: Sequence[str]) -> str:
    """Return which of `known` was perhaps meant by `name`, or what is known."""
    close = get_close_matches(name[:_LONGEST_VALUE], known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(known) - HINTS} more" if len(known) > HINTS else ""
    return f"known are {', '.join(known[:HINTS])}{more}"


def unknowns(names: Sequence[str], known: Sequence[str], say: Callable[[str], str]) -> list[str]:
    """Return a line for each unknown name: what `say` makes of it, and the hint; of many, the first."""
    told = [f"{say(name)}; {hint(name, known)}" for name in names[:HINTS]]
    if len(names) > HINTS:
        told.append(f"{say(names[HINTS])}; and {len(names) - HINTS - 1:,} more unknown ones")
    return told


def _safe(line: str) -> str:
    return one_line(_redact(line[:_LONGEST_LINE]))
