"""A snapshot of the monitor, taken once a second, from which requests are answered."""

from __future__ import annotations

import time

import msgspec

from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.monitor.status_board import STUCK, make_report_unknown
from pytest_flowhealth.web.schemas import HostStatus

QUIET = 15.0
"""Seconds without a word of the monitor from which on it counts as stuck."""

SILENT = "the monitor has not reported for 15 s"
"""The reason for a monitor that has stopped reporting."""


class MonitorSnapshot(msgspec.Struct):
    """The monitor as it was in the last second.

    Attributes:
        target: The application's name; `host` the machine's, `instance` the checkout's.
        ends: Whether rounds come to their end.
        health: The last verdict of all components, None before the first.
        at: When the last round ended, in seconds since 1970.
        firing: The names of the alerts that fire.
        taken: When this was seen, by a clock that only goes up, in seconds.
    """

    target: str
    host: str
    instance: str
    ends: bool = True
    health: Report | None = None
    at: float | None = None
    firing: frozenset[str] = frozenset()
    taken: float = msgspec.field(default_factory=time.monotonic)

    @property
    def alive(self) -> bool:
        """Whether the monitor is at work, and its rounds come to their end."""
        return self.ends and time.monotonic() - self.taken < QUIET

    @property
    def verdict(self) -> Report | None:
        """The last verdict, which holds no longer where rounds don't come to their end."""
        if self.health is None or self.alive:
            return self.health
        return make_report_unknown(self.health, STUCK if not self.ends else SILENT)

    def own(self) -> HostStatus:
        """Return this host as one of several."""
        status = None if self.verdict is None else self.verdict.status.value
        return HostStatus(self.host, self.target, self.instance, status, self.at, current=True)
