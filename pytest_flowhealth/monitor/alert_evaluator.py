"""Evaluate rounds and samples into alerts, and return the messages that are due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pytest_flowhealth.alerts import evaluation
from pytest_flowhealth.alerts.engine import AlertInfo, Engine, Observation, Timestamp, TrackedAlert
from pytest_flowhealth.alerts.message import Message, Origin
from pytest_flowhealth.alerts.recent_readings import Reading, RecentReadings
from pytest_flowhealth.alerts.routing import make_router, make_silencer
from pytest_flowhealth.alerts.rules import find_lookbacks
from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.history.run_record import RunRecord
from pytest_flowhealth.monitor.protocol import ComponentFinished
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.monitor.status_board import BoardState

GONE_AFTER = 3
"""Rounds without a check, or in which it does not apply, after which its alert is over."""


class AlertEvaluator:
    """All alerts, and what they are raised by.

    Args:
        settings: The configuration.
        origin: Where alerts are from.
        restored: The alerts from before a restart, by name.
        begun: When the monitor began, by its clock.
    """

    def __init__(
        self, settings: Settings, origin: Origin, restored: dict[str, TrackedAlert], begun: float
    ) -> None:
        self.engine = Engine(origin, make_router(settings.receivers), restored)
        self.settings = settings
        self.series = RecentReadings(find_lookbacks(settings.rules))
        self._begun = begun
        self._absent: Counter[str] = Counter()
        self._silences: list[Silence] = []

    def reconfigure(self, settings: Settings, moment: Timestamp) -> None:
        """Go by another configuration; alerts of rules that are no more are over."""
        self.settings = settings
        self.engine.listeners = make_router(settings.receivers)
        self.series.keep(find_lookbacks(settings.rules))
        names = {rule.name for rule in settings.rules}
        gone = [
            name
            for name, record in self.engine.tracked.items()
            if record.subject.kind == "rule" and name.partition("[")[0] not in names
        ]
        self.engine.resolve_removed(gone, "its rule is no more", moment)

    def add_component(self, frame: ComponentFinished, state: BoardState, moment: Timestamp) -> None:
        """Take in the checks of one component, before the round is over: what fails is told at once."""
        settings = self.settings.target.config.alerts
        blocked = {
            root: {*state.blocked.get(root, ()), *frame.blocked.get(root, ())}
            for root in {*state.blocked, *frame.blocked}
        }
        self.engine.observe(
            evaluation.evaluate_checks(frame.checks, settings, blocked, over=False), moment
        )

    def add_round(
        self,
        checks: Sequence[CheckResult],
        problems: Sequence[str],
        moment: Timestamp,
        requested: Collection[str] | None,
        state: BoardState,
    ) -> None:
        """Take in the end of a round.

        Args:
            checks: Those that it reported. The board's may be unknown for their age, which is no
                result: missing data raises and resolves no alert.
            problems: What was wrong with the round itself.
            moment: When it ended.
            requested: The components that were due; None for all.
            state: The status board's, with this round.
        """
        settings = self.settings.target.config.alerts
        self.engine.observe(
            [
                *evaluation.evaluate_checks(checks, settings, state.blocked, over=True),
                evaluation.evaluate_round(problems, settings),
            ],
            moment,
        )
        if not problems:
            self._forget(checks, moment, requested)

    def observe_parts(self, failing: Mapping[str, str], moment: Timestamp) -> None:
        """Take in which parts of the monitor are failing, and why."""
        settings = self.settings.target.config.alerts
        self.engine.observe([evaluation.evaluate_parts(failing, settings)], moment)

    def observe_delivery(self, refusals: Mapping[str, str], moment: Timestamp) -> None:
        """Take in which receivers refused their last message, and why."""
        settings = self.settings.target.config.alerts
        self.engine.observe([evaluation.evaluate_delivery(refusals, settings)], moment)

    def add_measurements(self, entry: RunRecord, moment: Timestamp) -> None:
        """Take in what a round measured."""
        named = {rule.metric.partition("[")[0] for rule in self.settings.rules}
        for measurement in entry.taken:
            if measurement.name.partition("[")[0] in named:
                self.series.add(
                    measurement.name, measurement.unit, Reading(moment.now, measurement.samples)
                )
        self._judge(moment)

    def add_samples(self, values: Mapping[str, tuple[float, str]], moment: Timestamp) -> None:
        """Take in a second's samples, and let time go by."""
        named = {rule.metric for rule in self.settings.rules}
        for name, (value, unit) in values.items():
            if name in named:
                self.series.add(name, unit, Reading(moment.now, (value,)))
        self._judge(moment)
        self.engine.tick(moment)

    def apply_requests(self, silences: Sequence[Silence], acknowledged: Mapping[str, str]) -> None:
        """Take in what people said: silences, and who takes care of what."""
        self._silences = [*silences]
        for name in acknowledged:
            record = self.engine.tracked.get(name)
            if record is not None and not record.state.acknowledged:
                self.engine.acknowledge(name)
        for name, record in [*self.engine.tracked.items()]:
            if record.state.acknowledged and name not in acknowledged:
                self.engine.withdraw_acknowledgement(name)

    def messages(self, moment: Timestamp) -> list[Message]:
        """Return what is to be told now."""
        configured = self.settings.target.config.silences
        return self.engine.messages(moment, make_silencer(configured, self._silences, moment.wall))

    def silences(self, moment: Timestamp) -> list[Silence]:
        """Return the silences that have not ended: those that people made, and the configured ones."""
        now = moment.wall.timestamp()
        configured = self.settings.target.config.silences
        found = [
            Silence(
                f"configured-{number}",
                window.match,
                0.0 if window.start is None else window.start.timestamp(),
                window.until.timestamp(),
                window.reason,
                "flowhealth.toml",
            )
            for number, window in enumerate(configured, 1)
        ]
        return [silence for silence in (*self._silences, *found) if silence.ends > now]

    def _judge(self, moment: Timestamp) -> None:
        settings = self.settings.target.config.alerts
        fresh = self.series.take_fresh()
        found: list[Observation] = evaluation.evaluate_rules(
            self.settings.rules, self.series, fresh, settings, (moment.now, self._begun)
        )
        self.engine.observe(found, moment)

    def _forget(
        self, checks: Sequence[CheckResult], moment: Timestamp, requested: Collection[str] | None
    ) -> None:
        """End the alerts of checks that are no more, or do not apply any more, after a few rounds.

        Of components that were not to be looked at, a round has only what others require.
        """
        present = {check.id: check for check in checks}
        components = {check.component for check in checks} if requested is None else {*requested}
        for name, tracked in self.engine.tracked.items():
            subject = tracked.subject
            if requested is not None and subject.component not in components:
                continue
            if subject.kind == "check":
                check = present.get(name)
                lost = check is None or (check.outcome is Outcome.SKIP and check.blocked_by is None)
            else:
                lost = subject.component not in components and self._unmeasured(subject)
            if lost:
                self._absent[name] += 1
            else:
                del self._absent[name]
        gone = [name for name, count in self._absent.items() if count >= GONE_AFTER]
        self.engine.resolve_removed(gone, "it is no longer looked at", moment)
        for name in gone:
            del self._absent[name]

    def _unmeasured(self, subject: AlertInfo) -> bool:
        """Tell whether a rule's metric has not come since the start, though it fires for its values."""
        absences = {rule.name for rule in self.settings.rules if rule.absent is not None}
        name = subject.name.partition("[")[0]
        return (
            subject.kind == "rule"
            and name not in absences
            and self.series.last(subject.metric or "") is None
        )
