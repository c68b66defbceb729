"""`pytest --health-suggest`: runs nothing, and prints the thresholds that the kept runs suggest."""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_flowhealth.config.atomic import FOLDER
from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.statistics import DEFAULT
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.domain.thresholds import Better
from pytest_flowhealth.errors import MeasurementUnavailable, UsageError
from pytest_flowhealth.history.database import require_usable
from pytest_flowhealth.history.entry import metric_of
from pytest_flowhealth.history.place import Place
from pytest_flowhealth.history.reader import Reader, consulted
from pytest_flowhealth.history.suggest import Suggestion, as_toml, suggest
from pytest_flowhealth.plugin.memory import NEEDED, history_place
from pytest_flowhealth.plugin.messages import usage_error

MOST = 200
"""Runs that are looked at, the last ones of the newest one's machine and target."""


class SuggestCommand:
    """Takes the place of pytest's own run; the plugin object of --health-suggest."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Print the table, and return the exit code: 0, or 3 where there is nothing to go by.

        Raises:
            pytest.UsageError: There is no history, or its address is none.
        """
        try:
            place, target = _place(config)
        except UsageError as error:
            raise usage_error(str(error)) from None
        nothing: list[str] = []
        lines, problem = consulted(place.path, lambda file: _lines(file, target), nothing)
        server = place.reader(target)
        if not lines and server is not None:
            lines, problem = _of_server(server, target)
        if not lines:
            sys.stderr.write(f"no thresholds can be suggested: {problem or 'no run is kept yet'}\n")
            return Status.UNKNOWN.exit_code
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
        return 0


def _place(config: pytest.Config) -> tuple[Place, Target]:
    folder = config.option.health_project
    start = Path(folder) if folder else None
    target = load_target(start, os.environ, config.invocation_params.dir)
    place = history_place(config, target)
    if place is None:
        raise UsageError(f"--health-suggest {NEEDED}")
    require_usable(place.path)
    return place, target


def _of_server(server: Reader, target: Target) -> tuple[list[str], str | None]:
    try:
        return _lines(server, target), None
    except MeasurementUnavailable as error:
        return [], str(error)


def _lines(history: Reader, target: Target) -> list[str]:
    newest = next(iter(history.runs(limit=1)), None)
    if newest is None:
        return []
    suggestions = _suggestions(history, newest.fingerprint, target)
    if not suggestions:
        return ["# no report here has a threshold: run the checks first"]
    return [
        f"# Suggested by the kept runs of {newest.target or 'this project'} on this machine.",
        *as_toml(suggestions),
    ]


class Declared(msgspec.Struct):
    """A threshold as the last runs declared it; `metrics` are more than one where it is parametrised."""

    statistic: str
    better: Better
    unit: str
    metrics: set[str] = msgspec.field(default_factory=set)


def _suggestions(history: Reader, fingerprint: str, target: Target) -> list[Suggestion]:
    """Return a suggestion for each threshold that one of the last runs declares."""
    declared: dict[str, Declared] = {}
    runs = history.runs(limit=10, fingerprint=fingerprint)
    kept = [report for run in runs if (report := history.report(run.uid))]
    # A server has no reports: the last one that is here tells the thresholds.
    for report in kept or _last_report(target):
        for check in report.get("health", {}).get("checks", ()):
            _declare(declared, check)
    return [
        suggest(name, one.unit, _worst(history, fingerprint, one), one.better)
        for name, one in declared.items()
    ]


def _last_report(target: Target) -> list[dict[str, Any]]:
    try:
        found = json.loads((target.root / FOLDER / "report.json").read_bytes())
    except (OSError, ValueError):
        return []
    return [found] if isinstance(found, dict) else []


def _declare(declared: dict[str, Declared], check: dict[str, Any]) -> None:
    units = {one["name"]: one["unit"] for one in check["measurements"]}
    for one in check["thresholds"]:
        measurement, statistic = one["measurement"], one["statistic"]
        name = f"{check['component']}.{measurement}"
        found = declared.setdefault(
            f"{name}.{statistic}" if statistic else name,
            Declared(statistic or DEFAULT, one["better"], units.get(measurement, "1")),
        )
        found.metrics.add(metric_of(check["id"], check["component"], measurement))


def _worst(history: Reader, fingerprint: str, one: Declared) -> list[float]:
    """Return a threshold's figure in each of the last runs, the worst where several were judged by it."""
    figures: dict[tuple[float, str], list[float]] = defaultdict(list)
    for metric in one.metrics:
        for past in history.past(metric, fingerprint, limit=MOST):
            # What the samples can't support was unknown then, and suggests nothing.
            value = past.figure(one.statistic)
            if value is not None:
                figures[past.started, past.run].append(value)
    worst = max if one.better == "lower" else min
    return [worst(figures[run]) for run in sorted(figures)]
