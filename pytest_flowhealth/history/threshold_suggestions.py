"""Suggest thresholds from the recorded runs, ready to paste into flowhealth.toml."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from pytest_flowhealth.config.atomic import FOLDER
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.statistics import DEFAULT
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.domain.thresholds import Better
from pytest_flowhealth.history.query import RecordedRun
from pytest_flowhealth.history.reader import Reader
from pytest_flowhealth.history.regression import FEWEST, compute_deviations, estimate_spread
from pytest_flowhealth.history.run_record import name_metric

MOST = 200
"""Runs that are used at most: the last ones of the newest one's machine and target."""

_ALARM = 0.0002  # a limit is judged at every run, of many measurements
_ROOM = 0.1
_DIGITS = 2


def suggest_thresholds(history: Reader, target: Target) -> list[str]:
    """Return the lines of a configuration; none if no run is recorded."""
    newest = next(iter(history.runs(limit=1)), None)
    if newest is None:
        return []
    suggestions = _suggestions(history, newest.fingerprint, target)
    if not suggestions:
        return ["# no report here has a threshold: run the checks first"]
    return [
        f"# Suggested by the recorded runs of {newest.target or 'this project'} on this machine.",
        *render_toml(suggestions),
    ]


class DeclaredThreshold(msgspec.Struct):
    """A threshold as the last runs declared it; `metrics` are more than one where it is parametrised."""

    statistic: str
    better: Better
    unit: str
    metrics: set[str] = msgspec.field(default_factory=set)


def _suggestions(history: Reader, fingerprint: str, target: Target) -> list[Suggestion]:
    """Return a suggestion for each threshold that one of the last runs declares."""
    declared: dict[str, DeclaredThreshold] = {}
    for report in read_reports(history.runs(limit=10, fingerprint=fingerprint), history, target):
        for check in report.get("health", {}).get("checks", ()):
            _declare(declared, check)
    return [
        suggest_threshold(
            name, threshold.unit, _worst(history, fingerprint, threshold), threshold.better
        )
        for name, threshold in declared.items()
    ]


def read_reports(
    runs: Sequence[RecordedRun], history: Reader, target: Target
) -> list[dict[str, Any]]:
    """Return the reports of runs; a server has none, so the last one that is here instead."""
    reports = [report for run in runs if (report := history.report(run.uid))]
    return reports or _last_report(target)


def _last_report(target: Target) -> list[dict[str, Any]]:
    try:
        found = json.loads((target.root / FOLDER / "report.json").read_bytes())
    except (OSError, ValueError):
        return []
    return [found] if isinstance(found, dict) else []


def _declare(declared: dict[str, DeclaredThreshold], check: dict[str, Any]) -> None:
    units = {measurement["name"]: measurement["unit"] for measurement in check["measurements"]}
    for threshold in check["thresholds"]:
        measurement, statistic = threshold["measurement"], threshold["statistic"]
        name = f"{check['component']}.{measurement}"
        found = declared.setdefault(
            f"{name}.{statistic}" if statistic else name,
            DeclaredThreshold(
                statistic or DEFAULT, threshold["better"], units.get(measurement, "1")
            ),
        )
        found.metrics.add(name_metric(check["id"], check["component"], measurement))


def _worst(history: Reader, fingerprint: str, threshold: DeclaredThreshold) -> list[float]:
    """Return a threshold's figure in each of the last runs, the worst where several were judged by it."""
    figures: dict[tuple[float, str], list[float]] = defaultdict(list)
    for metric in threshold.metrics:
        for past in history.past(metric, fingerprint, limit=MOST):
            # What the samples can't support was unknown then, and suggests nothing.
            value = past.figure(threshold.statistic)
            if value is not None:
                figures[past.started, past.run].append(value)
    worst = max if threshold.better == "lower" else min
    return [worst(figures[run]) for run in sorted(figures)]


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
    fail = _outward(middle + 2 * sign * room, sign)
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
