"""OpenMetrics, read by a parser that is not ours."""

import datetime
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytest_flowhealth.formats.openmetrics import render
from pytest_flowhealth.verdict.check import CheckResult
from pytest_flowhealth.verdict.exposition import name_of
from pytest_flowhealth.verdict.measurement import measured
from pytest_flowhealth.verdict.report import Health, Host, Summary, TargetInfo
from pytest_flowhealth.verdict.status import Outcome, Status
from pytest_flowhealth.verdict.units import UNITS
from pytest_flowhealth.verdict.verdict import Component
from tests.kit.records import check
from tests.kit.redis import free_port

PROMTOOL = shutil.which("promtool")
EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
CHECKS = (
    check(
        "redis.command",
        Outcome.WARN,
        measurements=(
            measured("command", [float(one) for one in range(1, 101)], "ms").measurement,
        ),
    ),
    check(
        'http.page[a"b\\c\nd]',
        Outcome.PASS,
        measurements=(measured("size", 12, "kB").measurement,),
    ),
    check("redis.lost", Outcome.UNKNOWN, measurements=(measured("x", [], "ms").measurement,)),
    check("redis.none", Outcome.SKIP),
)
HEALTH = Health(
    status=Status.UNKNOWN,
    exit_code=3,
    reasons=(),
    started=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    duration=1.5,
    target=TargetInfo("shop", "1.0.0", "shop"),
    host=Host("h", "Linux", "6", "x", "3.11", 2),
    summary=Summary(),
    components={
        "redis": Component(Status.UNKNOWN, ("redis.command",)),
        "http": Component(Status.HEALTHY, ("http.page",)),
    },
    checks=CHECKS,
)


def samples(health: Health = HEALTH) -> dict[tuple[str, str], float]:
    """Return what a strict parser reads: values by name and the labels that matter."""
    found = {}
    for family in text_string_to_metric_families(render(health)):
        for one in family.samples:
            labels = ",".join(
                value for key, value in sorted(one.labels.items()) if key not in ("host", "target")
            )
            found[one.name, labels] = one.value
    return found


def test_a_strict_parser_reads_it() -> None:
    found = samples()

    assert found["flowhealth_status", ""] == 3
    assert found["flowhealth_component_status", "redis"] == 3
    assert found["flowhealth_check_status", "redis.command,redis"] == 1
    assert found["flowhealth_redis_command_milliseconds", "redis,p95"] == 95.05
    assert found["flowhealth_round_duration_seconds", ""] == 1.5
    assert not [name for name, labels in found if "redis.none" in labels or "_x_" in name]


def test_one_state_holds() -> None:
    states = {
        labels: value for (name, labels), value in samples().items() if name == "flowhealth_state"
    }

    assert states == {"healthy": 0, "degraded": 0, "unhealthy": 0, "unknown": 1}


def test_labels_are_escaped() -> None:
    ours = [labels for name, labels in samples() if name == "flowhealth_http_size_kilobytes"]

    assert ours == ['http,a"b\\c\nd,value']


def test_every_unit_has_a_word() -> None:
    names = {name_of("component.figure", unit) for unit in UNITS}

    assert len(names) == len(UNITS)


def measuring(check_id: str, **units: str) -> CheckResult:
    """Return a check with a figure for each name, in the unit given."""
    taken = tuple(measured(name, 1.0, unit).measurement for name, unit in units.items())
    return check(check_id, Outcome.PASS, measurements=taken)


def test_names_that_mean_something_to_a_parser_or_to_us() -> None:
    words = ("x", "x_total", "x_count", "x_sum", "x_bucket", "x_created", "x_info", "total", "info")
    odd = measuring("app.odd", **dict.fromkeys(words, "1"), x_seconds="1")
    ours = measuring("round.a", duration="s")
    also = measuring("check.a", status="1")
    again = measuring("app.again", x="1", **{'a"b\\c\nd': "s"})
    health = msgspec.structs.replace(HEALTH, checks=(odd, ours, also, again))

    found = samples(health)
    names = {name for name, _ in found}
    assert {f"flowhealth_app_{word}" for word in words} <= names
    assert found["flowhealth_round_duration_seconds", ""] == 1.5
    assert found["flowhealth_measured_round_duration_seconds", "round,value"] == 1
    assert found["flowhealth_measured_check_status", "check,value"] == 1


@pytest.mark.skipif(not PROMTOOL, reason="no promtool is installed (apt: prometheus)")
def test_the_parser_of_prometheus_reads_it() -> None:
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"],
        input=render(HEALTH),
        capture_output=True,
        text=True,
        check=False,
    )
    # 3: it read it, and would name something otherwise, such as a unit that is no base unit.
    assert done.returncode in (0, 3), done.stderr
    assert "pars" not in done.stderr


@pytest.mark.skipif(not EXPORTER, reason="no node_exporter is installed (apt)")
def test_node_exporter_takes_the_file(tmp_path: Path) -> None:
    (tmp_path / "app.prom").write_text(render(HEALTH))
    port = free_port()
    argv = [
        *(str(EXPORTER), f"--web.listen-address=127.0.0.1:{port}", "--collector.disable-defaults"),
        *("--collector.textfile", f"--collector.textfile.directory={tmp_path}"),
    ]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as exporter:
        try:
            page = _page(f"http://127.0.0.1:{port}/metrics")
        finally:
            exporter.terminate()

    assert "node_textfile_scrape_error 0" in page
    assert 'flowhealth_status{host="h",target="shop"} 3' in page


def _page(url: str) -> str:
    end = time.monotonic() + 20
    while True:
        try:
            return requests.get(url, timeout=5).text
        except requests.ConnectionError:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_run_without_checks() -> None:
    empty = msgspec.structs.replace(HEALTH, checks=(), components={})

    assert samples(empty)["flowhealth_status", ""] == 3
