"""Puts observations, states and receivers together: what becomes of alerts, and what is told of them."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec

from pytest_flowhealth.alerts.message import Alert, Kind, Message
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
    """An alert that is remembered; `seen` is when it was last observed, known or not."""

    subject: Subject
    policy: Policy
    state: State = State()
    seen: float = 0.0


class Event(msgspec.Struct, frozen=True):
    """Something that became of an alert: a phase that it went into, or a message."""

    at: datetime.datetime
    what: str
    alert: Alert


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
        host: The machine's name; `target` the application's.
        listeners: Says which receivers an alert is for.
        kept: What is remembered from before, by name.
    """

    def __init__(
        self,
        host: str,
        target: str,
        listeners: Callable[[Subject], Sequence[Listener]],
        kept: dict[str, Tracked] | None = None,
    ) -> None:
        self.host, self.target = host, target
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
                groups.setdefault(key, []).append(told(one, moment))
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
        self.tracked[name] = one
        if before is not None and before.state == one.state:
            if before.subject != one.subject:
                self.changed.add(name)  # after a restart its newest evidence is told, too
            return
        self.changed.add(name)
        phase = before.state.phase if before else "inactive"
        if phase != one.state.phase:
            self.events.append(Event(moment.wall, one.state.phase, told(one, moment)))

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
            host=self.host,
            target=self.target,
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


def told(one: Tracked, moment: Moment) -> Alert:
    """Return an alert as it is told."""
    fires = one.state.fires or one.state.flapping
    since = moment.calendar(one.state.since)
    fired = since if one.state.fired is None else moment.calendar(one.state.fired)
    return Alert(
        **msgspec.structs.asdict(one.subject),
        state="firing" if fires else "resolved",
        since=since,
        fired=fired,
        resolved=None if fires else moment.calendar(one.state.ended),
        flapping=one.state.flapping,
    )
