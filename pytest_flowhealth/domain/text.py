"""Text that is safe to show: no control characters, no workflow commands, no secrets.

What a target's files contain reaches people through terminals and CI logs,
which act on some of it: ANSI sequences, carriage returns, bidirectional
overrides, and lines such as ``::error::`` (GitHub) or ``##vso[`` (Azure).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

LIMIT = 2_000
"""Maximum length of a message, in characters; the rest is counted, not shown."""

HIDDEN = "***"
"""The replacement of a secret."""

_COMMANDS = re.compile(r"(?m)^(\s*):(?=:)|#(?=#(?:\[|vso\[|teamcity\[))")
_GAP = "\u200b"
_ACTS = re.compile(
    r"(?<=[@#])(?=\w)|(?<=!)(?=\d)|(?<=(?<![^\W_])GH)(?=-\d)|(?<=www)(?=\.)", re.IGNORECASE
)
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# The scheme has an upper bound: without one, a megabyte of letters takes minutes.
_USERINFO = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30}://)(?P<user>[^\s/?#@:]*):(?P<secret>[^\s/]*?)@(?=[^\s@]*(?:[\s/'\"]|$))"
)
_ASSIGNED = re.compile(
    r"(\b\w*(?:password|passwd|secret|token|api_?key)=)[^\s,;&'\"]+", re.IGNORECASE
)
_SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase)?|secret|token|api_?key|private_?key|credential|_auth\b|auth_",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 4


def printable(text: str, limit: int = LIMIT) -> str:
    r"""Escape what a terminal or a CI log would interpret as ``\xNN``.

    Newlines stay; a tab becomes a space. More than `limit` characters are cut.
    """
    if len(text) > limit:
        text = f"{text[:limit]} ... ({len(text) - limit:,} more characters)"
    if text.isascii() and text.isprintable() and not _may_command(text):
        return text
    escaped = "".join(_make_visible(character) for character in text.replace("\r\n", "\n"))
    return _COMMANDS.sub(_escape_command, escaped)


def _may_command(line: str) -> bool:
    """Tell whether `_COMMANDS` can match: looking for it in every text of a report takes long."""
    return "##" in line or line.lstrip().startswith("::")


def one_line(text: str, limit: int = LIMIT) -> str:
    """Return `printable` text with its lines joined by spaces."""
    return " ".join(printable(text, limit).split())


def escape_mentions(text: str) -> str:
    """Break mentions, references and addresses for GitHub and GitLab with a zero-width space.

    A backslash would not: they are recognised in the rendered text.
    """
    return _ACTS.sub(_GAP, text)


def format_number(value: float) -> str:
    """Return a number for people: four significant digits, and 1,234 for thousands."""
    if abs(value) >= 1_000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


class Redactor:
    """Replaces known secrets, and the password of any URL, by ``***``.

    Args:
        secrets: Texts that must never be shown. Those shorter than four
            characters are hidden in URLs only, since they occur in ordinary words.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {form for secret in secrets for form in _list_spellings(secret)}
        longest_first = sorted(
            (text for text in known if len(text) >= _SHORTEST_SECRET),
            key=len,
            reverse=True,
        )
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Return `text` without the secrets."""
        if "://" in text:
            text = _USERINFO.sub(lambda match: f"{match['scheme']}{match['user']}:{HIDDEN}@", text)
        if "=" in text:
            text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
        return self._known.sub(HIDDEN, text) if self._known else text


def find_secrets(environ: Mapping[str, str]) -> set[str]:
    """Return the values of the variables that are named like secrets, and URLs' passwords."""
    named = {value for name, value in environ.items() if _SECRET_NAME.search(name)}
    in_urls = {match["secret"] for value in environ.values() for match in _USERINFO.finditer(value)}
    return {value for value in named | in_urls if value}


def find_password(url: str) -> str | None:
    """Return the password, as written, in a URL's user part."""
    match = _USERINFO.search(url)
    return match["secret"] if match else None


def _list_spellings(secret: str) -> set[str]:
    return {
        secret,
        unquote(secret),
        quote(secret, safe=""),
        quote(unquote(secret), safe=""),
    }


def _make_visible(character: str) -> str:
    if character == "\n" or (character.isascii() and character.isprintable()):
        return character
    if character == "\t":
        return " "
    if unicodedata.category(character) in _UNSAFE:
        code = ord(character)
        return (
            f"\\x{code:02x}"
            if code < 0x100
            else f"\\u{code:04x}"
            if code < 0x10000
            else f"\\U{code:08x}"
        )
    return character


def _escape_command(match: re.Match[str]) -> str:
    return f"{match[1]}\\x3a" if match[1] is not None else "\\x23"


def make_file_name(text: str) -> str:
    """Return a text as a part of a file's name: letters, digits, dots and hyphens only."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "unnamed"
