"""`flowhealth export`: a Grafana dashboard and Prometheus alerting rules for this target's metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import NamedTuple

import click
import msgspec

from pytest_flowhealth.cli.common import (
    find_history,
    history_option,
    project_option,
    read_settings,
)
from pytest_flowhealth.config.atomic import FOLDER
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.metric_names import find_origin_labels
from pytest_flowhealth.domain.report import Document, Report
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.history.reader import Reader, query_reader
from pytest_flowhealth.monitor.schedule import choose_interval
from pytest_flowhealth.monitor.settings import Settings

_RUNS = 50
"""Runs of the history whose checks count: a monitor's round has only the components that were due."""


class Measured(NamedTuple):
    """What a target measures: `report` has the last result of each check."""

    report: Report
    target: str
    intervals: Mapping[str, float]
    settings: Settings


@click.group("export", short_help="Print a dashboard or alerting rules.")
def command() -> None:
    """Print a Grafana dashboard or alerting rules for the metrics that this target has.

    They are those of its last report and of the runs in its history: run `pytest --health` first.
    The metrics get to the server by remote write or by scraping, see docs/scale.md.
    """


@command.command("grafana")
@project_option
@history_option
def export_grafana(project: str | None, history: str | None) -> None:
    """Print a dashboard, to be imported into Grafana."""
    from pytest_flowhealth.formats.grafana import render_dashboard

    found = read_measured(project, history)
    click.echo(render_dashboard(found.report, found.target, found.intervals), nl=False)


@command.command("prometheus-rules", short_help="Print alerting rules.")
@project_option
@history_option
def export_rules(project: str | None, history: str | None) -> None:
    """Print alerting rules: for checks that fail, for each threshold, and the configured rules."""
    from pytest_flowhealth.alerts.prometheus_rules import render_rules

    found = read_measured(project, history)
    text = render_rules(found.report, found.settings.rules, found.target, found.intervals)
    click.echo(text, nl=False)


def read_measured(project: str | None, history: str | None) -> Measured:
    """Return the last result of each check, from the history and the last report.

    Raises:
        FlowHealthError: There is none.
    """
    settings = read_settings(project)
    path = find_history(settings.target, history).path
    nothing: list[Report] = []
    reports, problem = query_reader(path, _read_reports, nothing)
    reports += _read_last(settings.target)
    reports.sort(key=lambda report: report.started)
    if not any(report.checks for report in reports):
        raise FlowHealthError(
            problem or f"nothing was measured yet: {settings.target.root / FOLDER} has no report",
            remedy="pytest --health",
        )
    checks: dict[str, CheckResult] = {}
    for report in reports:
        # A check that was skipped or blocked measured nothing; what it measured before still counts.
        checks |= {
            check.id: check
            for check in report.checks
            if check.measurements or check.id not in checks
        }
    latest = msgspec.structs.replace(reports[-1], checks=tuple(checks.values()))
    components = {check.component for check in latest.checks}
    intervals = {name: choose_interval(name, None, settings.intervals) for name in components}
    return Measured(latest, dict(find_origin_labels(latest))["target"], intervals, settings)


def _read_reports(reader: Reader) -> list[Report]:
    found: list[Report] = []
    for run in reader.runs(limit=_RUNS):
        # Another version may have written it.
        with contextlib.suppress(msgspec.ValidationError):
            found.append(msgspec.convert(reader.report(run.uid), Document).health)
    return found


def _read_last(target: Target) -> list[Report]:
    try:
        content = (target.root / FOLDER / "report.json").read_bytes()
        return [msgspec.json.decode(content, type=Document).health]
    except (OSError, msgspec.DecodeError):
        return []
