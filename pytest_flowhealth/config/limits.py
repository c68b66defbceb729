"""Other limits for a threshold, from a table or from ``NAME=WARN:FAIL``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import msgspec

from pytest_flowhealth.config.fields import names_of
from pytest_flowhealth.config.model import Limits
from pytest_flowhealth.config.wording import hint, quoted, usage_error
from pytest_flowhealth.domain.units import UNITS

_LONGEST = 500
_OPTION = re.compile(r"\s*(?P<name>[^=\s]+)\s*=(?P<warn>[^:]*):(?P<fail>[^:]*)\Z")
_LIMIT = re.compile(
    r"(?P<number>[-+]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>\S*)\Z",
    re.ASCII,
)


def limits_of(raw: object) -> Limits:
    """Return the limits in a table.

    Raises:
        ValueError, msgspec.ValidationError: They can't be meant.
    """
    known = names_of(Limits)
    if not isinstance(raw, Mapping):
        raise ValueError("must be a table such as { warn = 5, fail = 50 }")  # noqa: TRY004  # one family
    unknown = next((key for key in raw if key not in known), None)
    if unknown is not None:
        raise ValueError(f"unknown key {quoted(unknown)}; {hint(unknown, known)}")
    limits = msgspec.convert(raw, Limits, strict=True)
    if limits.warn is None and limits.fail is None:
        raise ValueError("has neither warn nor fail")
    if not all(math.isfinite(one) for one in (limits.warn, limits.fail) if one is not None):
        raise ValueError("limits must be finite numbers")
    if limits.unit is not None and limits.unit not in UNITS:
        raise ValueError(f"unknown unit {quoted(limits.unit)}; known are {' '.join(UNITS)}")
    return limits


def parse_threshold_option(text: str) -> tuple[str, Limits]:
    """Return the name and the limits in ``NAME=WARN:FAIL``; either may be empty, or carry a unit.

    Raises:
        UsageError: It can't be meant; the message says why.
    """
    match = _OPTION.match(text) if len(text) <= _LONGEST else None
    if match is None:
        raise usage_error(f"{quoted(text)} is not NAME=WARN:FAIL, as in redis.connect.p95=5:50")
    warn, warn_unit = _limit(text, "warn", match)
    fail, fail_unit = _limit(text, "fail", match)
    if warn_unit and fail_unit and warn_unit != fail_unit:
        raise usage_error(f"{quoted(text)}: give both limits in one unit")
    try:
        limits = limits_of({"warn": warn, "fail": fail, "unit": warn_unit or fail_unit or None})
    except (ValueError, msgspec.ValidationError) as error:
        raise usage_error(f"{quoted(text)}: {error}") from None
    return match["name"], limits


def _limit(text: str, name: str, option: re.Match[str]) -> tuple[float | None, str]:
    part = option[name].strip()
    if not part:
        return None, ""
    match = _LIMIT.match(part)
    if match is None:
        # Not quoted by itself: what hides a password needs the whole.
        raise usage_error(f"{quoted(text)}: the {name} limit is no number")
    return float(match["number"]), match["unit"]
