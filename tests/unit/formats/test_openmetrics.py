"""OpenMetrics, read by a strict parser of another author."""

import math

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.metric_names import make_metric_name, scale_of
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.units import UNITS
from pytest_flowhealth.formats.openmetrics import render
from tests.kit.reports import HEALTH, judged, reported


def samples(health: Report = HEALTH) -> dict[tuple[str, str], float]:
    """Return what a strict parser reads: values by name and the labels that matter."""
    found = {}
    for family in text_string_to_metric_families(render(health)):
        for one in family.samples:
            labels = ",".join(
                value
                for key, value in sorted(one.labels.items())
                if key not in ("host", "target", "instance")
            )
            found[one.name, labels] = one.value
    return found


def test_label_values_are_escaped() -> None:
    ours = [labels for name, labels in samples() if name == "flowhealth_http_size_bytes"]

    assert ours == ['http,a"b\\c\nd,value,kB']


def test_every_kind_of_unit_has_a_word_of_its_own() -> None:
    names = {make_metric_name("component.figure", unit) for unit in UNITS}

    assert len(names) == len({unit.kind for unit in UNITS.values()})


@pytest.mark.parametrize("unit", UNITS)
def test_values_are_in_base_units_and_counts_are_not_scaled(unit: str) -> None:
    check = judged("app.a", make_series("figure", (3.0, 5.0), unit))
    found = samples(msgspec.structs.replace(HEALTH, checks=(check,)))
    by_statistic = {
        labels.split(",")[1]: value for (name, labels), value in found.items() if "figure" in name
    }

    assert by_statistic["max"] == pytest.approx(5 * scale_of(unit))
    assert by_statistic["count"] == 2


def measuring(check_id: str, **units: str) -> CheckResult:
    """Return a check with a figure for each name, in the unit given."""
    return judged(check_id, *(make_series(name, 1.0, unit) for name, unit in units.items()))


def test_names_that_mean_something_to_a_parser_stay_apart_from_ours() -> None:
    endings = {"total", "info", "x_total", "x_count", "x_sum", "x_bucket", "x_created", "x_info"}
    words = ("x", "x_total", "x_count", "x_sum", "x_bucket", "x_created", "x_info", "total", "info")
    odd = measuring("app.odd", **dict.fromkeys(words, "1"), x_seconds="1")
    ours = measuring("round.a", duration="s")
    also = measuring("check.a", status="1")
    again = measuring("app.again", x="1", **{'a"b\\c\nd': "s"})
    health = msgspec.structs.replace(HEALTH, checks=(odd, ours, also, again))

    found = samples(health)
    names = {name for name, _ in found}
    assert {
        f"flowhealth_app_{word}{'_value' if word in endings else ''}" for word in words
    } <= names
    assert found["flowhealth_round_duration_seconds", ""] == 1.5
    assert found["flowhealth_measured_round_duration_seconds", "round,value"] == 1
    assert found["flowhealth_measured_check_status", "check,value"] == 1


@pytest.mark.parametrize(
    ("metric", "unit", "name"),
    [
        ("redis.connect", "ms", "redis_connect_seconds"),
        ("app.latency_ms", "ms", "app_latency_seconds"),
        ("app.errors_milliseconds", "us", "app_errors_seconds"),
        ("app.cpuUsage", "%", "app_cpu_usage_ratio"),
        ("app.heap_mb", "MiB", "app_heap_bytes"),
        ("app.size", "MB", "app_size_bytes"),
        ("app.ms", "ms", "appms_seconds"),
        ("app.queue_b", "1", "app_queueb"),
        ("app.s.total", "1", "apps_total_value"),
        ("m.x", "1", "mx"),
        ("b", "1", "bvalue"),
        ("app.open_hours_2", "1", "app_openhours_2"),
        ("app.gauge_milliseconds_kb", "kB", "appgaugemilliseconds_bytes"),
        ("app.jobs_total", "1", "app_jobs_total_value"),
        ("redis.throughput", "1/s", "redis_throughput_per_second"),
        ("wasm.multiplier", "x", "wasm_multiplier_times"),
        ("http.page[login]", "s", "http_page_seconds"),
    ],
)
def test_a_name_ends_in_its_base_unit(metric: str, unit: str, name: str) -> None:
    assert make_metric_name(metric, unit) == f"flowhealth_{name}"


def test_a_value_too_large_for_its_base_unit_is_infinite() -> None:
    found = samples(reported([judged("app.disk", make_series("size", 1e308, "GiB"))]))

    assert found["flowhealth_app_size_bytes", "app,value,GiB"] == math.inf
