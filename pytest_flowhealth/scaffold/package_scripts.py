"""Add scripts to the text of a package.json without changing anything else.

One piece of text is inserted at one place; everything before and after it stays, byte by byte.
Its spacing is that of its neighbours.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from pytest_flowhealth.errors import UsageError

_SPACE = re.compile(r"[ \t\r\n]*")
_NEWLINE = re.compile(r"\r\n|\n|\r")
_SCRIPTS = "scripts"


class AddedScripts(msgspec.Struct, frozen=True):
    """The result of `add_scripts`.

    Attributes:
        text: The whole text; unchanged if no script was missing.
        names: The scripts that were added.
        conflicts: Existing scripts of the same name with another command.
    """

    text: str
    names: tuple[str, ...] = ()
    conflicts: dict[str, str] = {}


class _Member(NamedTuple):
    key: str
    start: int
    key_end: int
    value_start: int
    end: int


class _Object(NamedTuple):
    """The position of an object: `start` is its brace, `end` is after the closing brace."""

    start: int
    end: int
    members: list[_Member]


def add_scripts(text: str, scripts: Mapping[str, str]) -> AddedScripts:
    """Return `text`, a package.json, with those of `scripts` that it does not have.

    Raises:
        UsageError: It is no JSON object, or its scripts are no object of strings.
    """
    existing = _scripts_in(text)
    missing = {name: command for name, command in scripts.items() if name not in existing}
    conflicts = {
        name: existing[name]
        for name in scripts
        if name in existing and existing[name] != scripts[name]
    }
    if not missing:
        return AddedScripts(text, conflicts=conflicts)
    top = _object(text, _skip_space(text, 0))
    # Of members with the same name, JSON.parse takes the last.
    found = next((member for member in reversed(top.members) if member.key == _SCRIPTS), None)
    style = _Style.of(text, top)
    if found is None:
        at, piece = style.member(top, _SCRIPTS, style.inner(missing))
    else:
        at, piece = style.members(_object(text, found.value_start), missing, depth=2)
    return AddedScripts(text[:at] + piece + text[at:], tuple(missing), conflicts)


def _scripts_in(text: str) -> dict[str, str]:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"package.json is no JSON that can be read: {error}") from None
    if not isinstance(raw, dict):
        raise UsageError("package.json is no JSON object")
    scripts = raw.get(_SCRIPTS, {})
    if not isinstance(scripts, dict) or not all(
        isinstance(command, str) for command in scripts.values()
    ):
        raise UsageError("package.json: 'scripts' must be an object of strings")
    return scripts


def _skip_space(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too


def _object(text: str, start: int) -> _Object:
    """Return the object that begins at `start`; the text is known to be JSON."""
    members: list[_Member] = []
    decoder = json.JSONDecoder()
    at = _skip_space(text, start + 1)
    while text[at] != "}":
        begin = _skip_space(text, at + 1) if text[at] == "," else at
        key, key_end = decoder.raw_decode(text, begin)
        value_start = _skip_space(text, _skip_space(text, key_end) + 1)
        end = decoder.raw_decode(text, value_start)[1]
        members.append(_Member(key, begin, key_end, value_start, end))
        at = _skip_space(text, end)
    return _Object(start, at + 1, members)


class _Style(NamedTuple):
    """The spacing of a text; `newline` is empty if it has one line."""

    text: str
    newline: str
    unit: str
    colon: str

    @classmethod
    def of(cls, text: str, top: _Object) -> _Style:
        """Return the style of `text`, whose outermost object is `top`."""
        first = top.members[0] if top.members else None
        within = text[top.start : top.end]
        found = _NEWLINE.search(within)
        newline = found[0] if found else ""
        colon = text[first.key_end : first.value_start] if first else ": "
        return cls(text, newline, _indentation(text, top, first), colon)

    def inner(self, scripts: Mapping[str, str]) -> str:
        """Return an object of `scripts` one level below the outermost object."""
        if not self.newline:
            return "{" + self._join(scripts, self._comma()) + "}"
        before = self.newline + 2 * self.unit
        return "{" + before + self._join(scripts, "," + before) + self.newline + self.unit + "}"

    def member(self, where: _Object, name: str, value: str) -> tuple[int, str]:
        """Return the place for another member of `where`, and its text."""
        return self._place(where, f"{json.dumps(name)}{self.colon}{value}", depth=1)

    def members(self, where: _Object, scripts: Mapping[str, str], depth: int) -> tuple[int, str]:
        """Return the place for more members of `where`, and their text."""
        gap = self._gap(where, depth)
        colon = self._colon(where)
        return self._place(where, self._join(scripts, gap, colon), depth)

    def _place(self, where: _Object, piece: str, depth: int) -> tuple[int, str]:
        if where.members:
            return where.members[-1].end, self._gap(where, depth) + piece
        inside = self.text[where.start + 1 : where.end - 1]
        if not self.newline:
            return where.start + 1, piece
        before = self.newline + depth * self.unit
        after = "" if _NEWLINE.search(inside) else self.newline + (depth - 1) * self.unit
        return where.start + 1, before + piece + after

    def _join(self, scripts: Mapping[str, str], gap: str, colon: str | None = None) -> str:
        colon = self.colon if colon is None else colon
        pairs = scripts.items()
        return gap.join(
            f"{json.dumps(name)}{colon}{json.dumps(command)}" for name, command in pairs
        )

    def _gap(self, where: _Object, depth: int) -> str:
        """Return the separator of two members: the most frequent in this object, if it has any."""
        pairs = zip(where.members, where.members[1:], strict=False)
        gaps = Counter(self.text[before.end : after.start] for before, after in pairs)
        if gaps:
            return gaps.most_common(1)[0][0]
        if where.members:
            before = self.text[where.start + 1 : where.members[0].start]
            return f",{_last_line(before)}" if _NEWLINE.search(before) else self._comma()
        return f",{self.newline}{depth * self.unit}" if self.newline else self._comma()

    def _comma(self) -> str:
        return ", " if self.colon.endswith(" ") else ","

    def _colon(self, where: _Object) -> str:
        last = where.members[-1] if where.members else None
        return self.text[last.key_end : last.value_start] if last else self.colon


def _last_line(space: str) -> str:
    """Return the last newline in `space`, and what comes after it."""
    return space[[*_NEWLINE.finditer(space)][-1].start() :]


def _indentation(text: str, top: _Object, first: _Member | None) -> str:
    """Return the indentation of a level: that of the first member, or npm's two spaces."""
    before = text[top.start + 1 : first.start] if first else ""
    if not _NEWLINE.search(before):
        return "  "
    return _NEWLINE.sub("", _last_line(before)) or ""
