"""The state machine of one alert and its notifications; pure, time is an argument.

::

    inactive --holds--> pending --held for `for`--> firing --ended--> resolved --...--> inactive
                           |                          ^                  |
                           `---ended---> inactive     `------holds-------'  (by way of pending)

What is not known (None) changes no state: missing data neither resolves an alert nor fires one. As in
Prometheus, `for` is counted from the first time that the condition was seen to hold, and it fires at
the first look at which it still holds after that. Times are seconds of a clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from pytest_flowhealth.alerts.message import Kind

Phase = Literal["inactive", "pending", "firing", "resolved"]


class Policy(msgspec.Struct, frozen=True):
    """How an alert behaves, in seconds.

    Attributes:
        held: How long its condition must hold until it fires.
        cooldown: How long after telling a receiver that it fires, that one is not told so again.
        flap_changes: Changes between firing and not, within `flap_window`, that are too many.
        flap_window: See `flap_changes`; without a change for half of it, nothing flaps.
    """

    held: float = 0.0
    cooldown: float = 300.0
    flap_changes: int = 6
    flap_window: float = 1_800.0


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of an alert.

    Attributes:
        phase: Where it is.
        since: When its condition began to hold, pending or firing.
        fired: When it fired the last time; `ended` when that was over.
        changes: When it began or ceased to fire, as far as the flap window reaches.
        flapping: Whether that was too often.
        notified: When each receiver was last told that it fires.
        firing_sent: The receivers that were told that it fires, and not yet that it is over.
        calmed: Who was told that it flaps.
        acknowledged: Whether somebody takes care of it.
    """

    phase: Phase = "inactive"
    since: float | None = None
    fired: float | None = None
    ended: float | None = None
    changes: tuple[float, ...] = ()
    flapping: bool = False
    notified: dict[str, float] = {}
    firing_sent: tuple[str, ...] = msgspec.field(default=(), name="told")
    calmed: tuple[str, ...] = ()
    acknowledged: bool = False

    @property
    def fires(self) -> bool:
        """Whether it fires."""
        return self.phase == "firing"


class AlertRoute(msgspec.Struct, frozen=True):
    """A receiver that is told of an alert, in seconds: how often again, and only after how long."""

    name: str
    remind: float | None = None
    escalate: float | None = None


class Notification(msgspec.Struct, frozen=True):
    """That a receiver is to be told of an alert."""

    receiver: str
    kind: Kind


def step(state: State, breached: bool | None, now: float, policy: Policy) -> State:  # tri-state
    """Return the state after a look at the condition: it holds, it does not, it is not known."""
    moved = (
        state
        if breached is None
        else _apply_breach(state, now, policy)
        if breached
        else _apply_recovery(state, now)
    )
    changes = tuple(at for at in moved.changes if now - at < policy.flap_window)
    lately = bool(changes) and now - changes[-1] < policy.flap_window / 2
    flapping = lately and (state.flapping or len(changes) >= policy.flap_changes)
    settled = moved.phase == "resolved" and _compute_age(moved.ended, now) >= policy.cooldown
    return msgspec.structs.replace(
        moved,
        phase="inactive" if settled and not breached else moved.phase,
        changes=changes,
        flapping=flapping,
        calmed=moved.calmed if flapping else (),
        acknowledged=moved.acknowledged and (moved.fires or flapping),
    )


def _apply_breach(state: State, now: float, policy: Policy) -> State:
    if state.fires:
        return state
    since = state.since if state.phase == "pending" and state.since is not None else now
    if now - since < policy.held:
        return msgspec.structs.replace(state, phase="pending", since=since)
    return msgspec.structs.replace(
        state, phase="firing", since=since, fired=now, ended=None, changes=(*state.changes, now)
    )


def _apply_recovery(state: State, now: float) -> State:
    if state.fires:
        changes = (*state.changes, now)
        return msgspec.structs.replace(state, phase="resolved", ended=now, changes=changes)
    return msgspec.structs.replace(state, phase="inactive") if state.phase == "pending" else state


def notify(
    state: State,
    now: float,
    policy: Policy,
    listeners: Iterable[AlertRoute],
    *,
    silenced: bool = False,
) -> tuple[State, tuple[Notification, ...]]:
    """Return who is to be told what now, and the state after they were.

    Who was told that it fires is told that it is over, silenced or not, still listening or not.
    While it flaps, nobody is told but once that it does.
    """
    if not state.fires and not state.flapping:
        notes = tuple(Notification(name, "resolved") for name in state.firing_sent)
        return msgspec.structs.replace(state, firing_sent=()), notes
    if silenced:
        return state, ()
    found = [
        Notification(route.name, kind)
        for route in listeners
        if (kind := _choose_kind(state, now, policy, route))
    ]
    names = [notification.receiver for notification in found]
    calmed = [notification.receiver for notification in found if notification.kind == "flapping"]
    return (
        msgspec.structs.replace(
            state,
            notified={**state.notified, **dict.fromkeys(names, now)},
            firing_sent=tuple(dict.fromkeys((*state.firing_sent, *names))),
            calmed=tuple(dict.fromkeys((*state.calmed, *calmed))),
        ),
        tuple(found),
    )


def _choose_kind(state: State, now: float, policy: Policy, route: AlertRoute) -> Kind | None:
    """Return what a receiver is to be told of an alert that fires or flaps."""
    since_notified = _compute_age(state.notified.get(route.name), now)
    if since_notified < policy.cooldown or not _is_notified(state, now, route):
        return None
    if state.flapping:
        return None if route.name in state.calmed else "flapping"
    if route.name not in state.firing_sent:
        return "firing"
    if route.remind is None or state.acknowledged or since_notified < route.remind:
        return None
    return "reminder"


def _is_notified(state: State, now: float, route: AlertRoute) -> bool:
    """Tell whether it is the receiver's turn: one that escalates waits for others to acknowledge."""
    if route.escalate is None or route.name in state.firing_sent:
        return True
    return (
        not state.acknowledged and state.fires and _compute_age(state.fired, now) >= route.escalate
    )


def _compute_age(at: float | None, now: float) -> float:
    return float("inf") if at is None else now - at
