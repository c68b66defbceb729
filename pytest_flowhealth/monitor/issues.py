"""Synchronises GitHub issues beside a monitor that has no web page; with one, the page does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.github_issues.scheduler import IssueScheduler
from pytest_flowhealth.monitor.observer import MonitorEvent

if TYPE_CHECKING:
    from pytest_flowhealth.monitor.loop import Monitor


class IssueObserver:
    """Passes the monitor's ticks to a scheduler, and its events to the monitor.

    Args:
        scheduler: Runs the synchronisation.
    """

    def __init__(self, scheduler: IssueScheduler) -> None:
        self._scheduler = scheduler

    def on_tick(self, monitor: Monitor, at: float) -> None:
        """Start a run if one is due."""
        self._scheduler.on_tick(monitor.settings.target, at)

    def drain_events(self) -> list[MonitorEvent]:
        """Return what happened since the last call."""
        return [MonitorEvent(name, facts) for name, facts in self._scheduler.drain_events()]

    def reconfigure(self, _: Monitor) -> None:
        """Run soon with the new configuration."""
        self._scheduler.reschedule()

    def close(self) -> None:
        """Do nothing: a run ends with the process."""
