"""A real Alertmanager on loopback: firing and resolved, its own repetition, its restart."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.alerts.channels import alertmanager
from pytest_flowhealth.alerts.channels.failure import Unavailable
from pytest_flowhealth.alerts.message import Alert, Message
from pytest_flowhealth.config.alerts import Receiver
from tests.kit.alerts import ALERT, MESSAGE
from tests.kit.metric_servers import MetricServer, alertmanager_server
from tests.kit.waiting import wait_for
from tests.kit.webhook import Server, receiving


@pytest.fixture
def hook() -> Iterator[Server]:
    with receiving() as found:
        yield found


@pytest.fixture
def manager(tmp_path: Path, hook: Server) -> Iterator[MetricServer]:
    with alertmanager_server(tmp_path / "alertmanager", hook.url) as found:
        yield found


@pytest.fixture
def receiver(manager: MetricServer) -> Receiver:
    return Receiver(name="am", type="alertmanager", url=manager.url)


def notified(hook: Server) -> set[tuple[str, str]]:
    """Return what Alertmanager has notified of: state and name of each alert."""
    return {
        (alert["status"], alert["labels"]["alertname"])
        for request in [*hook.requests]
        for alert in request.json["alerts"]
    }


def wait_until_notified(hook: Server, *wanted: tuple[str, str]) -> None:
    wait_for(lambda: {*wanted} <= notified(hook), message=lambda: {*wanted} - notified(hook))


def message(alert: Alert) -> Message:
    kind = "firing" if alert.resolved is None else "resolved"
    return msgspec.structs.replace(MESSAGE, alerts=(alert,), kind=kind)


def begun(name: str) -> Alert:
    now = datetime.datetime.now(datetime.UTC)
    return msgspec.structs.replace(ALERT, name=name, since=now, fired=now)


def ended(alert: Alert) -> Alert:
    return msgspec.structs.replace(
        alert, state="resolved", resolved=datetime.datetime.now(datetime.UTC)
    )


def test_alert_fires_with_remedy_and_severity_and_is_extended_before_it_expires(
    manager: MetricServer, receiver: Receiver, hook: Server
) -> None:
    alert = begun("redis.connect")
    alertmanager.send(message(alert), receiver, {})
    wait_until_notified(hook, ("firing", "redis.connect"))
    (found,) = manager.get("/api/v2/alerts")
    assert found["annotations"]["remedy"] == ALERT.remedy
    assert found["labels"]["severity"] == "critical"

    alertmanager.refresh([alert], ("host", "shop"), receiver, {})

    wait_for(lambda: manager.get("/api/v2/alerts")[0]["endsAt"] > found["endsAt"])
    assert alertmanager.AHEAD.total_seconds() >= 2 * alertmanager.AGAIN


def test_alert_resolves_though_alertmanager_was_restarted(
    manager: MetricServer, receiver: Receiver, hook: Server
) -> None:
    alert = begun("redis.connect")
    alertmanager.send(message(alert), receiver, {})
    wait_until_notified(hook, ("firing", "redis.connect"))
    manager.stop()
    with pytest.raises(Unavailable, match="connection refused"):
        alertmanager.send(message(ended(alert)), receiver, {})
    manager.start()

    alertmanager.refresh([alert], ("host", "shop"), receiver, {})
    alertmanager.send(message(ended(alert)), receiver, {})

    wait_until_notified(hook, ("resolved", "redis.connect"))


def test_two_hundred_alerts_that_begin_and_end_in_any_order_are_all_notified(
    receiver: Receiver, hook: Server
) -> None:
    chance = random.Random(11)
    open_: dict[str, Alert] = {}
    names = [f"check{number}" for number in range(200)]
    for name in names:
        open_[name] = begun(name)
        alertmanager.send(message(open_[name]), receiver, {})
        if chance.random() < 0.5:
            over = chance.choice(sorted(open_))
            wait_until_notified(hook, ("firing", over))
            alertmanager.send(message(ended(open_.pop(over))), receiver, {})
    wait_until_notified(hook, *(("firing", name) for name in names))
    for alert in open_.values():
        alertmanager.send(message(ended(alert)), receiver, {})

    wait_until_notified(hook, *(("resolved", name) for name in names))
