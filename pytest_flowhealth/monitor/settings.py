"""Settings of a monitor: its command line options and the configuration as last read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.alerts.routing import DEFAULT
from pytest_flowhealth.alerts.rules import Condition, make_conditions
from pytest_flowhealth.config.alerts import Receiver
from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.history.location import HistoryLocation, find_usable_location
from pytest_flowhealth.history.remote.write_request import require_remote_write
from pytest_flowhealth.monitor.round_request import ConfigSnapshot

FIRST_AGAIN = 60.0
"""Seconds until a first round that told nothing is tried again, where no interval was named."""


class MonitorOptions(msgspec.Struct, frozen=True):
    """The command line, as it is handed to the monitor's process.

    Attributes:
        folder: Where it was typed.
        project: --health-project, None for the nearest.
        interval: --interval's, in seconds; None where none was named.
        components: Those that were named.
        every: Whether --health-all was given.
        arguments: What every round is given besides.
        report: Where the last round's report goes, absolute; None for nowhere.
        history: --health-history.
        page: --web; None where there is to be none.
    """

    folder: str
    project: str | None
    interval: float | None
    components: tuple[str, ...]
    every: bool
    arguments: tuple[str, ...]
    report: str | None
    history: str | None
    page: str | None = None


class Settings(msgspec.Struct, frozen=True):
    """The configuration as it was last read, put into what the monitor needs; times in seconds."""

    target: Target
    rules: tuple[Condition, ...]
    receivers: tuple[Receiver, ...]
    intervals: Mapping[str, float]
    limit: float

    @property
    def settled(self) -> ConfigSnapshot:
        """What the rounds go by."""
        target = self.target
        return ConfigSnapshot(target.config, target.sources, target.environment_thresholds)


def load_settings(options: MonitorOptions, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration.

    Raises:
        UsageError: Something in it can't be meant.
    """
    project = None if options.project is None else Path(options.project)
    target = load_target(project, environ, Path(options.folder))
    config = target.config
    return Settings(
        target=target,
        rules=make_conditions(config.rules),
        receivers=tuple(config.receivers) or DEFAULT,
        intervals=config.monitor.intervals,
        limit=config.monitor.limit,
    )


def find_history(options: MonitorOptions, settings: Settings) -> HistoryLocation:
    """Return where the history is kept: alerts always in the file.

    Raises:
        UsageError: The address is none, or what is there can't be used.
    """
    location = find_usable_location(options.history, Path(options.folder), settings.target)
    if location.server is not None:
        require_remote_write()
    return location


def make_round_command(
    options: MonitorOptions, settings: Settings, components: Sequence[str] | None
) -> list[str]:
    """Return what a round's pytest is given.

    Args:
        options: The command line.
        settings: The configuration.
        components: Those that are due; None for all that were asked for.
    """
    # The project's addopts may hold -x: the first failure would leave all other checks unknown.
    words = ["--health", "--health-project", str(settings.target.root), "--color=no", "--maxfail=0"]
    words += ["--health-all"] if options.every and components is None else []
    chosen = options.components if components is None else sorted(components)
    for component in chosen:
        words += ["--health-component", component]
    return [*words, *options.arguments]
