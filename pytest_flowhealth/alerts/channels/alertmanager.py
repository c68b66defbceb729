"""Prometheus' Alertmanager, API v2 (its api/v2/openapi.yaml).

As Prometheus does, alerts that fire are sent again and again, each time with an end a few minutes
ahead, so that Alertmanager never takes them for over; what is over is sent once with its end.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pytest_flowhealth.alerts.channels.http import find_address, post
from pytest_flowhealth.alerts.message import Alert, Message, Origin
from pytest_flowhealth.config.alerts import Receiver

AGAIN = 60.0
"""Seconds after which what fires is sent again."""

AHEAD = datetime.timedelta(seconds=4 * AGAIN)
"""How far ahead the end of what fires is (Prometheus: four times the resend delay)."""


def send(message: Message, receiver: Receiver, environ: Mapping[str, str]) -> None:
    """Send a message's alerts.

    Raises:
        RetryableError: It may go better later.
        PermanentError: It won't.
    """
    if not message.alerts:
        _post([make_test_alert(message)], receiver, environ)
    else:
        _post([_make_alert(alert, message.origin) for alert in message.alerts], receiver, environ)


def refresh(
    alerts: Sequence[Alert], origin: Origin, receiver: Receiver, environ: Mapping[str, str]
) -> None:
    """Send alerts again that fire still.

    Args:
        alerts: What the receiver has been told of.
        origin: Where they are from.
        receiver: Its configuration.
        environ: Where its secrets are.

    Raises:
        RetryableError: It may go better later.
        PermanentError: It won't.
    """
    _post([_make_alert(alert, origin) for alert in alerts], receiver, environ)


def _post(alerts: list[dict[str, Any]], receiver: Receiver, environ: Mapping[str, str]) -> None:
    url = f"{find_address(receiver, environ).rstrip('/')}/api/v2/alerts"
    post(url, msgspec.json.encode(alerts), {}, receiver, environ)


def _make_alert(alert: Alert, origin: Origin) -> dict[str, Any]:
    end = alert.resolved or datetime.datetime.now(datetime.UTC) + AHEAD
    return {
        "labels": make_labels(alert, origin),
        "annotations": make_annotations(alert),
        "startsAt": alert.fired.isoformat(),
        "endsAt": end.isoformat(),
    }


def make_annotations(alert: Alert) -> dict[str, str]:
    """Return an alert's evidence; what is not known is left out."""
    found = {
        "summary": alert.summary,
        "description": alert.summary,
        "remedy": alert.remedy,
        "runbook_url": alert.runbook,
        "limit": alert.limit,
        "value": None if alert.value is None else f"{alert.value:g} {alert.unit or ''}".strip(),
        "blocked": ", ".join(alert.blocked),
        "since": alert.since.isoformat(),
    }
    return {name: text for name, text in found.items() if text}


def make_labels(alert: Alert, origin: Origin) -> dict[str, str]:
    """Return what Alertmanager knows an alert by: the same from its begin to its end.

    Not the severity that a check's alert may change while it fires: it is the one that a routing
    tree needs, so a change of it is another alert there, and the old one runs out by itself.
    """
    name, _, which = alert.name.partition("[")
    found = {
        "alertname": name,
        "component": alert.component,
        "severity": alert.severity,
        "kind": alert.kind,
        **msgspec.structs.asdict(origin),
    }
    return found | ({"parameters": which.removesuffix("]")} if which else {})


def make_test_alert(message: Message) -> dict[str, Any]:
    """Return an alert that ends by itself."""
    now = datetime.datetime.now(datetime.UTC)
    return {
        "labels": {
            "alertname": "FlowHealthTest",
            "severity": "info",
            **msgspec.structs.asdict(message.origin),
        },
        "annotations": {"summary": "This is a test: nothing is wrong."},
        "startsAt": now.isoformat(),
        "endsAt": (now + datetime.timedelta(minutes=1)).isoformat(),
    }
