"""Configuration by environment variables: FLOWHEALTH_SECTION_KEY."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_flowhealth.config.decode import Decoder, Field, Value, Values, hint, known_fields
from pytest_flowhealth.config.model import Limits
from pytest_flowhealth.errors import UsageError

PREFIX = "FLOWHEALTH_"
THRESHOLDS = f"{PREFIX}THRESHOLDS"
REDIS_URL = "REDIS_URL"

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_OPTION = re.compile(r"\s*(?P<name>[^=\s]+)\s*=(?P<warn>[^:]*):(?P<fail>[^:]*)\Z")
_LIMIT = re.compile(r"\s*(?P<number>[-+]?[\d_]*\.?[\d_]+(?:[eE][-+]?\d+)?)\s*(?P<unit>\S*)\s*\Z")


def variable(key: str) -> str:
    """Return the variable of a dotted key: ``redis.url`` is FLOWHEALTH_REDIS_URL."""
    return PREFIX + key.replace(".", "_").upper()


def read_environment(environ: Mapping[str, str]) -> tuple[Values, list[str]]:
    """Return what the environment sets, and what is wrong with it."""
    fields = {variable(key): field for key, field in known_fields().items()}
    values: Values = {}
    problems = []
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name == THRESHOLDS or not text.strip():
            continue
        if name not in fields:
            problems.append(f"environment: unknown variable {name}; {hint(name, [*fields])}")
            continue
        decoder = Decoder(f"environment {name}")
        decoder.set(fields[name].key, _raw(fields[name], text))
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
        raise UsageError(f"{text!r} is not NAME=WARN:FAIL, as in redis.connect=5:50")
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


def _raw(field: Field, text: str) -> Any:
    """Return a variable's text as the field's type wants it: a list, a truth value, else a text."""
    if isinstance(field.default, bool):
        return _TRUTH.get(text.strip().lower(), text)
    if "tuple" in str(field.type):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
