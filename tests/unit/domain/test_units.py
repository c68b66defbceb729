"""Units: conversion within a kind, durations and sizes as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.domain.units import (
    UNITS,
    convert,
    find_unit,
    is_convertible,
    parse_duration,
    parse_size,
)
from pytest_flowhealth.errors import UsageError

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)


@given(FINITE, st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)))
def test_a_conversion_can_be_reversed(value: float, source: str, wanted: str) -> None:
    if is_convertible(source, wanted):
        back = convert(convert(value, source, wanted), wanted, source)
        assert math.isclose(back, value, rel_tol=1e-12, abs_tol=1e-300)


@pytest.mark.parametrize(
    ("value", "source", "wanted", "result"),
    [(1, "s", "ms", 1000), (1, "GiB", "MiB", 1024), (1, "MB", "kB", 1000), (5, "%", "%", 5)],
)
def test_a_value_is_converted_within_its_kind(
    value: float, source: str, wanted: str, result: float
) -> None:
    assert convert(value, source, wanted) == pytest.approx(result)


def test_units_of_different_kinds_are_not_converted() -> None:
    assert not is_convertible("ms", "MB")
    assert not is_convertible("1", "%")
    assert not is_convertible("parsec", "parsec")
    with pytest.raises(UsageError, match="unknown unit 'parsec'"):
        find_unit("parsec")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5 s", 5), ("250ms", 0.25), ("10 min", 600), ("1h", 3600), ("2 d", 172800)],
)
def test_a_duration_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5 s", "0 s", "5 parsec", "1e400 s", "5 s 3", "nan s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


def test_a_size_is_read_in_the_wanted_unit() -> None:
    assert parse_size("512 MiB") == 512
    assert parse_size("1 GB", "MB") == 1000
    with pytest.raises(ValueError, match="expected a size"):
        parse_size("512")
