"""Which receivers an alert is for, and whether it is silenced."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from pytest_flowhealth.alerts.engine import AlertInfo
from pytest_flowhealth.alerts.state import AlertRoute
from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.config.alerts import MaintenanceWindow, Receiver
from pytest_flowhealth.domain.units import parse_duration

DEFAULT = (Receiver(name="console", type="console"), Receiver(name="log", type="log"))
"""Who is told where nobody is configured."""


def router(receivers: Sequence[Receiver]) -> Callable[[AlertInfo], Sequence[AlertRoute]]:
    """Return a function that gives the receivers of an alert, by severity and component."""
    listeners = [(one, _listener(one)) for one in receivers]
    return lambda subject: [
        listener for receiver, listener in listeners if _concerns(receiver, subject)
    ]


def silencer(
    configured: Iterable[MaintenanceWindow], made: Iterable[Silence], now: datetime.datetime
) -> Callable[[AlertInfo], bool]:
    """Return a function that tells whether an alert is silenced at `now`."""
    at = now.timestamp()
    patterns = [
        one.match
        for one in configured
        if (one.start is None or one.start <= now) and now < one.until
    ]
    patterns += [one.pattern for one in made if one.begins <= at < one.ends]
    return lambda subject: any(matches(subject.name, one) for one in patterns)


def matches(name: str, pattern: str) -> bool:
    """Tell whether an alert is meant: * and ? stand for anything; brackets are those of a parametrised check."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _concerns(receiver: Receiver, subject: AlertInfo) -> bool:
    return subject.severity in receiver.severities and (
        not receiver.components or subject.component in receiver.components
    )


def _listener(one: Receiver) -> AlertRoute:
    remind = None if one.remind is None else parse_duration(one.remind)
    escalate = None if one.escalate is None else parse_duration(one.escalate)
    return AlertRoute(one.name, remind, escalate)
