"""OpenMetrics, read by a strict parser of another author."""

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.metric_names import name_of, scale_of
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.units import UNITS
from pytest_flowhealth.formats.openmetrics import render
from tests.kit.reports import HEALTH, judged


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
    names = {name_of("component.figure", unit) for unit in UNITS}

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
    words = ("x", "x_total", "x_count", "x_sum", "x_bucket", "x_created", "x_info", "total", "info")
    odd = measuring("app.odd", **dict.fromkeys(words, "1"), x_seconds="1")
    ours = measuring("round.a", duration="s")
    also = measuring("check.a", status="1")
    again = measuring("app.again", x="1", **{'a"b\\c\nd': "s"})
    health = msgspec.structs.replace(HEALTH, checks=(odd, ours, also, again))

    found = samples(health)
    names = {name for name, _ in found}
    assert {f"flowhealth_app_{word}" for word in ("x", "total", "info")} & names == {
        "flowhealth_app_x"
    }
    assert {f"flowhealth_app_{word}_value" for word in words[1:]} <= names
    assert found["flowhealth_round_duration_seconds", ""] == 1.5
    assert found["flowhealth_measured_round_duration_seconds", "round,value"] == 1
    assert found["flowhealth_measured_check_status", "check,value"] == 1
