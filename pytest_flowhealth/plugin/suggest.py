"""`pytest --health-suggest`: runs nothing, and prints the thresholds that the kept runs suggest."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history import query
from pytest_flowhealth.history.database import require_usable
from pytest_flowhealth.history.keeping import asked
from pytest_flowhealth.history.suggest import Suggestion, as_toml, suggest
from pytest_flowhealth.plugin.memory import NEEDED, history_path
from pytest_flowhealth.plugin.messages import usage_error
from pytest_flowhealth.verdict.statistics import Unsupported, compute
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
    path = history_path(config, target)
    if path is None:
        raise UsageError(f"--health-suggest {NEEDED}")
    require_usable(path)
    return path


def _lines(file: sqlite3.Connection) -> list[str]:
    newest = next(iter(query.runs(file, limit=1)), None)
    if newest is None:
        return []
    return [
        f"# Suggested by the kept runs of {newest.target or 'this project'} on this machine.",
        *as_toml(_suggestions(file, newest.fingerprint)),
    ]


def _suggestions(file: sqlite3.Connection, fingerprint: str) -> list[Suggestion]:
    """Return a suggestion for each threshold that one of the last runs declares."""
    declared: dict[str, dict[str, object]] = {}
    for run in query.runs(file, limit=10, fingerprint=fingerprint):
        report = query.report(file, run.uid) or {}
        for check in report.get("health", {}).get("checks", ()):
            units = {one["name"]: one["unit"] for one in check["measurements"]}
            for one in check["thresholds"]:
                name = one["measurement"]
                whole = f"{name}.{one['statistic']}" if one["statistic"] else name
                declared.setdefault(
                    f"{check['component']}.{whole}",
                    {**one, "metric": f"{check['component']}.{name}", "unit": units.get(name, "1")},
                )
    found = []
    for name, one in declared.items():
        metric, statistic = str(one["metric"]), str(one["statistic"] or "median")
        values = []
        for past in query.past(file, metric, fingerprint, limit=MOST):
            try:
                values.append(compute(statistic, past.samples))
            except Unsupported:
                continue
        better: Better = "higher" if one["better"] == "higher" else "lower"
        found.append(suggest(name, str(one["unit"]), values, better))
    return found
