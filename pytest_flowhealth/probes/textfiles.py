"""Configuration files that need no Node: JSON, YAML, TOML, INI and environment files.

Each function takes a file's text and raises `SyntaxProblem` where it is not
what its name says. No value is built that the file could blow up (YAML's
aliases), and no message quotes a value, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pytest_flowhealth.config.toml import TOO_LARGE, NotToml, TooLarge, read_toml
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.jsonc import DEPTH, SyntaxProblem, check

MAX_YAML = 2**20
"""Characters of YAML that are read: where PyYAML has no C library, 10 seconds' worth."""

Parser = Callable[[str], None]


def parse_json(text: str) -> None:
    """Read JSON."""
    check(text, "json")


def parse_jsonc(text: str) -> None:
    """Read JSON with comments and trailing commas."""
    check(text, "jsonc")


def parse_json5(text: str) -> None:
    """Read JSON5."""
    check(text, "json5")


def parse_toml(text: str) -> None:
    """Read TOML 1.0.

    Raises:
        MeasurementUnavailable: It is of a size, or has keys, that Python's parser takes minutes for.
    """
    try:
        read_toml(text)
    except TooLarge as error:
        raise MeasurementUnavailable(str(error)) from None
    except NotToml as error:
        raise SyntaxProblem(error.message, error.line, error.column) from None


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
            "reading YAML needs PyYAML", remedy="pip install pytest-flowhealth[yaml]"
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
    """Read a file such as .eslintrc or .prettierrc: JSON with comments, else YAML."""
    parse = parse_jsonc if text.lstrip()[:1] in {"{", "[", "/"} else parse_yaml
    parse(text)


_ASSIGNMENT = re.compile(r"\s*+(?:export\s++)?[\w.-]++\s*+(?:=|:\s)\s*+(?P<quote>[\"'`]?)")


def parse_env(text: str) -> None:
    """Read KEY=VALUE lines, as the `dotenv` package does; a quoted value may have many lines."""
    quote, begun = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ASSIGNMENT.match(line)
        if match is None:
            raise SyntaxProblem("no KEY=VALUE", number, 1)
        if match["quote"] and match["quote"] not in line[match.end() :]:
            quote, begun = match["quote"], number
    if quote:
        raise SyntaxProblem(f"the quote {quote} is not closed", begun, 1)


def parse_ini(text: str) -> None:
    """Read [sections] and key=value lines, as npm's `ini` package does: a lone key is true."""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("[") and "]" not in stripped:
            raise SyntaxProblem("a section's name does not end", number, 1)
        if stripped.startswith("="):
            raise SyntaxProblem("a value without a key", number, 1)
