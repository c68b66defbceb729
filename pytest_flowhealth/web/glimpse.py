"""What requests see of the monitor without asking it: it is put here once a second."""

from __future__ import annotations

import msgspec

from pytest_flowhealth.verdict.report import Health
from pytest_flowhealth.web.shapes import HostSeen


class Glimpse(msgspec.Struct):
    """The monitor as it was in the last second.

    Attributes:
        target: The application's name; `host` the machine's.
        alive: Whether rounds come to their end.
        health: The last verdict of all components, None before the first.
        at: When the last round ended, in seconds since 1970.
        firing: The names of the alerts that fire.
    """

    target: str
    host: str
    alive: bool = True
    health: Health | None = None
    at: float | None = None
    firing: frozenset[str] = frozenset()

    def own(self) -> HostSeen:
        """Return this host as one of several."""
        status = None if self.health is None else self.health.status.value
        return HostSeen(self.host, self.target, status, self.at, current=True)
