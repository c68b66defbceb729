"""Configuration by environment variables: FLOWHEALTH_SECTION_KEY."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from pytest_flowhealth.config.decode import Decoder, Value, Values, hint
from pytest_flowhealth.config.fields import (
    PREFIX,
    Structure,
    alternatives,
    container,
    known_fields,
)
from pytest_flowhealth.config.model import Configuration, Limits
from pytest_flowhealth.errors import UsageError

THRESHOLDS = f"{PREFIX}THRESHOLDS"
REDIS_URL = "REDIS_URL"
OTHERS = frozenset({THRESHOLDS})
"""Variables of ours that are no key of the configuration."""

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_OPTION = re.compile(r"\s*(?P<name>[^=\s]+)\s*=(?P<warn>[^:]*):(?P<fail>[^:]*)\Z")
_LIMIT = re.compile(r"\s*(?P<number>[-+]?[\d_]*\.?[\d_]+(?:[eE][-+]?\d+)?)\s*(?P<unit>\S*)\s*\Z")


def read_environment(
    environ: Mapping[str, str], root: Structure = Configuration
) -> tuple[Values, list[str]]:
    """Return what the environment sets, and what is wrong with it."""
    fields = {one.variable: one for one in known_fields(root).values() if one.variable}
    values: Values = {}
    problems = []
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in OTHERS or not text.strip():
            continue
        if name not in fields:
            problems.append(f"environment: unknown variable {name}; {hint(name, [*fields])}")
            continue
        decoder = Decoder(f"environment {name}", root)
        decoder.set(fields[name].key, _raw(fields[name].type, text), strict=False)
        values |= decoder.values
        problems += decoder.problems
    return values, problems


def read_redis_url(environ: Mapping[str, str]) -> tuple[Values, list[str]]:
    """Return what REDIS_URL sets: the last resort, where nothing else names an address."""
    url = environ.get(REDIS_URL, "").strip()
    if not url:
        return {}, []
    decoder = Decoder(f"environment {REDIS_URL}")
    decoder.set("redis.url", url)
    return decoder.values, decoder.problems


def read_thresholds(environ: Mapping[str, str]) -> tuple[dict[str, Limits], list[str]]:
    """Return the limits in FLOWHEALTH_THRESHOLDS, and what is wrong with it."""
    found = {}
    problems = []
    for text in environ.get(THRESHOLDS, "").split(","):
        if not text.strip():
            continue
        try:
            name, limits = parse_threshold_option(text)
            found[name] = limits
        except UsageError as error:
            problems.append(f"environment {THRESHOLDS}: {error}")
    return found, problems


def parse_threshold_option(text: str) -> tuple[str, Limits]:
    """Return the name and the limits in ``NAME=WARN:FAIL``; either may be empty, or carry a unit.

    Raises:
        UsageError: It can't be meant; the message says why.
    """
    match = _OPTION.match(text)
    if match is None:
        raise UsageError(f"{text!r} is not NAME=WARN:FAIL, as in redis.connect.p95=5:50")
    warn, warn_unit = _limit(text, match["warn"])
    fail, fail_unit = _limit(text, match["fail"])
    units = {one for one in (warn_unit, fail_unit) if one}
    if len(units) > 1:
        raise UsageError(f"{text!r}: give both limits in one unit")
    decoder = Decoder("")
    raw: dict[str, Any] = {"warn": warn, "fail": fail, "unit": next(iter(units), None)}
    decoder.limits(match["name"], raw)
    if decoder.problems:
        raise UsageError(f"{text!r}: {decoder.problems[0].rpartition(': ')[2]}")
    value: Value = decoder.values[f"thresholds.{match['name']}"]
    return match["name"], value.value


def _limit(text: str, part: str) -> tuple[float | None, str]:
    if not part.strip():
        return None, ""
    match = _LIMIT.match(part)
    if match is None:
        raise UsageError(f"{text!r}: {part.strip()!r} is no number")
    return float(match["number"]), match["unit"]


def _raw(kind: Any, text: str) -> Any:
    """Return a variable's text as its key's type wants it: a list, a table, a truth value, a text.

    A number stays a text, without TOML's underscores; so does what can't be meant.
    """
    kinds = {container(one) for one in alternatives(kind)}
    if kinds & {tuple, list, dict}:
        return _parts(text.strip(), table=dict in kinds)
    if str in kinds:
        return text
    if bool in kinds:
        return _TRUTH.get(text.strip().lower(), text)
    return text.strip().replace("_", "") if kinds & {int, float} else text


def _parts(text: str, *, table: bool) -> Any:
    """Return the parts of a list or a table: JSON, else separated by commas."""
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
