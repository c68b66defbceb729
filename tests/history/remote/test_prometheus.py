"""A real Prometheus: it refuses what is out of order, or there twice, which VictoriaMetrics does not."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import msgspec
import requests

from pytest_flowhealth.history.remote.promql import PromQL
from pytest_flowhealth.history.remote.samples import of_round, of_second, place
from pytest_flowhealth.history.remote.shipper import Shipper
from tests.formats.test_openmetrics import CHECKS, HEALTH
from tests.kit.metric_servers import prometheus

WHERE = place("host-a", "shop")


def test_rounds_and_seconds_are_taken_as_a_monitor_sends_them(tmp_path: Path) -> None:
    with prometheus(tmp_path / "server") as url:
        send_and_read(url, tmp_path)


def send_and_read(prometheus: str, tmp_path: Path) -> None:
    """Send as a monitor does."""
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
