"""Thresholds: direction, limits that are inside, changes from outside."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.domain.measurements import make_series
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.thresholds import (
    evaluate,
    override_threshold,
    parse_threshold,
    split_name,
)

NUMBER = st.floats(-1e9, 1e9)


@given(NUMBER, NUMBER, NUMBER)
def test_both_directions_mirror_each_other(value: float, warn: float, fail: float) -> None:
    if warn == fail:
        return
    one = evaluate(parse_threshold("x", warn=warn, fail=fail), make_series("x", value, "s"))
    mirrored = evaluate(parse_threshold("x", warn=-warn, fail=-fail), make_series("x", -value, "s"))
    assert one.outcome is mirrored.outcome


@pytest.mark.parametrize(
    ("warn", "fail", "value", "outcome"),
    [
        (10, 100, 10, Outcome.PASS),
        (10, 100, 10.001, Outcome.WARN),
        (10, 100, 100, Outcome.WARN),
        (10, 100, 100.001, Outcome.FAIL),
        (40, 30, 40, Outcome.PASS),
        (40, 30, 39.999, Outcome.WARN),
        (40, 30, 30, Outcome.WARN),
        (40, 30, 29.999, Outcome.FAIL),
    ],
)
def test_a_value_equal_to_a_limit_is_inside(
    warn: float, fail: float, value: float, outcome: Outcome
) -> None:
    assert (
        evaluate(parse_threshold("x", warn=warn, fail=fail), make_series("x", value, "1")).outcome
        is outcome
    )


@given(
    st.one_of(
        st.none(),
        st.text(),
        st.binary(),
        st.booleans(),
        st.just(math.nan),
        st.just(-math.inf),
        st.lists(st.none()),
        st.dictionaries(st.text(), st.floats()),
        st.complex_numbers(),
    )
)
def test_what_is_no_number_is_never_a_pass(value: object) -> None:
    judged = evaluate(parse_threshold("x", warn=1, fail=2), make_series("x", value, "s"))
    assert judged.outcome is Outcome.UNKNOWN
    assert judged.observed is None
    assert judged.note


def test_what_was_not_measured_is_named() -> None:
    assert evaluate(parse_threshold("x", warn=1, fail=2), None).note == "x was not measured"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("command.p95", ("command", "p95")),
        ("command.p99.9", ("command", "p99.9")),
        ("connect", ("connect", None)),
        ("a.b", ("a.b", None)),
        ("p95", ("p95", None)),
    ],
)
def test_a_name_ends_in_a_statistic_or_not(name: str, parts: tuple[str, str | None]) -> None:
    assert split_name(name) == parts


def test_limits_are_changed_in_any_unit_of_their_kind() -> None:
    declared = parse_threshold("x", warn=10, fail=100, unit="ms")

    in_seconds = override_threshold(declared, warn=0.02, fail=None, unit="s", source="file")

    assert (in_seconds.warn, in_seconds.fail, in_seconds.unit) == (0.02, 0.1, "s")
    assert in_seconds.source == "warn: file, fail: marker"
    for limits in ({"warn": 200.0, "fail": None}, {"warn": 100.0, "fail": 10.0}):
        with pytest.raises(ValueError, match="lower is better"):
            override_threshold(declared, **limits, unit=None, source="file")
    with pytest.raises(ValueError, match="can't tell"):
        override_threshold(declared, warn=1.0, fail=None, unit="MB", source="file")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"warn": 1},
        {"warn": 1, "fail": 1},
        {"warn": True, "fail": 2},
        {"warn": "1", "fail": 2},
        {"warn": math.inf, "fail": 2},
        {"warn": 1, "fail": 2, "better": "higher"},
        {"fail": 2, "better": "up"},
        {"warn": 1, "fail": 2, "unit": "parsec"},
        {"warn": 10**400, "fail": 2},
    ],
)
def test_limits_that_are_invalid_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_threshold("x", **arguments)


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [
        ((41.0, 44.0), Outcome.PASS),
        ((38.0, 44.0), Outcome.WARN),
        ((31.0, 39.0), Outcome.WARN),
        ((29.0, 44.0), Outcome.WARN),
        ((20.0, 29.0), Outcome.FAIL),
        ((29.0, 31.0), Outcome.WARN),
    ],
)
def test_an_interval_is_judged_as_a_whole(interval: tuple[float, float], outcome: Outcome) -> None:
    threshold = parse_threshold("multiplier", warn=40, fail=30, unit="x", better=None)
    taken = make_series("multiplier", sum(interval) / 2, "x", interval=interval)
    judged = evaluate(threshold, taken)
    assert judged.outcome is outcome
    assert "between" in str(judged.note)


def test_a_measurement_in_doubt_warns_whatever_its_value() -> None:
    threshold = parse_threshold("multiplier", warn=40, fail=30, unit="x", better=None)
    for value in (10.0, 35.0, 100.0):
        judged = evaluate(threshold, make_series("multiplier", value, "x", doubt="inconclusive"))
        assert (judged.outcome, judged.note) == (Outcome.WARN, "inconclusive")


@pytest.mark.parametrize("interval", [(2.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_an_invalid_interval_leaves_the_value_unknown(interval: tuple[float, float]) -> None:
    threshold = parse_threshold("m", warn=1, fail=2, unit="1", better=None)
    assert (
        evaluate(threshold, make_series("m", 1.5, "1", interval=interval)).outcome
        is Outcome.UNKNOWN
    )


@pytest.mark.parametrize(
    ("name", "value", "unit", "observed"),
    [
        ("x", 0.01, "s", 10),
        ("x", [1, 2, 9], "ms", 2),
        ("x.max", [1, 2, 9], "ms", 9),
        ("x.p95", [1] * 20, "ms", 1),
        ("x.p95", [1] * 19, "ms", None),
        ("x.p99", [1] * 99, "ms", None),
        ("x", [1, math.nan], "ms", None),
        ("x", [], "ms", None),
        ("x", 1, "B", None),
        ("x", 1, "parsec", None),
        ("x", 1e308, "s", None),
    ],
)
def test_a_measurement_is_observed_as_its_statistic_in_the_unit_of_its_limits(
    name: str, value: object, unit: str, observed: float | None
) -> None:
    judged = evaluate(
        parse_threshold(name, warn=5, fail=9, unit="ms"), make_series("x", value, unit)
    )

    assert judged.observed == observed
    assert (judged.outcome is Outcome.UNKNOWN) is (observed is None)
