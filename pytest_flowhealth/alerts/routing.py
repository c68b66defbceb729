"""Which receivers an alert is for, and whether it is silenced."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from pytest_flowhealth.alerts.engine import AlertInfo
from pytest_flowhealth.alerts.state import AlertRoute
from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.config.alerts import MaintenanceWindow, Receiver

DEFAULT = (Receiver(name="console", type="console"), Receiver(name="log", type="log"))
"""Who is told where nobody is configured."""


def make_router(receivers: Sequence[Receiver]) -> Callable[[AlertInfo], Sequence[AlertRoute]]:
    """Return a function that gives the receivers of an alert, by severity and component."""
    listeners = [(receiver, _make_route(receiver)) for receiver in receivers]
    return lambda subject: [
        listener for receiver, listener in listeners if _accepts(receiver, subject)
    ]


def make_silencer(
    configured: Iterable[MaintenanceWindow], made: Iterable[Silence], now: datetime.datetime
) -> Callable[[AlertInfo], bool]:
    """Return a function that tells whether an alert is silenced at `now`."""
    at = now.timestamp()
    patterns = [
        window.match
        for window in configured
        if (window.start is None or window.start <= now) and now < window.until
    ]
    patterns += [silence.pattern for silence in made if silence.begins <= at < silence.ends]
    return lambda subject: any(matches(subject.name, pattern) for pattern in patterns)


def matches(name: str, pattern: str) -> bool:
    """Tell whether an alert is meant: * and ? stand for anything; brackets are those of a parametrised check."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _accepts(receiver: Receiver, subject: AlertInfo) -> bool:
    return subject.severity in receiver.severities and (
        not receiver.components or subject.component in receiver.components
    )


def _make_route(receiver: Receiver) -> AlertRoute:
    return AlertRoute(receiver.name, receiver.remind, receiver.escalate)
