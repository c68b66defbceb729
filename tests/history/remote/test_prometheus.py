"""A real Prometheus: it refuses what is out of order, or there twice, which VictoriaMetrics does not."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import requests

from pytest_flowhealth.history.remote.promql import PromQL
from pytest_flowhealth.history.remote.samples import of_round, of_second, place
from pytest_flowhealth.history.remote.shipper import Shipper
from tests.formats.test_openmetrics import CHECKS, HEALTH
from tests.redis_servers import free_port

PROGRAM = shutil.which("prometheus")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Prometheus is installed (apt)")
WHERE = place("host-a", "shop")


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "empty.yml").write_text("")
    url = f"http://127.0.0.1:{free_port()}"
    argv = [
        *(
            PROGRAM or "",
            f"--config.file={tmp_path}/empty.yml",
            "--web.enable-remote-write-receiver",
        ),
        *(f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={url[7:]}"),
    ]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _ready(f"{url}/-/ready")
            yield url
        finally:
            process.terminate()


def _ready(url: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            if requests.get(url, timeout=1).ok:
                return
        except requests.RequestException:
            pass
        assert time.monotonic() < end
        time.sleep(0.1)


def test_rounds_and_seconds_are_taken_as_a_monitor_sends_them(
    prometheus: str, tmp_path: Path
) -> None:
    shipper = Shipper(prometheus, tmp_path / "queue")
    began = time.time() - 60
    twice = (*CHECKS, CHECKS[0])
    for second in range(30):
        at = began + second
        if second % 10 == 9:  # a round that has just ended, and began before other seconds
            started = datetime.datetime.fromtimestamp(at - 5, datetime.UTC)
            health = msgspec.structs.replace(HEALTH, started=started, duration=5.0, checks=twice)
            shipper.put(of_round(health, WHERE, "f" * 16))
        shipper.put(of_second({"redis.command": (1.0, "ms")}, at, WHERE))

    assert shipper.close(30)
    assert shipper.problem is None
    found = PromQL(prometheus).series(
        "redis.command", began - 1, began + 60, points=1, labels={"host": "host-a"}
    )
    assert [(one.min, one.max) for one in found] == [(1.0, 100.0)]
    query = {"query": "count_over_time(flowhealth_status[5m])"}
    answer = requests.get(f"{prometheus}/api/v1/query", params=query, timeout=5).json()
    assert answer["data"]["result"][0]["value"][1] == "3"
