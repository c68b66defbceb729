"""Real servers: written, away for a while, back again without a gap, and read back."""

import contextlib
import datetime
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.metric_names import (
    iterate_samples,
    iterate_second_samples,
    make_origin_labels,
)
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.history.location import find_location
from pytest_flowhealth.history.remote.promql_client import PromQLClient
from pytest_flowhealth.history.remote.write_client import RemoteWriteClient
from tests.kit.metric_servers import MetricServer, prometheus_server, victoria_server
from tests.kit.monitor import project
from tests.kit.records import check, health
from tests.kit.runs import RunChecks, run_flowhealth
from tests.kit.waiting import wait_for

WHERE = make_origin_labels("host-a", "shop", "host-a:shop")
HUNDRED = make_series("command", [float(number) for number in range(1, 101)], "ms").measurement
COMMAND = check("redis.command", Outcome.WARN, measurements=(HUNDRED,))
SPEED = """
@pytest.mark.health("app")
@pytest.mark.threshold("latency.p95", warn=500, fail=5000, unit="ms")
def test_speed(health):
    base = float(os.environ.get("BASE", "10"))
    health.measure("latency", [base + step / 100 for step in range(40)], "ms")
"""


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[MetricServer]:
    # It usually leaves out the last 30 s of what it has.
    with victoria_server(tmp_path / "victoria", "-search.latencyOffset=0s") as server:
        yield server


def test_samples_have_no_gap_after_the_server_was_away(
    victoria: MetricServer, tmp_path: Path
) -> None:
    shipper = RemoteWriteClient(victoria.url, tmp_path / "queue")
    begin = int(time.time()) - 300

    def put(seconds: range) -> None:
        for second in seconds:
            shipper.put(
                iterate_second_samples({"system.cpu": (float(second), "%")}, begin + second, WHERE)
            )

    put(range(100))
    victoria.stop()
    put(range(100, 200))
    wait_for(lambda: "wait" in (shipper.problem or ""))
    victoria.start()
    put(range(200, 300))
    assert shipper.close(60)

    count = 'count_over_time(flowhealth_system_cpu_ratio{host="host-a"}[1h])'
    assert victoria.values(count) == [300.0]


def test_monitor_sends_its_rounds_and_samples(victoria: MetricServer, tmp_path: Path) -> None:
    with project(tmp_path / "shop") as monitor:
        monitor.start("--health-history", victoria.url, "--health-component", "system")
        monitor.rounds(2)
        assert monitor.end() == 0

    assert len(victoria.values('flowhealth_component_status{component="system"}')) == 1
    assert victoria.values("count_over_time(flowhealth_system_load[1h]) > 1")


def test_prometheus_takes_rounds_and_seconds_as_a_monitor_sends_them(tmp_path: Path) -> None:
    """It refuses what is out of order, or there twice, which VictoriaMetrics does not."""
    with prometheus_server(tmp_path / "server") as server:
        shipper = RemoteWriteClient(server.url, tmp_path / "queue")
        began = time.time() - 60
        for second in range(30):
            at = began + second
            if second % 10 == 9:  # a round that has just ended, and began before other seconds
                started = datetime.datetime.fromtimestamp(at - 5, datetime.UTC)
                report = health(COMMAND, started=started, duration=5.0, checks=(COMMAND,) * 2)
                shipper.put(iterate_samples(report, WHERE, "f" * 16))
            shipper.put(iterate_second_samples({"redis.command": (1.0, "ms")}, at, WHERE))

        assert shipper.close(60)
        assert shipper.problem is None
        found = PromQLClient(server.url).series(
            "redis.command", began - 1, began + 60, points=1, labels={"host": "host-a"}
        )
        assert [(point.min, point.max) for point in found] == [pytest.approx((0.001, 0.1))]
        assert server.values("count_over_time(flowhealth_status[5m])") == [3.0]


def test_server_remembers_runs_whose_file_is_gone(
    victoria: MetricServer, run_checks: RunChecks, tmp_path: Path
) -> None:
    words = ("--health-history", victoria.url)
    for _ in range(6):
        run_checks(SPEED, *words)
    wait_until_readable(victoria, tmp_path, 6)
    for path in (tmp_path / ".flowhealth").glob("history.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    result = run_checks(SPEED, *words, "--health-compare", env={"BASE": "14"})
    assert len(result.health["trends"][0]["values"]) == 7
    assert result.outcomes == {"app.speed": "warn"}
    says = "is 39% worse than the median of the last 6 runs"
    assert says in result.check("app.speed")["message"]

    (tmp_path / ".flowhealth/history.db").unlink()
    suggested = run_flowhealth(tmp_path, "history", "suggest", "--history", words[-1])
    assert suggested.exit_code == 0, suggested.err
    assert '"app.latency.p95" = { warn = ' in suggested.out


def wait_until_readable(server: MetricServer, folder: Path, count: int) -> None:
    """Wait until a server shows all that it took: VictoriaMetrics keeps an empty answer for 10 s."""
    target = Target(folder, Configuration())
    found = find_location(server.url, folder, target)
    assert found is not None

    def is_readable() -> bool:
        with contextlib.suppress(KeyError):
            server.values("up")
        reader = found.reader(target)
        assert reader is not None
        return len(reader.runs()) >= count

    wait_for(is_readable)
