"""`pytest --health-suggest`: runs nothing, and prints the thresholds that the kept runs suggest."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history import query
from pytest_flowhealth.history.database import require_usable
from pytest_flowhealth.history.entry import metric_of
from pytest_flowhealth.history.keeping import asked
from pytest_flowhealth.history.suggest import Suggestion, as_toml, suggest
from pytest_flowhealth.plugin.memory import NEEDED, history_place
from pytest_flowhealth.plugin.messages import usage_error
from pytest_flowhealth.verdict.statistics import DEFAULT, Unsupported, compute
from pytest_flowhealth.verdict.status import Status
from pytest_flowhealth.verdict.text import printable
from pytest_flowhealth.verdict.threshold import Better

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
            path = _path(config)
        except UsageError as error:
            raise usage_error(str(error)) from None
        nothing: list[str] = []
        lines, problem = asked(path, _lines, nothing)
        if not lines:
            sys.stderr.write(f"no thresholds can be suggested: {problem or 'no run is kept yet'}\n")
            return Status.UNKNOWN.exit_code
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
        return 0


def _path(config: pytest.Config) -> Path:
    folder = config.option.health_project
    start = Path(folder) if folder else None
    target = load_target(start, os.environ, config.invocation_params.dir)
    place = history_place(config, target)
    if place is None:
        raise UsageError(f"--health-suggest {NEEDED}")
    require_usable(place.path)
    return place.path


def _lines(file: sqlite3.Connection) -> list[str]:
    newest = next(iter(query.runs(file, limit=1)), None)
    if newest is None:
        return []
    return [
        f"# Suggested by the kept runs of {newest.target or 'this project'} on this machine.",
        *as_toml(_suggestions(file, newest.fingerprint)),
    ]


class Declared(msgspec.Struct):
    """A threshold as the last runs declared it; `metrics` are more than one where it is parametrised."""

    statistic: str
    better: Better
    unit: str
    metrics: set[str] = msgspec.field(default_factory=set)


def _suggestions(file: sqlite3.Connection, fingerprint: str) -> list[Suggestion]:
    """Return a suggestion for each threshold that one of the last runs declares."""
    declared: dict[str, Declared] = {}
    for run in query.runs(file, limit=10, fingerprint=fingerprint):
        report = query.report(file, run.uid) or {}
        for check in report.get("health", {}).get("checks", ()):
            _declare(declared, check)
    return [
        suggest(name, one.unit, _worst(file, fingerprint, one), one.better)
        for name, one in declared.items()
    ]


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


def _worst(file: sqlite3.Connection, fingerprint: str, one: Declared) -> list[float]:
    """Return a threshold's figure in each of the last runs, the worst where several were judged by it."""
    figures: dict[tuple[float, str], list[float]] = defaultdict(list)
    for metric in one.metrics:
        for past in query.past(file, metric, fingerprint, limit=MOST):
            # What the samples can't support was unknown then, and suggests nothing.
            with contextlib.suppress(Unsupported):
                figures[past.started, past.run].append(compute(one.statistic, past.samples))
    worst = max if one.better == "lower" else min
    return [worst(figures[run]) for run in sorted(figures)]
