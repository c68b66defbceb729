"""The alerts of a monitor: what was found goes in, what is to be told comes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from pytest_flowhealth.alerts import observing
from pytest_flowhealth.alerts.engine import Engine, Moment, Observation, Subject, Tracked
from pytest_flowhealth.alerts.message import Message, Origin
from pytest_flowhealth.alerts.routing import router, silencer
from pytest_flowhealth.alerts.rules import longest
from pytest_flowhealth.alerts.series import Reading, Series
from pytest_flowhealth.alerts.store import Hush
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.history.entry import Entry
from pytest_flowhealth.monitor.frames import Partly
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.monitor.status_board import BoardState

GONE_AFTER = 3
"""Rounds without a check, or in which it does not apply, after which its alert is over."""


class Watch:
    """All alerts, and what they are raised by.

    Args:
        settings: The configuration.
        origin: Where alerts are from.
        kept: The alerts that are remembered.
        begun: When the monitor began, by its clock.
    """

    def __init__(
        self, settings: Settings, origin: Origin, kept: dict[str, Tracked], begun: float
    ) -> None:
        self.engine = Engine(origin, router(settings.receivers), kept)
        self.settings = settings
        self.series = Series(longest(settings.rules))
        self._begun = begun
        self._absent: Counter[str] = Counter()
        self._hushes: list[Hush] = []

    def reconfigure(self, settings: Settings, moment: Moment) -> None:
        """Go by another configuration; alerts of rules that are no more are over."""
        self.settings = settings
        self.engine.listeners = router(settings.receivers)
        self.series.keep(longest(settings.rules))
        names = {one.name for one in settings.rules}
        gone = [
            name
            for name, one in self.engine.tracked.items()
            if one.subject.kind == "rule" and name.partition("[")[0] not in names
        ]
        self.engine.end(gone, "its rule is no more", moment)

    def partly(self, told: Partly, state: BoardState, moment: Moment) -> None:
        """Take in the checks of one component, before the round is over: what fails is told at once."""
        settings = self.settings.target.config.alerts
        blocked = {
            root: {*state.blocked.get(root, ()), *told.blocked.get(root, ())}
            for root in {*state.blocked, *told.blocked}
        }
        self.engine.observe(observing.of_checks(told.checks, settings, blocked, over=False), moment)

    def ended(
        self,
        names: Iterable[str],
        problems: Sequence[str],
        moment: Moment,
        looked: Collection[str] | None,
        state: BoardState,
    ) -> None:
        """Take in the end of a round.

        Args:
            names: The checks that it reported.
            problems: What was wrong with the round itself.
            moment: When it ended.
            looked: The components that were due; None for all.
            state: The status board's, with this round.
        """
        settings = self.settings.target.config.alerts
        checks = state.find(names)
        self.engine.observe(
            [
                *observing.of_checks(checks, settings, state.blocked, over=True),
                observing.of_round(problems, settings),
            ],
            moment,
        )
        if not problems:
            self._forget(checks, moment, looked)

    def delivered(self, refusals: Mapping[str, str], moment: Moment) -> None:
        """Take in which receivers refused their last message, and why."""
        settings = self.settings.target.config.alerts
        self.engine.observe([observing.of_delivery(refusals, settings)], moment)

    def measured(self, entry: Entry, moment: Moment) -> None:
        """Take in what a round measured."""
        named = {one.metric.partition("[")[0] for one in self.settings.rules}
        for one in entry.taken:
            if one.name.partition("[")[0] in named:
                self.series.add(one.name, one.unit, Reading(moment.now, one.samples))
        self._judge(moment)

    def sampled(self, values: Mapping[str, tuple[float, str]], moment: Moment) -> None:
        """Take in a second's samples, and let time go by."""
        named = {one.metric for one in self.settings.rules}
        for name, (value, unit) in values.items():
            if name in named:
                self.series.add(name, unit, Reading(moment.now, (value,)))
        self._judge(moment)
        self.engine.pass_time(moment)

    def asked(self, hushes: Sequence[Hush], acknowledged: Mapping[str, str]) -> None:
        """Take in what people said: silences, and who takes care of what."""
        self._hushes = [*hushes]
        for name in acknowledged:
            one = self.engine.tracked.get(name)
            if one is not None and not one.state.acknowledged:
                self.engine.acknowledge(name)
        for name, one in [*self.engine.tracked.items()]:
            if one.state.acknowledged and name not in acknowledged:
                self.engine.withdraw_acknowledgement(name)

    def messages(self, moment: Moment) -> list[Message]:
        """Return what is to be told now."""
        configured = self.settings.target.config.silences
        return self.engine.messages(moment, silencer(configured, self._hushes, moment.wall))

    def hushes(self, moment: Moment) -> list[Hush]:
        """Return the silences that have not ended: those that people made, and the configured ones."""
        now = moment.wall.timestamp()
        configured = self.settings.target.config.silences
        found = [
            Hush(
                f"configured-{number}",
                one.match,
                0.0 if one.start is None else one.start.timestamp(),
                one.until.timestamp(),
                one.reason,
                "flowhealth.toml",
            )
            for number, one in enumerate(configured, 1)
        ]
        return [one for one in (*self._hushes, *found) if one.ends > now]

    def _judge(self, moment: Moment) -> None:
        settings = self.settings.target.config.alerts
        fresh = self.series.take_fresh()
        found: list[Observation] = observing.of_rules(
            self.settings.rules, self.series, fresh, settings, (moment.now, self._begun)
        )
        self.engine.observe(found, moment)

    def _forget(
        self, checks: Sequence[CheckResult], moment: Moment, looked: Collection[str] | None
    ) -> None:
        """End the alerts of checks that are no more, or do not apply any more, after a few rounds.

        Of components that were not to be looked at, a round has only what others require.
        """
        present = {one.id: one for one in checks}
        components = {one.component for one in checks} if looked is None else {*looked}
        for name, tracked in self.engine.tracked.items():
            subject = tracked.subject
            if looked is not None and subject.component not in components:
                continue
            if subject.kind == "check":
                one = present.get(name)
                lost = one is None or (one.outcome is Outcome.SKIP and one.blocked_by is None)
            else:
                lost = subject.component not in components and self._unmeasured(subject)
            if lost:
                self._absent[name] += 1
            else:
                del self._absent[name]
        gone = [name for name, count in self._absent.items() if count >= GONE_AFTER]
        self.engine.end(gone, "it is no longer looked at", moment)
        for name in gone:
            del self._absent[name]

    def _unmeasured(self, subject: Subject) -> bool:
        """Tell whether a rule's metric has not come since the start, though it fires for its values."""
        absences = {one.name for one in self.settings.rules if one.absent is not None}
        name = subject.name.partition("[")[0]
        return (
            subject.kind == "rule"
            and name not in absences
            and self.series.last(subject.metric or "") is None
        )
