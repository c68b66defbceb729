"""A real Alertmanager on loopback: firing and resolved, its own repetition, its restart."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.alerts.channels import alertmanager
from pytest_flowhealth.alerts.channels.errors import RetryableError
from pytest_flowhealth.alerts.message import Alert, Message
from pytest_flowhealth.config.alerts import Receiver
from tests.kit.alerts import ALERT, MESSAGE, ORIGIN
from tests.kit.metric_servers import MetricServer, alertmanager_server
from tests.kit.waiting import wait_for
from tests.kit.webhook import WebhookServer


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    with WebhookServer() as found:
        yield found


@pytest.fixture
def manager(tmp_path: Path, hook: WebhookServer) -> Iterator[MetricServer]:
    with alertmanager_server(tmp_path / "alertmanager", hook.url) as found:
        yield found


@pytest.fixture
def receiver(manager: MetricServer) -> Receiver:
    return Receiver(name="am", type="alertmanager", url=manager.url)


def notified(hook: WebhookServer) -> set[tuple[str, str]]:
    """Return what Alertmanager has notified of: state and name of each alert."""
    return {
        (alert["status"], alert["labels"]["alertname"])
        for request in [*hook.requests]
        for alert in request.json["alerts"]
    }


def wait_until_notified(hook: WebhookServer, *wanted: tuple[str, str]) -> None:
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
    manager: MetricServer, receiver: Receiver, hook: WebhookServer
) -> None:
    alert = begun("redis.connect")
    alertmanager.send(message(alert), receiver, {})
    wait_until_notified(hook, ("firing", "redis.connect"))
    (found,) = manager.get("/api/v2/alerts")
    assert found["annotations"]["remedy"] == ALERT.remedy
    assert found["labels"]["severity"] == "critical"

    alertmanager.refresh([alert], ORIGIN, receiver, {})

    wait_for(lambda: manager.get("/api/v2/alerts")[0]["endsAt"] > found["endsAt"])
    assert alertmanager.AHEAD.total_seconds() >= 2 * alertmanager.AGAIN


def test_alert_resolves_though_alertmanager_was_restarted(
    manager: MetricServer, receiver: Receiver, hook: WebhookServer
) -> None:
    alert = begun("redis.connect")
    alertmanager.send(message(alert), receiver, {})
    wait_until_notified(hook, ("firing", "redis.connect"))
    manager.stop()
    with pytest.raises(RetryableError, match="connection refused"):
        alertmanager.send(message(ended(alert)), receiver, {})
    manager.start()

    alertmanager.refresh([alert], ORIGIN, receiver, {})
    alertmanager.send(message(ended(alert)), receiver, {})

    wait_until_notified(hook, ("resolved", "redis.connect"))
