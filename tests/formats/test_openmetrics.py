"""OpenMetrics, read by a parser that is not ours."""

import datetime

import msgspec
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytest_flowhealth.formats.openmetrics import render
from pytest_flowhealth.verdict.exposition import name_of
from pytest_flowhealth.verdict.measurement import measured
from pytest_flowhealth.verdict.report import Health, Host, Summary, TargetInfo
from pytest_flowhealth.verdict.status import Outcome, Status
from pytest_flowhealth.verdict.units import UNITS
from pytest_flowhealth.verdict.verdict import Component
from tests.alerts.test_engine import check

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
            labels = ",".join(value for key, value in sorted(one.labels.items()) if key != "target")
            found[one.name, labels] = one.value
    return found


def test_a_strict_parser_reads_it() -> None:
    found = samples()

    assert found["flowhealth_status_code", ""] == 3
    assert found["flowhealth_component_status", "redis"] == 3
    assert found["flowhealth_check_status", "redis.command,redis"] == 1
    assert found["flowhealth_redis_command_milliseconds", "redis,p95"] == 95.05
    assert found["flowhealth_round_duration_seconds", ""] == 1.5
    assert not [name for name, labels in found if "redis.none" in labels or "_x_" in name]


def test_the_state_set_has_one_that_holds() -> None:
    states = {
        labels: value for (name, labels), value in samples().items() if name == "flowhealth_status"
    }

    assert states == {"healthy": 0, "degraded": 0, "unhealthy": 0, "unknown": 1}


def test_labels_are_escaped() -> None:
    ours = [labels for name, labels in samples() if name == "flowhealth_http_size_kilobytes"]

    assert ours == ['http,a"b\\c\nd,value']


def test_every_unit_has_a_word() -> None:
    names = {name_of("component.figure", unit) for unit in UNITS}

    assert len(names) == len(UNITS)


def test_a_run_without_checks() -> None:
    empty = msgspec.structs.replace(HEALTH, checks=(), components={})

    assert samples(empty)["flowhealth_status_code", ""] == 3
