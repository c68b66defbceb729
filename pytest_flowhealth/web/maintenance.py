"""Maintenance windows: planned silences, from the configuration or made on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pytest_flowhealth.alerts.routing import matches
from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.config.alerts import MaintenanceWindow
from pytest_flowhealth.web import schemas

PLANNED = "planned-"
"""How the ids of silences begin that were planned on the page.

A silence that somebody makes during an outage is none: it must not improve the availability.
"""

CONFIGURED = "configured-"


def is_planned(silence: Silence) -> bool:
    """Tell whether a silence is a maintenance window."""
    return silence.id.startswith((PLANNED, CONFIGURED))


def describe_silence(silence: Silence) -> schemas.SilenceInfo:
    """Return a silence as the page shows it."""
    return schemas.SilenceInfo(
        *(silence.id, silence.pattern, silence.begins, silence.ends),
        reason=silence.reason,
        author=silence.author,
        maintenance=is_planned(silence),
    )


def list_windows(made: Iterable[Silence], configured: Iterable[MaintenanceWindow]) -> list[Silence]:
    """Return all maintenance windows; of the configuration only those with a begin.

    Without one it is not known which rounds of the past it covers.
    """
    found = [silence for silence in made if is_planned(silence)]
    found += [
        Silence(CONFIGURED, silence.match, silence.start.timestamp(), silence.until.timestamp())
        for silence in configured
        if silence.start is not None
    ]
    return found


def is_in_maintenance(windows: Sequence[Silence], name: str, at: float) -> bool:
    """Tell whether a check, or (`NAME.*`) a whole component, was in a maintenance window at a time."""
    return any(
        window.begins <= at < window.ends and matches(name, window.pattern) for window in windows
    )


def mark_maintenance(
    windows: Sequence[Silence], name: str, round_: schemas.RoundSummary
) -> schemas.RoundSummary:
    """Return a round, marked if it was in a maintenance window."""
    maintenance = is_in_maintenance(windows, name, round_.at)
    return msgspec.structs.replace(round_, maintenance=True) if maintenance else round_


def leave_out_maintenance(
    windows: Sequence[Silence], component: str, rounds: Sequence[tuple[float, str]]
) -> list[tuple[float, str]]:
    """Return a component's rounds with those in maintenance as skipped: they count neither way."""
    return [
        (at, "skip" if is_in_maintenance(windows, f"{component}.*", at) else outcome)
        for at, outcome in rounds
    ]
