"""`flowhealth history`: trends, suggested thresholds, and the samples of a metric."""

from __future__ import annotations

import csv
import datetime
import io
import sys
import time
from collections.abc import Callable, Sequence

import click
import msgspec

from pytest_flowhealth.cli.common import (
    Duration,
    align,
    complain,
    echo,
    find_history,
    history_option,
    project_option,
    read_target,
)
from pytest_flowhealth.domain.checks import unit_suffix
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.history.query import PastMeasurement
from pytest_flowhealth.history.reader import Reader, query_reader
from pytest_flowhealth.history.threshold_suggestions import suggest_thresholds
from pytest_flowhealth.history.trends import MetricTrend, read_trends

_DEFAULT = "sqlite:///.flowhealth/history.db"
_RUNS = 5
"""The last runs that are listed."""


@click.group("history", invoke_without_command=True, short_help="Show what earlier runs measured.")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show stored data: trends, suggested thresholds, the samples of a metric."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(trends)


@command.command("trends", short_help="Show how each metric changed.")
@click.option(
    "--since", type=Duration(), default="90d", help="How far back, as in 24h (default: 90d)."
)
@project_option
@history_option
@click.pass_context
def trends(
    ctx: click.Context,
    since: float = 90 * 86_400.0,
    project: str | None = None,
    history: str | None = None,
) -> None:
    """Show how each metric changed over the recorded runs, and list the last runs.

    A metric has its last value and its median; the change is that of the newest third of the runs
    from the oldest third. Of several checks that measure the same, a run counts with the worst.
    """
    target, now = read_target(project), time.time()

    def read(reader: Reader) -> list[str]:
        runs = reader.runs(limit=_RUNS)
        if not runs:
            return []
        listed = [
            f"  {_format_time(run.started)}  {run.status:<9}  {format_number(run.duration):>6} s  {run.uid}"
            for run in runs
        ]
        return [*_format_trends(read_trends(reader, target, now - since, now)), "runs", *listed]

    _print(ctx, project, history, read, "no run is recorded")


def _format_trends(found: Sequence[MetricTrend]) -> list[str]:
    rows = [("metric", "runs", "last", "median", "change", "direction", "check")]
    for trend in found:
        unit = unit_suffix(trend.unit)
        rows.append(
            (
                trend.name,
                f"{trend.runs}",
                f"{format_number(trend.last)}{unit}",
                f"{format_number(trend.median)}{unit}",
                "" if trend.change is None else f"{trend.change:+.0%}",
                f"{trend.direction}{', worse' if trend.worse else ''}",
                trend.check,
            )
        )
    return [*align(rows), ""] if found else []


@command.command("suggest", short_help="Suggest thresholds.")
@project_option
@history_option
@click.pass_context
def suggest(ctx: click.Context, project: str | None, history: str | None) -> None:
    """Print thresholds that the recorded runs suggest, ready to paste into flowhealth.toml."""
    target = read_target(project)
    _print(
        ctx,
        project,
        history,
        lambda reader: suggest_thresholds(reader, target),
        "no thresholds can be suggested: no run is recorded",
    )


@command.command("export", short_help="Export the samples of a metric.")
@click.argument("metric")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="The format of the output.",
)
@click.option(
    "--since", type=Duration(), default="7d", help="How far back, as in 24h (default: 7d)."
)
@project_option
@history_option
@click.pass_context
def export(  # each is a word of the user's
    ctx: click.Context,
    metric: str,
    form: str,
    since: float,
    project: str | None,
    history: str | None,
) -> None:
    """Export the samples of METRIC, such as redis.connect: time, run, samples."""
    now = time.time()

    def read(reader: Reader) -> list[str]:
        found = reader.read_period(metric, now - since, now)
        return _format_csv(found) if form == "csv" else _format_json(metric, found)

    _print(ctx, project, history, read, f"no samples of {metric}")


def _print(
    ctx: click.Context,
    project: str | None,
    history: str | None,
    read: Callable[[Reader], list[str]],
    nothing: str,
) -> None:
    """Print what is read from the history; exit with 3 if there is nothing."""
    target = read_target(project)
    place = find_history(target, history)
    empty: list[str] = []
    lines, problem = query_reader(place.path, read, empty)
    server = place.reader(target)
    if not lines and server is not None:
        try:
            lines = read(server)
        except MeasurementUnavailable as error:
            problem = str(error)
    for line in lines:
        echo(line)
    sys.stdout.flush()
    if not lines:
        complain(f"{nothing} in {place.path}{f': {problem}' if problem else ''}")
        if problem is None:
            complain(f"record runs: pytest --health --health-history {_DEFAULT}")
        ctx.exit(Status.UNKNOWN.exit_code)


def _format_csv(found: list[PastMeasurement]) -> list[str]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", "run", "sample"])
    for record in found:
        for sample in record.samples:
            writer.writerow([_format_time(record.started), record.run, sample])
    return text.getvalue().splitlines() if found else []


def _format_json(metric: str, found: list[PastMeasurement]) -> list[str]:
    if not found:
        return []
    runs = [
        {"time": _format_time(record.started), "run": record.run, "samples": list(record.samples)}
        for record in found
    ]
    return [msgspec.json.encode({"metric": metric, "runs": runs}).decode()]


def _format_time(seconds: float) -> str:
    at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
