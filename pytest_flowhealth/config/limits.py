"""Limits of a threshold as ``NAME=WARN:FAIL``, for the command line and the environment."""

from __future__ import annotations

import re

from pytest_flowhealth.config.model import Limits
from pytest_flowhealth.config.problems import quote, usage_error
from pytest_flowhealth.domain.units import UNITS

_LONGEST = 500
_OPTION = re.compile(r"\s*(?P<name>[^=\s]+)\s*=(?P<warn>[^:]*):(?P<fail>[^:]*)\Z")
_LIMIT = re.compile(
    r"(?P<number>[-+]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>\S*)\Z",
    re.ASCII,
)


def parse_threshold_option(text: str) -> tuple[str, Limits]:
    """Return the name and the limits in ``NAME=WARN:FAIL``; either may be empty, or carry a unit.

    Raises:
        UsageError: It is invalid; the message says why.
    """
    match = _OPTION.match(text) if len(text) <= _LONGEST else None
    if match is None:
        raise usage_error(f"{quote(text)} is not NAME=WARN:FAIL, as in redis.connect.p95=5:50")
    warn, warn_unit = _limit(text, "warn", match)
    fail, fail_unit = _limit(text, "fail", match)
    if warn_unit and fail_unit and warn_unit != fail_unit:
        raise usage_error(f"{quote(text)}: give both limits in one unit")
    unit = warn_unit or fail_unit or None
    if unit is not None and unit not in UNITS:
        raise usage_error(
            f"{quote(text)}: {quote(unit)} is not a unit; known are {' '.join(UNITS)}"
        )
    try:
        return match["name"], Limits(warn, fail, unit)
    except ValueError as error:
        raise usage_error(f"{quote(text)}: {error}") from None


def _limit(text: str, name: str, option: re.Match[str]) -> tuple[float | None, str]:
    part = option[name].strip()
    if not part:
        return None, ""
    match = _LIMIT.match(part)
    if match is None:
        # Not quoted by itself: hiding a password needs the whole text.
        raise usage_error(f"{quote(text)}: the {name} limit is not a number")
    return float(match["number"]), match["unit"]
