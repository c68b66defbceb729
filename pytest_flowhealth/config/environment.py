"""Configuration by environment variables: FLOWHEALTH_SECTION_KEY."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from pytest_flowhealth.config.decode import Decoder, Values
from pytest_flowhealth.config.fields import (
    PREFIX,
    Structure,
    alternatives,
    container,
    known_fields,
    notation_of,
)
from pytest_flowhealth.config.limits import parse_threshold_option
from pytest_flowhealth.config.model import Configuration, Limits
from pytest_flowhealth.config.problems import shorten, suggest
from pytest_flowhealth.errors import UsageError

THRESHOLDS = f"{PREFIX}THRESHOLDS"
WEB_PASSWORD, WEB_TOKEN = f"{PREFIX}WEB_PASSWORD", f"{PREFIX}WEB_TOKEN"
SUBMIT, REPORT_TOKEN = f"{PREFIX}SUBMIT", f"{PREFIX}REPORT_TOKEN"
FEEDBACK_KEY, GITHUB_TOKEN = f"{PREFIX}FEEDBACK_KEY", f"{PREFIX}GITHUB_TOKEN"
OTHERS = frozenset(
    {
        *(THRESHOLDS, f"{PREFIX}ROUND", f"{PREFIX}MONITORED", WEB_PASSWORD, WEB_TOKEN),
        *(SUBMIT, REPORT_TOKEN, FEEDBACK_KEY, GITHUB_TOKEN),
    }
)
"""Variables of this program that are not keys of the configuration."""

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read_environment(
    environ: Mapping[str, str], root: Structure = Configuration
) -> tuple[Values, list[str]]:
    """Return what the environment sets, and the problems that were found."""
    ours = {
        name: text
        for name, text in environ.items()
        if name.startswith(PREFIX) and name not in OTHERS and text.strip()
    }
    fields = {field.variable: field for field in known_fields(root).values() if field.variable}
    values: Values = {}
    problems: list[str] = []
    for name, text in ours.items():
        if name not in fields:
            known = suggest(name, [*fields])
            problems.append(f"environment: unknown variable {shorten(name)}; {known}")
            continue
        decoder = Decoder(f"environment {name}", root)
        decoder.set(fields[name].key, _parse_text(fields[name].type, text), strict=False)
        values |= decoder.values
        problems += decoder.problems
    return values, problems


def read_thresholds(environ: Mapping[str, str]) -> tuple[dict[str, Limits], list[str]]:
    """Return the limits in FLOWHEALTH_THRESHOLDS, and the problems that were found."""
    thresholds = {}
    problems = []
    for text in environ.get(THRESHOLDS, "").split(","):
        if not text.strip():
            continue
        try:
            name, limits = parse_threshold_option(text)
            thresholds[name] = limits
        except UsageError as error:
            problems.append(f"environment {THRESHOLDS}: {error}")
    return thresholds, problems


def _parse_text(kind: Any, text: str) -> Any:
    """Return a variable's text as the type of its key has it: a list, a table, a boolean, a text.

    A number stays a text, without the underscores of TOML; so does a text that is invalid.
    """
    if notation_of(kind) is not None:
        return text
    kinds = {container(each) for each in alternatives(kind)}
    if kinds & {tuple, list, dict}:
        return _split(text.strip(), table=dict in kinds)
    if str in kinds:
        return text
    if bool in kinds:
        return _TRUTH.get(text.strip().lower(), text)
    return text.strip().replace("_", "") if kinds & {int, float} else text


def _split(text: str, *, table: bool) -> Any:
    """Return a list or a table, from JSON or separated by commas."""
    if text.startswith("{" if table else "["):
        # ValueError: a surrogate.
        with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):
            return msgspec.json.decode(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not table:
        return parts
    pairs = [part.partition("=") for part in parts]
    if not all(equals and name.strip() for name, equals, _ in pairs):
        return text
    return {name.strip(): value.strip() for name, _, value in pairs}
