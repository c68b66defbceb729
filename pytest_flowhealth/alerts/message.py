"""Messages to receivers, each with one or several alerts."""

from __future__ import annotations

import datetime
import uuid
from typing import Literal

import msgspec

from pytest_flowhealth.domain.alerting import Severity

BRIEF = 200
"""Characters of each text in a message that was too large for its receiver."""

Kind = Literal["firing", "reminder", "flapping", "resolved", "test"]
"""Why there is a message: it began to fire, fires still, changes too often, is over; or a test."""


class Alert(msgspec.Struct, frozen=True):
    """One alert as it is told, with its evidence.

    Attributes:
        name: The check's id, the rule's name (in brackets which of several metrics), `monitor.round`.
        kind: What raised it.
        component: What it speaks of.
        severity: How bad it is.
        state: Whether it fires, or is over.
        summary: One sentence.
        since: Since when the condition holds (UTC); `fired` when it fired, `resolved` its end.
        metric: What a rule judges; None for a check.
        value: What was measured, in `unit`; None for a check, and where nothing was.
        limit: The limit in words: `above 85 %`.
        remedy: What to type.
        blocked: The checks that could not run for it.
        runbook: Where it says what to do.
        silenced, acknowledged, flapping: Which of these it is.
    """

    name: str
    kind: Literal["check", "rule", "monitor", "test"]
    component: str
    severity: Severity
    state: Literal["firing", "resolved"]
    summary: str
    since: datetime.datetime
    fired: datetime.datetime
    resolved: datetime.datetime | None = None
    metric: str | None = None
    value: float | None = None
    unit: str | None = None
    limit: str | None = None
    remedy: str | None = None
    blocked: tuple[str, ...] = ()
    runbook: str | None = None
    flapping: bool = False


class Origin(msgspec.Struct, frozen=True):
    """Where alerts are from: the machine, the application, and which checkout of it."""

    host: str
    target: str
    instance: str


class Message(msgspec.Struct, frozen=True):
    """What one receiver is told at once: alerts of one component that began, or ended, together.

    Attributes:
        id: The same at every attempt: what came twice is known by it.
        kind: Why it is sent.
        receiver: Its name.
        group: The component; messages to one receiver about one component keep their order.
        at: When it was made (UTC).
        host: The machine; `target` the application, `instance` which checkout of it.
        alerts: At least one, except for a test.
    """

    id: str
    kind: Kind
    receiver: str
    group: str
    at: datetime.datetime
    host: str
    target: str
    alerts: tuple[Alert, ...] = ()
    instance: str = ""

    @property
    def origin(self) -> Origin:
        """Where its alerts are from."""
        return Origin(self.host, self.target, self.instance)

    @property
    def severity(self) -> Severity:
        """The worst of its alerts; "info" for a test."""
        present = {alert.severity for alert in self.alerts}
        order: tuple[Severity, ...] = ("critical", "warning")
        return next((severity for severity in order if severity in present), "info")


def shorten(message: Message) -> Message:
    """Return a message with only the beginning of what its alerts say, for a receiver of short ones."""
    alerts = tuple(
        msgspec.structs.replace(
            alert,
            summary=alert.summary[:BRIEF],
            remedy=alert.remedy and alert.remedy[:BRIEF],
            blocked=alert.blocked[:5],
        )
        for alert in message.alerts
    )
    return msgspec.structs.replace(message, alerts=alerts)


def make_test_messages(
    receiver: str, origin: Origin, at: datetime.datetime
) -> tuple[Message, Message]:
    """Return a short and a long test message for a receiver.

    The long one is longer than chat services accept, as that of an outage may be.
    """
    alerts = tuple(
        Alert(
            name=f"test.alert[{number}]",
            kind="test",
            component="test",
            severity="info",
            state="firing",
            summary=f"this is a test, nothing is wrong: {'a long sentence about it ' * 10}".strip(),
            since=at,
            fired=at,
        )
        for number in range(1, 13)
    )
    short = Message(
        id=uuid.uuid4().hex,
        kind="test",
        receiver=receiver,
        group="test",
        at=at,
        host=origin.host,
        target=origin.target,
        instance=origin.instance,
    )
    return short, msgspec.structs.replace(short, id=uuid.uuid4().hex, alerts=alerts)
