"""A real VictoriaMetrics: written, away for a while, back again: no gap; and read back."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pytest_flowhealth.errors import Unmeasured
from pytest_flowhealth.history.remote.promql import PromQL
from pytest_flowhealth.history.remote.samples import of_round, of_second, place
from pytest_flowhealth.history.remote.shipper import Shipper
from tests.formats.test_openmetrics import HEALTH
from tests.kit.monitor import Monitor, project
from tests.kit.redis import free_port
from tests.kit.webhook import receiving

PROGRAM = shutil.which("victoria-metrics")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no VictoriaMetrics is installed (apt)")
WHERE = place("host-a", "shop")


class Victoria:
    """A real one, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(PROGRAM or "", f"-httpListenAddr=127.0.0.1:{self.port}"),
                *(
                    f"-storageDataPath={self.folder}",
                    "-retentionPeriod=1",
                    "-search.latencyOffset=0s",
                ),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                if requests.get(f"{self.url}/health", timeout=1).ok:
                    return
            except requests.RequestException:
                time.sleep(0.05)
        raise AssertionError("VictoriaMetrics did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def values(self, query: str) -> list[float]:
        requests.get(f"{self.url}/internal/force_flush", timeout=5)
        found = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=5).json()
        return [float(one["value"][1]) for one in found["data"]["result"]]


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[Victoria]:
    found = Victoria(tmp_path / "vm")
    found.start()
    yield found
    found.stop()


def test_no_gap_after_the_server_was_away(victoria: Victoria, tmp_path: Path) -> None:
    shipper = Shipper(victoria.url, tmp_path / "queue")
    begin = int(time.time()) - 300

    def put(seconds: range) -> None:
        for second in seconds:
            values = {"system.cpu": (float(second), "%")}
            shipper.put(of_second(values, begin + second, WHERE))

    put(range(100))
    victoria.stop()
    put(range(100, 200))
    time.sleep(1.0)
    assert "waits" in (shipper.problem or "") or "wait" in (shipper.problem or "")
    victoria.start()
    put(range(200, 300))
    assert shipper.close(40)

    count = 'count_over_time(flowhealth_system_cpu_percent{host="host-a"}[1h])'
    assert victoria.values(count) == [300.0]


def test_a_round_is_read_back(victoria: Victoria, tmp_path: Path) -> None:
    import datetime

    import msgspec

    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=30)
    health = msgspec.structs.replace(HEALTH, started=now)
    shipper = Shipper(victoria.url, tmp_path / "queue")
    shipper.put(of_round(health, WHERE))
    assert shipper.close(20)
    victoria.values("up")

    server = PromQL(victoria.url)
    at = now.timestamp()
    found = server.series("redis.command", at - 60, at + 60, points=2, labels={"host": "host-a"})

    assert [(one.min, one.max, one.mean) for one in found][-1] == (1.0, 100.0, 50.5)
    assert found[-1].p95 == 95.05
    assert server.series("redis.command", at - 60, at + 60, labels={"host": "other"}) == []
    assert victoria.values('flowhealth_check_status{check="redis.command"}') == [1.0]


def test_a_server_that_is_away_is_not_read() -> None:
    with pytest.raises(Unmeasured, match="can't be read"):
        PromQL("http://127.0.0.1:1").series("redis.command", 0, 60)


def test_the_monitor_writes_to_it(victoria: Victoria, tmp_path: Path) -> None:
    with receiving() as hook, project(tmp_path / "shop", hook, {}) as shop:
        found: Monitor = shop
        found.history = victoria.url  # type: ignore[assignment]
        found.start("--health-history", victoria.url, "--health-component", "system")
        found.rounds(2)
        assert found.end() == 0

    assert len(victoria.values('flowhealth_component_status{component="system"}')) == 1
    assert victoria.values("count_over_time(flowhealth_system_load[1h]) > 1")
