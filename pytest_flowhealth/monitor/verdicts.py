"""What is known of every component: rounds look at those that are due, the others stay as they were."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import msgspec

from pytest_flowhealth.verdict.report import Health
from pytest_flowhealth.verdict.status import Status, worst


class Last(msgspec.Struct, frozen=True):
    """A component's last verdict, and when it was."""

    status: Status
    at: datetime.datetime


class Verdicts:
    """The last verdicts, by component, and what was wrong with the last round itself."""

    def __init__(self) -> None:
        self.components: dict[str, Last] = {}
        self.problems: tuple[str, ...] = ()
        self.at: datetime.datetime | None = None
        self.health: Health | None = None

    def take(self, health: Health | None, problems: Sequence[str], at: datetime.datetime) -> None:
        """Take a round's end in."""
        self.problems, self.at = tuple(problems), at
        if health is None:
            return
        self.health = health
        for name, one in health.components.items():
            if one.status is not None:
                self.components[name] = Last(one.status, at)

    @property
    def status(self) -> Status | None:
        """The worst of all; at least unknown where a round did not come to its end; None before the first."""
        if self.at is None:
            return None
        found = [one.status for one in self.components.values()]
        return worst([*found, Status.UNKNOWN] if self.problems or not found else found)
