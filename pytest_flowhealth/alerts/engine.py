"""Update the states of alerts from observations, and make the messages about them."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from pytest_flowhealth.alerts.message import Alert, Kind, Message, Origin
from pytest_flowhealth.alerts.state import AlertRoute, Notification, Policy, State, notify, step
from pytest_flowhealth.domain.alerting import SEVERITIES, Severity

FORGOTTEN = 86_400.0
"""Seconds after which an alert that does not fire is no longer remembered."""


class AlertInfo(msgspec.Struct, frozen=True):
    """What an alert says, besides its times; the fields are those of `message.Alert`."""

    name: str
    kind: str
    component: str
    severity: Severity
    summary: str
    metric: str | None = None
    value: float | None = None
    unit: str | None = None
    limit: str | None = None
    remedy: str | None = None
    blocked: tuple[str, ...] = ()
    runbook: str | None = None


class Observation(msgspec.Struct, frozen=True):
    """A look at what may raise an alert: its condition holds, does not, or is not known (None)."""

    subject: AlertInfo
    breached: bool | None
    policy: Policy


class TrackedAlert(msgspec.Struct, frozen=True):
    """An alert that is remembered.

    Attributes:
        seen: When it was last observed, known or not.
        since: When its condition began to hold, by the calendar as it was then: clocks that are set
            later change nothing, so that it is the same when it fires and when it is resolved.
        fired: The same of when it began to fire.
    """

    subject: AlertInfo
    policy: Policy
    state: State = State()
    seen: float = 0.0
    since: datetime.datetime | None = None
    fired: datetime.datetime | None = None


class Event(msgspec.Struct, frozen=True):
    """Something that became of an alert: a phase that it went into, or a message.

    `notified` are the receivers that were notified that it fires, None if that is not known;
    `acknowledged` is who acknowledged it before it ended, None if nobody did.
    """

    at: datetime.datetime
    what: str
    alert: Alert
    notified: tuple[str, ...] | None = None
    acknowledged: str | None = None


class Timestamp(msgspec.Struct, frozen=True):
    """A time twice: of the clock that never goes back, in seconds, and of the calendar."""

    now: float
    wall: datetime.datetime

    def calendar(self, at: float | None) -> datetime.datetime:
        """Return when a time of the clock was, by the calendar as it is now."""
        return self.wall if at is None else self.wall - datetime.timedelta(seconds=self.now - at)


class Engine:
    """All alerts of one monitor.

    Args:
        origin: Where the alerts are from.
        listeners: Says which receivers an alert is for.
        restored: The alerts from before a restart, by name.
    """

    def __init__(
        self,
        origin: Origin,
        listeners: Callable[[AlertInfo], Sequence[AlertRoute]],
        restored: dict[str, TrackedAlert] | None = None,
    ) -> None:
        self.origin = origin
        self.listeners = listeners
        self.tracked: dict[str, TrackedAlert] = dict(restored or {})
        self.changed: set[str] = set()
        self.events: list[Event] = []

    def observe(self, observations: Iterable[Observation], moment: Timestamp) -> None:
        """Take looks at conditions in; an alert that nothing was heard of before begins inactive."""
        for observation in observations:
            name = observation.subject.name
            before = self.tracked.get(name)
            if before is None and not observation.breached:
                continue
            state = step(
                before.state if before else State(),
                observation.breached,
                moment.now,
                observation.policy,
            )
            fresh = observation.breached or before is None
            subject = observation.subject if fresh or before is None else before.subject
            self._keep(
                name, TrackedAlert(subject, observation.policy, state, moment.now), before, moment
            )

    def tick(self, moment: Timestamp) -> None:
        """Let time go by for alerts that nothing new is known of: flapping ends, old ones are forgotten."""
        for name, record in [*self.tracked.items()]:
            if (
                record.state.phase == "inactive"
                and not record.state.firing_sent
                and not record.state.flapping
            ):
                if moment.now - record.seen > FORGOTTEN and not _is_cooling_down(
                    record, moment.now
                ):
                    del self.tracked[name]
                    self.changed.add(name)
                continue
            state = step(record.state, None, moment.now, record.policy)
            self._keep(name, msgspec.structs.replace(record, state=state), record, moment)

    def resolve_removed(self, names: Collection[str], why: str, moment: Timestamp) -> None:
        """End alerts whose check or rule is no more."""
        for name in names:
            record = self.tracked.get(name)
            if record is None or not (_is_active(record.state) or record.state.phase == "pending"):
                continue
            subject = msgspec.structs.replace(
                record.subject, summary=f"{record.subject.summary} ({why})"
            )
            state = step(record.state, breached=False, now=moment.now, policy=record.policy)
            calm = msgspec.structs.replace(
                state, flapping=False, changes=(), calmed=(), acknowledged=False
            )
            self._keep(
                name, msgspec.structs.replace(record, subject=subject, state=calm), record, moment
            )

    def acknowledge(self, name: str) -> bool:
        """Note that somebody takes care of an alert; return whether it fires."""
        record = self.tracked.get(name)
        if record is None or not (record.state.fires or record.state.flapping):
            return False
        state = msgspec.structs.replace(record.state, acknowledged=True)
        self.tracked[name] = msgspec.structs.replace(record, state=state)
        self.changed.add(name)
        return True

    def withdraw_acknowledgement(self, name: str) -> None:
        """Note that nobody takes care of an alert any more."""
        record = self.tracked[name]
        state = msgspec.structs.replace(record.state, acknowledged=False)
        self.tracked[name] = msgspec.structs.replace(record, state=state)
        self.changed.add(name)

    def messages(self, moment: Timestamp, silenced: Callable[[AlertInfo], bool]) -> list[Message]:
        """Return what is to be told now: one message for each receiver, component and kind."""
        groups: dict[tuple[str, Kind, str], list[Alert]] = {}
        for name, record in [*self.tracked.items()]:
            state, notes = self._notes(record, moment, silenced)
            if state is record.state:
                continue
            self._keep(name, msgspec.structs.replace(record, state=state), record, moment)
            for note in notes:
                key = (note.receiver, note.kind, record.subject.component)
                alert = make_alert(self.tracked[name], moment)
                if note.kind == "flapping":  # for its receivers it is not over
                    alert = msgspec.structs.replace(alert, state="firing", resolved=None)
                groups.setdefault(key, []).append(alert)
        return [self._message(key, groups[key], moment) for key in sorted(groups)]

    def _notes(
        self, record: TrackedAlert, moment: Timestamp, silenced: Callable[[AlertInfo], bool]
    ) -> tuple[State, tuple[Notification, ...]]:
        if not _is_active(record.state):
            return record.state, ()
        return notify(
            record.state,
            moment.now,
            record.policy,
            self.listeners(record.subject),
            silenced=silenced(record.subject),
        )

    def firing(self) -> list[TrackedAlert]:
        """Return the alerts that fire, the worst first."""
        found = [record for record in self.tracked.values() if record.state.fires]
        return sorted(found, key=lambda record: _make_sort_key(record.subject))

    def _keep(
        self, name: str, record: TrackedAlert, before: TrackedAlert | None, moment: Timestamp
    ) -> None:
        record = _set_calendar_times(record, before, moment)
        self.tracked[name] = record
        if before is not None and before.state == record.state:
            if before.subject != record.subject:
                self.changed.add(name)  # after a restart its newest evidence is told, too
            return
        self.changed.add(name)
        phase = before.state.phase if before else "inactive"
        if phase != record.state.phase:
            notified = tuple(sorted(before.state.firing_sent)) if before else ()
            alert = make_alert(record, moment)
            self.events.append(Event(moment.wall, record.state.phase, alert, notified))

    def _message(
        self, key: tuple[str, Kind, str], alerts: Sequence[Alert], moment: Timestamp
    ) -> Message:
        receiver, kind, component = key
        return Message(
            id=uuid.uuid4().hex,
            kind=kind,
            receiver=receiver,
            group=component,
            at=moment.wall,
            host=self.origin.host,
            target=self.origin.target,
            instance=self.origin.instance,
            alerts=tuple(sorted(alerts, key=_make_sort_key)),
        )


def _make_sort_key(alert: AlertInfo | Alert) -> tuple[int, str]:
    """Return a key to sort by: the worst first, then by name."""
    return -SEVERITIES.index(alert.severity), alert.name


def _is_active(state: State) -> bool:
    """Tell whether receivers are told of it, or were and are not yet told its end."""
    return state.fires or state.flapping or bool(state.firing_sent)


def _is_cooling_down(record: TrackedAlert, now: float) -> bool:
    """Tell whether a cooldown still keeps a receiver from being told of it."""
    return any(now - at < record.policy.cooldown for at in record.state.notified.values())


def make_alert(record: TrackedAlert, moment: Timestamp) -> Alert:
    """Return an alert as receivers get it."""
    since = record.since or moment.wall
    return Alert(
        **msgspec.structs.asdict(record.subject),
        state="firing" if record.state.fires else "resolved",
        since=since,
        fired=record.fired or since,
        resolved=None if record.state.fires else moment.calendar(record.state.ended),
        flapping=record.state.flapping,
    )


def _set_calendar_times(
    record: TrackedAlert, before: TrackedAlert | None, moment: Timestamp
) -> TrackedAlert:
    """Return an alert with the calendar's times of its begin, taken when they are new."""
    old = before or TrackedAlert(record.subject, record.policy)
    since, fired = old.since, old.fired
    if since is None or record.state.since != old.state.since:
        since = None if record.state.since is None else moment.calendar(record.state.since)
    if fired is None or record.state.fired != old.state.fired:
        fired = None if record.state.fired is None else moment.calendar(record.state.fired)
    return msgspec.structs.replace(record, since=since, fired=fired)
