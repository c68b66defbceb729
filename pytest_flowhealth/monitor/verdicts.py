"""What is known of every component: rounds look at those that are due, the others stay as they were."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.report import Report, make_summary
from pytest_flowhealth.domain.root_causes import RunProblem, derive_verdict
from pytest_flowhealth.domain.status import Status, worst


class Last(msgspec.Struct, frozen=True):
    """A component's last verdict, and when it was."""

    status: Status
    at: datetime.datetime


class Doubt(msgspec.Struct, frozen=True):
    """A verdict that is worse than all its checks; the components that no round has looked at since."""

    components: frozenset[str]
    status: Status
    reasons: tuple[str, ...]

    def without(self, looked: Collection[str]) -> Doubt:
        """Return what is left of it after a round that looked at some components."""
        return msgspec.structs.replace(self, components=self.components - {*looked})


class Verdicts:
    """The last verdicts, by component, and what was wrong with the last round itself."""

    def __init__(self) -> None:
        self.components: dict[str, Last] = {}
        self.problems: tuple[str, ...] = ()
        self.at: datetime.datetime | None = None
        self._health: Report | None = None
        self._checks: dict[str, tuple[CheckResult, ...]] = {}
        self._doubts: list[Doubt] = []
        self._fresh: dict[str, CheckResult] = {}
        self._looked: dict[str, float] = {}
        self._overdue: frozenset[str] = frozenset()
        self._whole: Report | None = None

    def partly(self, checks: Sequence[CheckResult]) -> None:
        """Take in checks that are done while their round still runs: shown, and not yet judged by."""
        self._fresh |= {one.id: one for one in checks}

    def checks(self) -> dict[str, tuple[CheckResult, ...]]:
        """Return every check by component: the last round's, and those that are done of this one."""
        found = {name: {one.id: one for one in ours} for name, ours in self._checks.items()}
        for one in self._fresh.values():
            found.setdefault(one.component, {})[one.id] = one
        return {name: tuple(ours.values()) for name, ours in found.items()}

    def so_far(self) -> Status | None:
        """Return the status with what is done of the round under way; None before the first."""
        if self.at is None:
            return None
        fresh = [one.status for one in self._fresh.values() if one.status is not None]
        return worst([self.status or Status.UNKNOWN, *fresh])

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the last verdicts are not to be believed as they are: what no single check says."""
        told = [one.text for one in self._problems()]
        return tuple(dict.fromkeys((*self.problems, *told, *self._emptiness())))

    def age(self, now: float, longest: Mapping[str, float]) -> None:
        """Doubt components that no round has looked at for too long.

        Args:
            now: The time, by the clock of `take`.
            longest: Seconds that a component's verdict holds.
        """
        overdue = frozenset(
            name
            for name, at in self._looked.items()
            if name in longest and name in self.components and now - at > longest[name]
        )
        if overdue != self._overdue:
            self._overdue, self._whole = overdue, None

    @property
    def version(self) -> str | None:
        """The application's version, None where it is not known."""
        return None if self._health is None else self._health.target.version

    def take(
        self,
        health: Report | None,
        problems: Sequence[str],
        at: datetime.datetime,
        looked: Collection[str] | None = None,
        now: float = 0.0,
    ) -> None:
        """Take a round's end in.

        Args:
            health: Its verdict, None where it told none.
            problems: What was wrong with the round itself.
            at: When it ended.
            looked: The components that it was to look at, None for all: of others it has only those
                checks that these require.
            now: The same time by a clock that only goes up, in seconds.
        """
        self.problems, self.at = tuple(problems), at
        self._fresh, self._whole = {}, None
        if health is None:
            self._break(looked, problems)
            return
        self._health = health
        self._doubt(health, looked)
        if problems:
            self._break(looked, problems)
        self._looked |= dict.fromkeys(looked or health.components, now)
        if looked is None and not problems:
            self._drop(self._checks.keys() - health.components.keys())
        for name in health.components:
            ours = {check.id: check for check in health.checks if check.component == name}
            if looked is not None and name not in looked:
                ours = {check.id: check for check in self._checks.get(name, ())} | ours
            self._checks[name] = tuple(ours.values())
            found = [check.status for check in ours.values() if check.status is not None]
            if found:
                self.components[name] = Last(worst(found), at)
            else:
                self.components.pop(name, None)

    def _doubt(self, health: Report, looked: Collection[str] | None) -> None:
        """Remember what no single check says, until all that it speaks of was looked at again."""
        left = [] if looked is None else [one.without(looked) for one in self._doubts]
        self._doubts = [one for one in left if one.components]
        found = [one.status for one in health.checks if one.status is not None]
        names = frozenset(looked or health.components or ("",))
        if (found or looked is None) and worst([*found, health.status]) is not worst(found):
            self._doubts.append(Doubt(names, health.status, health.reasons))
        lost = frozenset(looked or ()) - health.components.keys()
        if lost:
            told = f"no check of {', '.join(sorted(lost))} was reported"
            self._doubts.append(Doubt(lost, Status.UNKNOWN, (told,)))

    def _break(self, looked: Collection[str] | None, problems: Sequence[str]) -> None:
        """Remember that a round broke down, until what it was to look at was looked at again."""
        names = frozenset(looked or self._checks or ("",))
        covered = [one for one in self._doubts if one.components <= names]
        worse = [one for one in covered if one.status is not Status.UNKNOWN]
        others = [one for one in self._doubts if one not in covered]
        self._doubts = [*others, *worse, Doubt(names, Status.UNKNOWN, tuple(problems))]

    def _drop(self, names: Collection[str]) -> None:
        """Forget components that are no more."""
        for name in [*names]:
            self._checks.pop(name)
            self.components.pop(name, None)

    @property
    def whole(self) -> Report | None:
        """The last round's verdict with what earlier ones found of the other components."""
        if self._health is None:
            return None
        if self._whole is None:
            checks = tuple(check for ours in self._checks.values() for check in ours)
            found = derive_verdict(checks, self._problems())
            status = self.status or Status.UNKNOWN
            self._whole = msgspec.structs.replace(
                self._health,
                status=status,
                exit_code=status.exit_code,
                reasons=tuple(dict.fromkeys(found.reasons)),
                summary=make_summary(found.counts),
                components=found.components,
                checks=checks,
            )
        return self._whole

    @property
    def status(self) -> Status | None:
        """The worst of all; at least unknown where a round did not come to its end; None before the first."""
        if self.at is None:
            return None
        found = [one.status for one in self.components.values()]
        found += [one.status for one in self._problems()]
        return worst([*found, Status.UNKNOWN] if self.problems or not found else found)

    def _problems(self) -> list[RunProblem]:
        """Return what speaks against the verdict besides the checks."""
        told = [
            RunProblem(text, one.status) for one in self._doubts for text in one.reasons or ("?",)
        ]
        if self._overdue:
            names = ", ".join(sorted(self._overdue))
            told.append(RunProblem(f"no round has looked at {names} for three intervals"))
        return told

    def _emptiness(self) -> tuple[str, ...]:
        skipped = self._checks and not self.components
        return ("every check was skipped",) if skipped else ()
