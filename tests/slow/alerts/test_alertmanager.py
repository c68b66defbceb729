"""A real Alertmanager on loopback: what fires and what is over, its own repetition, its restart."""

import datetime
import json
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import requests

from pytest_flowhealth.alerts.channels import alertmanager
from pytest_flowhealth.alerts.channels.failure import Unavailable
from pytest_flowhealth.alerts.message import Alert, Message
from pytest_flowhealth.config.alerts import Receiver
from tests.alerts.test_channels import ALERT, MESSAGE
from tests.kit.redis import free_port
from tests.kit.webhook import Server, receiving

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Alertmanager is installed (apt)")


class Alertmanager:
    """A real one, that tells a webhook of ours at once."""

    def __init__(self, folder: Path, hook: str) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(exist_ok=True)
        (folder / "am.yml").write_text(
            f"""
route: {{receiver: ours, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: ours, webhook_configs: [{{url: '{hook}', send_resolved: true}}]}}]
"""
        )
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                PROGRAM or "",
                f"--config.file={self.folder}/am.yml",
                f"--storage.path={self.folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                if requests.get(f"{self.url}/-/ready", timeout=1).ok:
                    return
            except requests.RequestException:
                time.sleep(0.05)
        raise AssertionError("Alertmanager did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def receiver(self) -> Receiver:
        return Receiver(name="am", type="alertmanager", url=self.url)

    def firing(self) -> set[str]:
        found = requests.get(f"{self.url}/api/v2/alerts", timeout=5).json()
        return {one["labels"]["alertname"] for one in found}


@pytest.fixture
def server() -> Iterator[Server]:
    with receiving() as found:
        yield found


@pytest.fixture
def manager(tmp_path: Path, server: Server) -> Iterator[Alertmanager]:
    found = Alertmanager(tmp_path / "am", server.url)
    yield found
    found.stop()


def told(server: Server) -> list[tuple[str, str]]:
    """Return what Alertmanager has told: state and name of each alert."""
    return [
        (one["status"], one["labels"]["alertname"])
        for _, _, content in server.requests
        for one in json.loads(content)["alerts"]
    ]


def wait_for(server: Server, wanted: set[tuple[str, str]], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not wanted <= set(told(server)):
        assert time.monotonic() < end, wanted - set(told(server))
        time.sleep(0.05)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def message(alert: Alert) -> Message:
    kind = "firing" if alert.resolved is None else "resolved"
    return msgspec.structs.replace(MESSAGE, alerts=(alert,), kind=kind)


def begun(name: str) -> Alert:
    return msgspec.structs.replace(ALERT, name=name, since=now(), fired=now())


def ended(alert: Alert) -> Alert:
    return msgspec.structs.replace(alert, state="resolved", resolved=now())


def test_what_fires_and_its_end(manager: Alertmanager, server: Server) -> None:
    alert = begun("redis.connect")

    alertmanager.send(message(alert), manager.receiver, {})
    wait_for(server, {("firing", "redis.connect")})
    found = requests.get(f"{manager.url}/api/v2/alerts", timeout=5).json()
    alertmanager.send(message(ended(alert)), manager.receiver, {})
    wait_for(server, {("resolved", "redis.connect")})

    assert found[0]["annotations"]["remedy"] == ALERT.remedy
    assert found[0]["labels"]["severity"] == "critical"


def test_it_is_told_again_before_it_takes_it_for_over(manager: Alertmanager) -> None:
    alert = begun("redis.connect")
    alertmanager.send(message(alert), manager.receiver, {})

    def end() -> str:
        (found,) = requests.get(f"{manager.url}/api/v2/alerts", timeout=5).json()
        return str(found["endsAt"])

    first = end()
    time.sleep(1.1)
    alertmanager.refresh([alert], ("host", "shop"), manager.receiver, {})

    assert end() > first
    assert alertmanager.AHEAD.total_seconds() >= 2 * alertmanager.AGAIN


def test_a_restart_of_alertmanager_forgets_nothing(manager: Alertmanager, server: Server) -> None:
    alert = begun("redis.connect")
    alertmanager.send(message(alert), manager.receiver, {})
    wait_for(server, {("firing", "redis.connect")})
    manager.stop()
    with pytest.raises(Unavailable, match="connection refused"):
        alertmanager.send(message(ended(alert)), manager.receiver, {})
    manager.start()

    alertmanager.refresh([alert], ("host", "shop"), manager.receiver, {})
    alertmanager.send(message(ended(alert)), manager.receiver, {})

    wait_for(server, {("resolved", "redis.connect")})


def test_a_random_replay_loses_nothing(manager: Alertmanager, server: Server) -> None:
    """Two hundred alerts that begin and end in any order: each is heard of, and each end."""
    chance = random.Random(11)
    open_: dict[str, Alert] = {}
    names = [f"check{number}" for number in range(200)]
    for name in names:
        open_[name] = begun(name)
        alertmanager.send(message(open_[name]), manager.receiver, {})
        if open_ and chance.random() < 0.5:
            over = chance.choice(sorted(open_))
            wait_for(server, {("firing", over)})
            alertmanager.send(message(ended(open_.pop(over))), manager.receiver, {})
    wait_for(server, {("firing", name) for name in names}, 60)
    for alert in open_.values():
        alertmanager.send(message(ended(alert)), manager.receiver, {})

    wait_for(server, {("resolved", name) for name in names}, 60)
