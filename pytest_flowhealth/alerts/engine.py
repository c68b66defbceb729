"""Puts observations, states and receivers together: what becomes of alerts, and what is told of them."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from pytest_flowhealth.alerts.message import Alert, Kind, Message, Origin
from pytest_flowhealth.alerts.state import Listener, Note, Policy, State, notify, step
from pytest_flowhealth.domain.alerting import SEVERITIES, Severity

FORGOTTEN = 86_400.0
"""Seconds after which an alert that does not fire is no longer remembered."""


class Subject(msgspec.Struct, frozen=True):
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

    subject: Subject
    breached: bool | None
    policy: Policy


class Tracked(msgspec.Struct, frozen=True):
    """An alert that is remembered.

    Attributes:
        seen: When it was last observed, known or not.
        since: When its condition began to hold, by the calendar as it was then: clocks that are set
            later change nothing, so that it is the same when it fires and when it is resolved.
        fired: The same of when it began to fire.
    """

    subject: Subject
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


class Moment(msgspec.Struct, frozen=True):
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
        kept: What is remembered from before, by name.
    """

    def __init__(
        self,
        origin: Origin,
        listeners: Callable[[Subject], Sequence[Listener]],
        kept: dict[str, Tracked] | None = None,
    ) -> None:
        self.origin = origin
        self.listeners = listeners
        self.tracked: dict[str, Tracked] = dict(kept or {})
        self.changed: set[str] = set()
        self.events: list[Event] = []

    def observe(self, observations: Iterable[Observation], moment: Moment) -> None:
        """Take looks at conditions in; an alert that nothing was heard of before begins inactive."""
        for one in observations:
            name = one.subject.name
            before = self.tracked.get(name)
            if before is None and not one.breached:
                continue
            state = step(before.state if before else State(), one.breached, moment.now, one.policy)
            fresh = one.breached or before is None
            subject = one.subject if fresh or before is None else before.subject
            self._keep(name, Tracked(subject, one.policy, state, moment.now), before, moment)

    def pass_time(self, moment: Moment) -> None:
        """Let time go by for alerts that nothing new is known of: flapping ends, old ones are forgotten."""
        for name, one in [*self.tracked.items()]:
            if one.state.phase == "inactive" and not one.state.told and not one.state.flapping:
                if moment.now - one.seen > FORGOTTEN and not _pauses(one, moment.now):
                    del self.tracked[name]
                    self.changed.add(name)
                continue
            state = step(one.state, None, moment.now, one.policy)
            self._keep(name, msgspec.structs.replace(one, state=state), one, moment)

    def end(self, names: Collection[str], why: str, moment: Moment) -> None:
        """End alerts whose check or rule is no more."""
        for name in names:
            one = self.tracked.get(name)
            if one is None or not (_lives(one.state) or one.state.phase == "pending"):
                continue
            subject = msgspec.structs.replace(one.subject, summary=f"{one.subject.summary} ({why})")
            state = step(one.state, breached=False, now=moment.now, policy=one.policy)
            calm = msgspec.structs.replace(
                state, flapping=False, changes=(), calmed=(), acknowledged=False
            )
            self._keep(name, msgspec.structs.replace(one, subject=subject, state=calm), one, moment)

    def acknowledge(self, name: str) -> bool:
        """Note that somebody takes care of an alert; return whether it fires."""
        one = self.tracked.get(name)
        if one is None or not (one.state.fires or one.state.flapping):
            return False
        state = msgspec.structs.replace(one.state, acknowledged=True)
        self.tracked[name] = msgspec.structs.replace(one, state=state)
        self.changed.add(name)
        return True

    def withdraw_acknowledgement(self, name: str) -> None:
        """Note that nobody takes care of an alert any more."""
        one = self.tracked[name]
        state = msgspec.structs.replace(one.state, acknowledged=False)
        self.tracked[name] = msgspec.structs.replace(one, state=state)
        self.changed.add(name)

    def messages(self, moment: Moment, silenced: Callable[[Subject], bool]) -> list[Message]:
        """Return what is to be told now: one message for each receiver, component and kind."""
        groups: dict[tuple[str, Kind, str], list[Alert]] = {}
        for name, one in [*self.tracked.items()]:
            state, notes = self._notes(one, moment, silenced)
            if state is one.state:
                continue
            self._keep(name, msgspec.structs.replace(one, state=state), one, moment)
            for note in notes:
                key = (note.receiver, note.kind, one.subject.component)
                alert = make_alert(self.tracked[name], moment)
                if note.kind == "flapping":  # for its receivers it is not over
                    alert = msgspec.structs.replace(alert, state="firing", resolved=None)
                groups.setdefault(key, []).append(alert)
        return [self._message(key, groups[key], moment) for key in sorted(groups)]

    def _notes(
        self, one: Tracked, moment: Moment, silenced: Callable[[Subject], bool]
    ) -> tuple[State, tuple[Note, ...]]:
        if not _lives(one.state):
            return one.state, ()
        return notify(
            one.state,
            moment.now,
            one.policy,
            self.listeners(one.subject),
            silenced=silenced(one.subject),
        )

    def firing(self) -> list[Tracked]:
        """Return the alerts that fire, the worst first."""
        found = [one for one in self.tracked.values() if one.state.fires]
        return sorted(found, key=lambda one: _worst(one.subject))

    def _keep(self, name: str, one: Tracked, before: Tracked | None, moment: Moment) -> None:
        one = _date(one, before, moment)
        self.tracked[name] = one
        if before is not None and before.state == one.state:
            if before.subject != one.subject:
                self.changed.add(name)  # after a restart its newest evidence is told, too
            return
        self.changed.add(name)
        phase = before.state.phase if before else "inactive"
        if phase != one.state.phase:
            notified = tuple(sorted(before.state.told)) if before else ()
            alert = make_alert(one, moment)
            self.events.append(Event(moment.wall, one.state.phase, alert, notified))

    def _message(
        self, key: tuple[str, Kind, str], alerts: Sequence[Alert], moment: Moment
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
            alerts=tuple(sorted(alerts, key=_worst)),
        )


def _worst(one: Subject | Alert) -> tuple[int, str]:
    """Return a key to sort by: the worst first, then by name."""
    return -SEVERITIES.index(one.severity), one.name


def _lives(state: State) -> bool:
    """Tell whether receivers are told of it, or were and are not yet told its end."""
    return state.fires or state.flapping or bool(state.told)


def _pauses(one: Tracked, now: float) -> bool:
    """Tell whether a cooldown still keeps a receiver from being told of it."""
    return any(now - at < one.policy.cooldown for at in one.state.notified.values())


def make_alert(one: Tracked, moment: Moment) -> Alert:
    """Return an alert as receivers get it."""
    since = one.since or moment.wall
    return Alert(
        **msgspec.structs.asdict(one.subject),
        state="firing" if one.state.fires else "resolved",
        since=since,
        fired=one.fired or since,
        resolved=None if one.state.fires else moment.calendar(one.state.ended),
        flapping=one.state.flapping,
    )


def _date(one: Tracked, before: Tracked | None, moment: Moment) -> Tracked:
    """Return an alert with the calendar's times of its begin, taken when they are new."""
    old = before or Tracked(one.subject, one.policy)
    since, fired = old.since, old.fired
    if since is None or one.state.since != old.state.since:
        since = None if one.state.since is None else moment.calendar(one.state.since)
    if fired is None or one.state.fired != old.state.fired:
        fired = None if one.state.fired is None else moment.calendar(one.state.fired)
    return msgspec.structs.replace(one, since=since, fired=fired)
