"""Whether a text is JSON, JSON with comments, JSON5, YAML or TOML, and where it is not.

Each function takes a file's text and raises `SyntaxProblem`. No value is built that the file could
blow up (YAML's aliases), and no message quotes a value, which may be a secret.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pytest_flowhealth.config.load import parse_toml as load_toml
from pytest_flowhealth.errors import MeasurementUnavailable

TOO_LARGE = "it is too large to be read in a bounded time"

MAX_TOML = 2**18
"""Characters of TOML that are read."""

MAX_DOTS = 500
"""Dots in a line of TOML that is read."""

MAX_YAML = 2**20
"""Characters of YAML that are read: where PyYAML has no C library, 10 seconds' worth."""

DEPTH = 500
"""Brackets in one another that are read; no configuration comes near, an attack does."""

# A string, kept as it is; or a comment.
_COMMENT = re.compile(r'"(?:[^"\\\r\n]|\\.)*+"|(//[^\r\n]*+|/\*(?s:.*?)\*/)|/\*(?s:.*)')
# A string, or a comma that follows no value, kept; or a comma before a closing bracket.
_TRAILING_COMMA = re.compile(r'"(?:[^"\\\r\n]|\\.)*+"|[{\[,]\s*+,|(,)(?=\s*+[}\]])')


class SyntaxProblem(ValueError):
    """What is wrong in a text, and where; lines and columns begin at 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")


def parse_json(text: str) -> None:
    """Read JSON as `JSON.parse` does."""
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        found = SyntaxProblem(error.msg, error.lineno, error.colno)
    except RecursionError:
        found = SyntaxProblem("too many brackets in one another", 1, 1)
    except _Constant as error:
        where = re.search(rf"(?<![\w\"]){re.escape(str(error))}(?![\w\"])", text)
        found = _problem_at(text, where.start() if where else 0, f"{error} is no value in JSON")
    else:
        return
    raise found


def parse_commented_json(text: str) -> None:
    """Read JSON whose comments are removed first, as the npm package strip-json-comments does."""
    parse_json(_COMMENT.sub(_blank, text))


def parse_jsonc(text: str) -> None:
    """Read JSON with comments and trailing commas."""
    # No library that Python has tells this from JSON5, and where a fault is.
    parse_json(_TRAILING_COMMA.sub(_blank, _COMMENT.sub(_blank, text)))


def parse_json5(text: str) -> None:
    """Read JSON5 (spec.json5.org)."""
    import pyjson5

    try:
        pyjson5.decode(text, DEPTH)
    except pyjson5.Json5DecoderException as error:
        message = str(error.args[0])
        place = re.search(r"near (\d+)", message)
        kind = {"Json5EOF": "the text ends too early", "Json5ExtraData": "text after the end"}
        reason = kind.get(type(error).__name__, "a character that JSON5 does not allow here")
        if isinstance(error, pyjson5.Json5NestingTooDeep):
            reason = "too many brackets in one another"
        found = _problem_at(text, max(int(place[1]) - 1, 0) if place else 0, reason)
    else:
        return
    raise found


class _Constant(Exception):
    """NaN or Infinity, which Python's parser takes."""


def _refuse(name: str) -> None:
    raise _Constant(name)


def _blank(match: re.Match[str]) -> str:
    """Replace what a pattern's group holds by spaces, so that lines and columns stay."""
    return match[0] if match[1] is None else re.sub(r"[^\r\n]", " ", match[0])


def _problem_at(text: str, position: int, message: str) -> SyntaxProblem:
    line_start = text.rfind("\n", 0, position) + 1
    return SyntaxProblem(message, text.count("\n", 0, position) + 1, position - line_start + 1)


def parse_toml(text: str) -> None:
    """Read TOML 1.0.

    Raises:
        MeasurementUnavailable: It is too large.
    """
    # The time that tomllib takes grows with the square of the parts of a key.
    if len(text) > MAX_TOML or any(line.count(".") > MAX_DOTS for line in text.split("\n")):
        raise MeasurementUnavailable(TOO_LARGE)
    try:
        load_toml(text)
    except ValueError as error:
        message, _, place = str(error).partition(" (at ")
        where = re.match(r"line (\d+), column (\d+)", place)
        end = text.count("\n") + 1 if place else 1
        line, column = (int(where[1]), int(where[2])) if where else (end, 1)
        raise SyntaxProblem(message, line, column) from None


def parse_yaml(text: str) -> None:
    """Read every document of a YAML stream, as events: aliases are looked up, not followed.

    Raises:
        MeasurementUnavailable: PyYAML is not installed, or the text too large.
    """
    if len(text) > MAX_YAML:
        raise MeasurementUnavailable(TOO_LARGE)
    try:
        import yaml
    except ImportError:
        raise MeasurementUnavailable(
            "reading YAML needs PyYAML", remedy="pip install 'pytest-flowhealth[yaml]'"
        ) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    anchors: set[str] = set()
    depth = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            _look_at_event(event, anchors, depth)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise SyntaxProblem(error.problem or "not YAML", line, column) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise SyntaxProblem("a character that YAML does not allow", line, 1) from None


def _look_at_event(event: Any, anchors: set[str], depth: int) -> None:
    import yaml

    line, column = event.start_mark.line + 1, event.start_mark.column + 1
    if isinstance(event, yaml.DocumentStartEvent):
        anchors.clear()
    if isinstance(event, yaml.AliasEvent) and event.anchor not in anchors:
        raise SyntaxProblem("an alias of an anchor that is not there", line, column)
    if isinstance(event, (yaml.CollectionStartEvent, yaml.ScalarEvent)) and event.anchor:
        anchors.add(event.anchor)
    if depth > DEPTH:
        raise SyntaxProblem("too many collections in one another", line, column)


def parse_rc(text: str) -> None:
    """Read a file such as .eslintrc or .prettierrc: YAML, of which their readers take JSON for a part.

    JSON with comments is no YAML to PyYAML, though it is to js-yaml.
    """
    try:
        parse_json5(text)
    except SyntaxProblem:
        parse_yaml(text)
