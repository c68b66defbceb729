"""What several commands share: their options, and the monitor's settings and history."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.domain.units import parse_duration
from pytest_flowhealth.errors import FlowHealthError, UsageError
from pytest_flowhealth.history.location import HistoryLocation, find_usable_location
from pytest_flowhealth.history.recording import describe_error, open_history
from pytest_flowhealth.monitor.settings import MonitorOptions, Settings, load_settings

Result = TypeVar("Result")

_WAIT = 5.0
"""Seconds that a command waits for the lock of the history."""

project_option = click.option(
    "--project",
    metavar="DIR",
    help="The npm project (default: the nearest folder at or above the current one that has a "
    "package.json).",
)
history_option = click.option(
    "--history",
    metavar="URL",
    help="The history: sqlite:///PATH, or the URL of a Prometheus-compatible server (default: "
    "[history] url, or .flowhealth/history.db in the project).",
)


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic only from click 8.2 on
    """A duration such as 60s; its value is in seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds, or fail."""
        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def read_target(project: str | None) -> Target:
    """Return the project with its configuration.

    Raises:
        UsageError: There is no such folder, or the configuration is invalid.
    """
    return load_target(Path(project) if project else None, os.environ, Path.cwd())


def read_settings(project: str | None) -> Settings:
    """Return what a monitor of this project goes by.

    Raises:
        UsageError: The configuration is invalid.
    """
    return load_settings(
        MonitorOptions(
            folder=str(Path.cwd()),
            project=project,
            interval=None,
            components=(),
            every=False,
            arguments=(),
            report=None,
            history=None,
        )
    )


def find_history(target: Target, history: str | None) -> HistoryLocation:
    """Return where the history is.

    Raises:
        UsageError: The address is invalid, or a newer version wrote the file.
    """
    return find_usable_location(history, Path.cwd(), target)


def change_history(path: Path, change: Callable[[sqlite3.Connection], Result]) -> Result:
    """Return what `change` makes of the history, in a transaction.

    Raises:
        UsageError: There is no history.
        FlowHealthError: It can't be written.
    """
    if not path.is_file():
        raise UsageError(f"there is no history {path}: no monitor has run there")
    try:
        with open_history(path, _WAIT) as connection:
            return change(connection)
    except sqlite3.Error as error:
        raise FlowHealthError(
            f"the history {path} can't be used: {describe_error(error)}"
        ) from None


def align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a line for each row, with columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def echo(text: str, limit: int = 100_000) -> None:
    """Print a line without control characters."""
    click.echo(printable(text, limit))


def complain(text: str) -> None:
    """Print a line on standard error."""
    click.echo(printable(text), err=True)
