"""What is known of every component: rounds look at those that are due, the others stay as they were."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import msgspec

from pytest_flowhealth.verdict.check import CheckResult
from pytest_flowhealth.verdict.report import Health
from pytest_flowhealth.verdict.status import Status, worst
from pytest_flowhealth.verdict.verdict import Component


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
        self._health: Health | None = None
        self._checks: dict[str, tuple[CheckResult, ...]] = {}

    def take(self, health: Health | None, problems: Sequence[str], at: datetime.datetime) -> None:
        """Take a round's end in."""
        self.problems, self.at = tuple(problems), at
        if health is None:
            return
        self._health = health
        for name, one in health.components.items():
            self._checks[name] = tuple(check for check in health.checks if check.component == name)
            if one.status is not None:
                self.components[name] = Last(one.status, at)

    @property
    def whole(self) -> Health | None:
        """The last round's verdict with what earlier ones found of the other components."""
        if self._health is None:
            return None
        return msgspec.structs.replace(
            self._health,
            status=self.status or Status.UNKNOWN,
            components={
                name: Component(self.components[name].status, tuple(one.id for one in checks))
                for name, checks in self._checks.items()
                if name in self.components
            },
            checks=tuple(check for checks in self._checks.values() for check in checks),
        )

    @property
    def status(self) -> Status | None:
        """The worst of all; at least unknown where a round did not come to its end; None before the first."""
        if self.at is None:
            return None
        found = [one.status for one in self.components.values()]
        return worst([*found, Status.UNKNOWN] if self.problems or not found else found)
