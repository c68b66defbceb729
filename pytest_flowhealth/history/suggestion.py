"""Suggest limits for one threshold from its figures in earlier runs, with what each would have done to them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec

from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.domain.thresholds import Better
from pytest_flowhealth.history.regression import FEWEST, compute_deviations, estimate_spread

_ALARM = 0.0002  # a limit is judged at every run, of many measurements
_ROOM = 0.1
_DIGITS = 2


class Suggestion(msgspec.Struct, frozen=True):
    """Limits for one threshold.

    `warned` and `failed` count the earlier runs that they would have made warn or fail;
    `reason` says why there are no limits.
    """

    threshold: str
    unit: str
    runs: int
    median: float | None = None
    worst: float | None = None
    warn: float | None = None
    fail: float | None = None
    warned: int = 0
    failed: int = 0
    reason: str | None = None


def suggest_threshold(
    threshold: str, unit: str, values: Sequence[float], better: Better
) -> Suggestion:
    """Return limits for a threshold's figures in earlier runs.

    `warn` lies where a figure would be beyond their noise, as a regression is told (regression.py),
    and beyond all of them but the worst; `fail` twice as far from the median.
    """
    if len(values) < FEWEST:
        return Suggestion(threshold, unit, len(values), reason=f"{FEWEST} runs are needed")
    sign = 1.0 if better == "lower" else -1.0
    middle = statistics.median(values)
    ordered = sorted(values, reverse=better == "higher")
    worst, usual = ordered[-1], ordered[-2]
    room = max(
        compute_deviations(len(values), _ALARM) * estimate_spread(values, better),
        _ROOM * abs(middle),
        (1 + _ROOM) * abs(usual - middle),
    )
    if room == 0:
        reason = "all runs measured 0"
        return Suggestion(threshold, unit, len(values), middle, worst, reason=reason)
    warn = _outward(middle + sign * room, sign)
    # From the rounded limit: rounding must not make both the same.
    fail = _outward(middle + 2 * (warn - middle), sign)
    if better == "higher" and fail <= 0 < middle:
        # A figure that can't be negative would never be past it.
        warn, fail = _outward(middle * 0.75, sign), _outward(middle * 0.5, sign)
    past = [sign * (value - warn) > 0 for value in values]
    gone = [sign * (value - fail) > 0 for value in values]
    return Suggestion(
        threshold,
        unit,
        len(values),
        middle,
        worst,
        warn,
        fail,
        warned=sum(past) - sum(gone),
        failed=sum(gone),
    )


def render_toml(suggestions: Sequence[Suggestion]) -> list[str]:
    """Return the lines of a `[thresholds]` table, ready to paste."""
    lines = ["[thresholds]"]
    for suggestion in suggestions:
        setting = f'"{suggestion.threshold}" = '
        if suggestion.warn is None or suggestion.fail is None:
            lines.append(f"# {setting}...  # {suggestion.runs} runs: {suggestion.reason}")
            continue
        limits = f'{{ warn = {_number(suggestion.warn)}, fail = {_number(suggestion.fail)}, unit = "{suggestion.unit}" }}'
        seen = f"median {format_number(suggestion.median or 0)}, worst {format_number(suggestion.worst or 0)}"
        would = f"{suggestion.warned} would have warned, {suggestion.failed} failed"
        lines.append(f"{setting}{limits}  # {suggestion.runs} runs: {would}; {seen}")
    return lines


def _outward(value: float, sign: float) -> float:
    """Return `value` with two digits, rounded away from the median."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - _DIGITS + 1)
    whole = math.ceil(value / step - 1e-9) if sign > 0 else math.floor(value / step + 1e-9)
    return float(f"{whole * step:.12g}")


def _number(value: float) -> str:
    """Return a number as TOML has it."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
