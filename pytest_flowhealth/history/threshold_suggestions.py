"""Suggest thresholds from the recorded runs, ready to paste into flowhealth.toml."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from pytest_flowhealth.config.atomic import FOLDER
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.statistics import DEFAULT
from pytest_flowhealth.domain.thresholds import Better
from pytest_flowhealth.history.query import RecordedRun
from pytest_flowhealth.history.reader import Reader
from pytest_flowhealth.history.run_record import name_metric
from pytest_flowhealth.history.suggestion import Suggestion, render_toml, suggest_threshold

MOST = 200
"""Runs that are used at most: the last ones of the newest one's machine and target."""


def suggest_thresholds(history: Reader, target: Target) -> list[str]:
    """Return the lines of a configuration; none if no run is recorded."""
    newest = next(iter(history.runs(limit=1)), None)
    if newest is None:
        return []
    suggestions = _make_suggestions(history, newest.fingerprint, target)
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


def _make_suggestions(history: Reader, fingerprint: str, target: Target) -> list[Suggestion]:
    """Return a suggestion for each threshold that one of the last runs declares."""
    declared: dict[str, DeclaredThreshold] = {}
    for report in read_reports(history.runs(limit=10, fingerprint=fingerprint), history, target):
        for check in report.get("health", {}).get("checks", ()):
            _declare(declared, check)
    return [
        suggest_threshold(
            name,
            threshold.unit,
            _read_worst_figures(history, fingerprint, threshold),
            threshold.better,
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


def _read_worst_figures(
    history: Reader, fingerprint: str, threshold: DeclaredThreshold
) -> list[float]:
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
