"""Incidents: outages, each from its first alert event to its last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_flowhealth.alerts.engine import Event, TrackedAlert
from pytest_flowhealth.web import schemas

_OVER = ("resolved", "inactive")


def list_incidents(
    events: Iterable[Event],
    tracked: Mapping[str, TrackedAlert],
    acknowledged: Mapping[str, str],
) -> list[schemas.Incident]:
    """Return the incidents that events tell of, the newest first.

    Args:
        events: The newest first, in the order in which they were written: their times are the
            calendar's, which may have been set back between two of them.
        tracked: The alerts as they are now, which know who was notified.
        acknowledged: Who acknowledged which of them.
    """
    open_: dict[str, list[Event]] = {}
    found = []
    for event in reversed([*events]):
        own = open_.setdefault(event.alert.name, [])
        own.append(event)
        if event.what in _OVER:
            own = open_.pop(event.alert.name)
            found += _incident(own, event.notified, event.acknowledged)
    for name, own in open_.items():
        now = tracked.get(name)
        notified = None if now is None else now.state.firing_sent
        found += _incident(own, notified, acknowledged.get(name))
    return sorted(found, key=lambda incident: incident.since, reverse=True)


def _incident(
    events: Sequence[Event], notified: Sequence[str] | None, acknowledged: str | None
) -> list[schemas.Incident]:
    """Return the incident of one alert's events, none if it never fired."""
    fired = [event for event in events if event.what == "firing"]
    if not fired:
        return []
    last = events[-1]
    alert = fired[-1].alert
    ended = last.at.timestamp() if last.what in _OVER else None
    since = alert.since.timestamp()
    return [
        schemas.Incident(
            alert=alert.name,
            component=alert.component,
            kind=alert.kind,
            severity=alert.severity,
            since=since,
            until=ended,
            seconds=None if ended is None else max(0.0, ended - since),
            cause=alert.summary,
            blocked=[*alert.blocked],
            notified=None if notified is None else sorted(notified),
            acknowledged=acknowledged,
        )
    ]
