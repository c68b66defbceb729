"""Whether a text is JSON, JSON with comments, or JSON5, and where it is not.

JSON: https://www.rfc-editor.org/rfc/rfc8259. JSON with comments, as
TypeScript, SWC and ESLint read it: besides ``//`` and ``/* */``, a comma before
a closing bracket. JSON5, as Babel reads it: https://spec.json5.org.

The latter two are recognised here token by token, without a value being
built and without recursion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

DEPTH = 1_000
"""Brackets in one another that are read; no configuration comes near, an attack does."""

Dialect = Literal["json", "jsonc", "json5"]


class SyntaxProblem(ValueError):
    """What is wrong in a text, and where; lines and columns begin at 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


_COMMENTS = r"(?P<skip>[ \t\r\n]++|//[^\r\n]*+|/\*(?s:.)*?\*/)"
_STRING = r'(?P<string>"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+")'
_NUMBER = r"(?P<number>-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?(?![\w.]))"
_WORD = r"(?P<word>(?:true|false|null)\b)"
_SIGN = r"(?P<sign>[][{}:,])"

_JSON5_SKIP = r"(?P<skip>[\s\ufeff]++|//[^\r\n\u2028\u2029]*+|/\*(?s:.)*?\*/)"
_JSON5_STRING = (
    r'(?P<string>"[^"\\\r\n]*+(?:\\(?s:.)[^"\\\r\n]*+)*+"'
    r"|'[^'\\\r\n]*+(?:\\(?s:.)[^'\\\r\n]*+)*+')"
)
_JSON5_NUMBER = (
    r"(?P<number>[+-]?(?:0[xX][0-9a-fA-F]++|Infinity|NaN"
    r"|(?:(?:0|[1-9]\d*+)(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?)(?![\w.$]))"
)
_JSON5_NAME = r"(?P<name>(?:[^\W\d]|\$)[\w$]*+)"

_TOKENS = {
    "jsonc": re.compile("|".join((_COMMENTS, _STRING, _NUMBER, _WORD, _SIGN)), re.ASCII),
    "json5": re.compile(
        "|".join((_JSON5_SKIP, _JSON5_STRING, _JSON5_NUMBER, _WORD, _JSON5_NAME, _SIGN))
    ),
}

_CLOSERS = {"{": "}", "[": "]"}


def check(text: str, dialect: Dialect = "json") -> None:
    """Read `text` to its end.

    Raises:
        SyntaxProblem: It is not in that dialect.
    """
    if dialect == "json":
        _check_json(text)
        return
    grammar = _Grammar(dialect)
    for token in _tokens(text, dialect):
        problem = grammar.problem(token)
        if problem:
            raise _at(text, token.start, problem)


def _check_json(text: str) -> None:
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        found = SyntaxProblem(error.msg, error.lineno, error.colno)
    except RecursionError:
        found = SyntaxProblem("too many brackets in one another", 1, 1)
    except _Constant as error:
        where = re.search(rf"(?<![\w\"]){re.escape(str(error))}(?![\w\"])", text)
        found = _at(text, where.start() if where else 0, f"{error} is no value in JSON")
    else:
        return
    raise found


class _Constant(Exception):
    """NaN or Infinity, which Python's parser takes."""


def _refuse(name: str) -> None:
    raise _Constant(name)


def _tokens(text: str, dialect: Dialect) -> Iterator[_Token]:
    """Yield the tokens of `text`, then one of the kind "end"."""
    match_at = _TOKENS[dialect].match
    position = 0
    while position < len(text):
        match = match_at(text, position)
        if match is None:
            raise _at(text, position, _unreadable(text, position))
        if match.lastgroup != "skip":
            yield _Token(match.lastgroup or "", match[0], position)
        position = match.end()
    yield _Token("end", "", len(text))


def _unreadable(text: str, position: int) -> str:
    """Say what can't be read at `position`, without quoting more than a character."""
    if text[position] in "\"'":
        return "a string that does not end, or holds what a string may not"
    if text.startswith("/*", position):
        return "a comment that does not end"
    return f"unexpected {text[position]!r}"


class _Grammar:
    """What may come next; `problem` takes the tokens one by one."""

    def __init__(self, dialect: Dialect) -> None:
        self._names = dialect == "json5"
        self._open: list[str] = []
        self._wanted = "a value"
        self._may_close = False

    def problem(self, token: _Token) -> str | None:
        """Take a token; return what is wrong with it, if anything."""
        wanted = self._wanted
        if token.kind == "end":
            missing = self._open or self._wanted != "the end"
            return f"the text ends where {wanted} is expected" if missing else None
        if token.text in {"}", "]"} and token.kind == "sign":
            fits = self._open and _CLOSERS[self._open[-1]] == token.text
            taken = bool(fits and (self._may_close or wanted.startswith("a comma")))
            if taken:
                self._open.pop()
                self._after_value()
        else:
            taken = self._take(token)
        if len(self._open) > DEPTH:
            return f"more than {DEPTH} brackets in one another"
        # A string or a name may be a secret, so its text is not in the message.
        found = repr(token.text) if token.kind == "sign" else f"a {token.kind}"
        return None if taken else f"expected {wanted}, found {found}"

    def _take(self, token: _Token) -> bool:
        if self._wanted == "a value":
            return self._take_value(token)
        if self._wanted == "a key":
            self._wanted, self._may_close = "a colon", False
            return token.kind == "string" or (self._names and token.kind in {"name", "word"})
        if self._wanted == "a colon":
            self._wanted = "a value"
            return token.text == ":"
        if self._wanted.startswith("a comma") and token.text == ",":
            self._begin(self._open[-1])
            return True
        return False

    def _take_value(self, token: _Token) -> bool:
        if token.kind == "sign" and token.text in _CLOSERS:
            self._open.append(token.text)
            self._begin(token.text)
            return True
        self._after_value()
        return token.kind in {"string", "number", "word"}

    def _begin(self, bracket: str) -> None:
        self._wanted = "a key" if bracket == "{" else "a value"
        self._may_close = True

    def _after_value(self) -> None:
        self._may_close = False
        self._wanted = f"a comma or {_CLOSERS[self._open[-1]]!r}" if self._open else "the end"


def _at(text: str, position: int, message: str) -> SyntaxProblem:
    line_start = text.rfind("\n", 0, position) + 1
    return SyntaxProblem(message, text.count("\n", 0, position) + 1, position - line_start + 1)
