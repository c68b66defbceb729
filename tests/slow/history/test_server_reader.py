"""The same runs in a file and in real servers are read back as the same."""

import datetime
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import requests

from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.metric_names import (
    iterate_samples,
    iterate_second_samples,
    make_origin_labels,
)
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.history.database import connect
from pytest_flowhealth.history.reader import FileReader, Reader
from pytest_flowhealth.history.remote.promql_client import PromQLClient
from pytest_flowhealth.history.remote.server_reader import ServerReader
from pytest_flowhealth.history.remote.write_client import RemoteWriteClient
from pytest_flowhealth.history.run_record import make_run_record
from pytest_flowhealth.history.store import add_raw, add_run
from tests.kit.metric_servers import MetricServer, prometheus_server, victoria_server
from tests.kit.records import check, health

MINE, OTHER = "f" * 16, "0" * 16
MakeServer = Callable[[Path], MetricServer]


def run_at(at: float, number: int) -> tuple[Report, dict[str, tuple[float, ...]]]:
    """Return a run that began then, with the samples of its series."""
    samples = tuple(float(number * 100 + one) for one in range(100))
    checks = (
        check(
            "my-app.odd",
            Outcome.PASS,
            measurements=(
                make_series("speed", samples, "ms").measurement,
                make_series("size", 10 + number, "MiB").measurement,
            ),
        ),
        check(
            "my-app.page[a]", Outcome.PASS, measurements=(make_series("hits", 7, "1").measurement,)
        ),
    )
    report = health(
        *checks,
        status=Status.UNHEALTHY if number == 2 else Status.HEALTHY,
        started=datetime.datetime.fromtimestamp(at, datetime.UTC),
        duration=0.3337,
        components={},
    )
    return report, {"my-app.speed": samples}


def both(url: str, folder: Path, since: float) -> tuple[FileReader, ServerReader]:
    """Keep five runs and a minute of seconds in a file and in a server; the first is of another machine."""
    file = connect(folder / "h.db", wait=5)
    shipper = RemoteWriteClient(url, folder / "queue")
    for number in range(5):
        report, samples = run_at(since + 20.123456 * number, number)
        fingerprint = OTHER if number == 0 else MINE
        uid = time.strftime("%Y%m%dT%H%M%S", report.started.timetuple())
        add_run(file, make_run_record(report, b"{}", samples, fingerprint, uid))
        shipper.put(iterate_samples(report, make_origin_labels("a", "shop", "a:shop"), fingerprint))
        shipper.put(iterate_samples(report, make_origin_labels("b", "shop", "b:shop"), fingerprint))
    for second in range(60):
        values = {"system.cpu": (float(second), "%")}
        add_raw(file, [(since + second, values)])
        shipper.put(
            iterate_second_samples(
                values, since + second, make_origin_labels("a", "shop", "a:shop")
            )
        )
    assert shipper.close(30)
    # What VictoriaMetrics has taken is to be seen about a second later.
    requests.get(f"{url}/internal/force_flush", timeout=10)
    return FileReader(file), ServerReader(PromQLClient(url), "a", "shop", "a:shop")


@pytest.mark.parametrize("server", [victoria_server, prometheus_server])
def test_server_and_file_return_the_same_runs_values_and_ranges(
    server: MakeServer, tmp_path: Path
) -> None:
    since = float(int(time.time()) - 100)
    with server(tmp_path / "server") as running:
        file, remote = both(running.url, tmp_path, since)
        with closing(file._file):
            same_runs(file, remote)
            same_values(file, remote, since)
            same_ranges(file, remote, since)


def same_runs(file: Reader, remote: Reader) -> None:
    """Compare lists of runs."""
    for limit, fingerprint in ((50, None), (2, None), (50, MINE), (50, OTHER), (50, "none")):
        ours, theirs = (one.runs(limit=limit, fingerprint=fingerprint) for one in (file, remote))
        assert [one.uid for one in ours] == [one.uid[:15] for one in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert (one.status, one.version, one.fingerprint) == (
                *(other.status, other.version, other.fingerprint),
            )
            assert (one.started, one.duration) == pytest.approx((other.started, other.duration))
    third = file.runs()[2].uid
    for name in ("latest", third, third[:-1], f"{third}-a1b2c3"):
        found = remote.find_run(name)
        assert found is not None
        assert name == "latest" or found.uid.startswith(third) or len(name) < len(third)
    assert remote.find_run("20010101T000000") is None
    assert remote.find_run("nothing") is None
    assert remote.report(third) is None


def same_values(file: Reader, remote: Reader, since: float) -> None:
    """Compare what runs measured."""
    third = file.runs()[2].uid
    for metric in ("my-app.speed", "my-app.size", "my-app.hits[a]", "my-app.hits", "no.such"):
        for limit, before in ((50, None), (2, None), (50, third)):
            ours, theirs = (
                one.past(metric, MINE, limit=limit, before=before) for one in (file, remote)
            )
            assert [one.run for one in ours] == [one.run[:15] for one in theirs]
            assert [one.value for one in ours] == pytest.approx([one.value for one in theirs])
            for statistic in ("median", "p50", "p95", "p99", "min", "max", "mean", "stdev"):
                assert [one.figure(statistic) for one in ours] == pytest.approx(
                    [one.figure(statistic) for one in theirs]
                )
        assert file.metrics(metric.partition("[")[0]) == remote.metrics(metric.partition("[")[0])
        one, other = (reader.read_run_metric(third, metric) for reader in (file, remote))
        assert (one and one.value) == pytest.approx(other and other.value)
        assert len(file.read_period(metric, since, since + 50)) == len(
            remote.read_period(metric, since, since + 50)
        )


def same_ranges(file: Reader, remote: Reader, since: float) -> None:
    """Compare ranges: of seconds, and of rounds."""
    for points in (60, 6):  # of one point, a file has whole minutes
        ours, theirs = (
            one.series("system.cpu", since - 0.5, since + 59.5, points) for one in (file, remote)
        )
        assert [(one.count, one.min, one.max) for one in theirs] == [
            (one.count, one.min, one.max) for one in ours
        ]
        assert [one.mean for one in theirs] == pytest.approx([one.mean for one in ours])
    (found,) = remote.series("my-app.speed", since - 1, since + 99, 1)
    assert (found.count, found.min, found.max) == pytest.approx((500, 0, 499))
    assert found.mean == pytest.approx(249.5)
    assert found.p95 == pytest.approx(494.05)
    assert remote.series("my-app.hits", since - 1, since + 99, 1) == []


@pytest.mark.parametrize("server", [victoria_server, prometheus_server])
def test_runs_in_quick_succession_are_told_apart_and_a_resent_one_is_updated(
    server: MakeServer, tmp_path: Path
) -> None:
    since = float(int(time.time()) - 100)
    with server(tmp_path / "server") as running:
        shipper = RemoteWriteClient(running.url, tmp_path / "queue")
        every = [run_at(since + 0.3 * number, number)[0] for number in (0, 1, 2)]
        every.append(msgspec.structs.replace(every[-1], duration=0.5))
        for report in every:
            shipper.put(iterate_samples(report, make_origin_labels("a", "shop", "a:shop"), MINE))
        assert shipper.close(30)
        running.values("up")
        remote = ServerReader(PromQLClient(running.url), "a", "shop", "a:shop")

        runs = remote.runs()
        assert [one.started for one in runs] == pytest.approx([since + 0.6, since + 0.3, since])
        assert [one.duration for one in runs] == pytest.approx([0.5, 0.3337, 0.3337])
        assert [one.value for one in remote.past("my-app.size", MINE)] == pytest.approx(
            [10, 11, 12]
        )
