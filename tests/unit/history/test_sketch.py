"""Sketches and roll-ups: a quantile is right within 2 %, merged or not."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.history.rollup import (
    FEWEST,
    make_rollup,
    merge_rollups,
    pack_hour,
    summarize_rollups,
    unpack_hour,
)
from pytest_flowhealth.history.sketch import ACCURACY, Sketch, compute_upper_quantile

NUMBERS = st.floats(-1e9, 1e9).filter(lambda one: one == 0 or abs(one) > 1e-9)


@given(st.lists(NUMBERS, min_size=1, max_size=200), st.floats(0, 1))
def test_quantile_is_within_two_percent(values: list[float], share: float) -> None:
    found = Sketch(values).quantile(share)
    true = sorted(values)[math.floor(share * (len(values) - 1))]
    assert found == pytest.approx(true, rel=ACCURACY * 1.0001, abs=1e-9)


@given(st.lists(st.lists(NUMBERS, min_size=1), min_size=1, max_size=4), st.floats(0, 1))
def test_upper_quantile_of_packed_sketches_is_that_of_all_values(
    parts: list[list[float]], share: float
) -> None:
    whole = Sketch(value for part in parts for value in part)
    assert compute_upper_quantile(
        [Sketch(part).encode() for part in parts], list(map(len, parts)), share
    ) == whole.quantile(share)


@given(st.lists(NUMBERS, min_size=1), st.lists(NUMBERS, min_size=1))
def test_merged_roll_ups_equal_one_roll_up_of_all_values(
    first: list[float], second: list[float]
) -> None:
    one = merge_rollups([make_rollup(first), make_rollup(second)])
    whole = make_rollup([*first, *second])
    assert (one.count, one.least, one.greatest, one.sketch) == (
        whole.count,
        whole.least,
        whole.greatest,
        whole.sketch,
    )
    assert one.total == pytest.approx(whole.total, abs=1e-3)


@settings(max_examples=25)
@given(st.dictionaries(st.integers(0, 59), st.lists(NUMBERS, min_size=1).map(make_rollup)))
def test_hour_of_roll_ups_is_the_same_after_packing(minutes: dict[int, object]) -> None:
    assert unpack_hour(pack_hour(minutes)) == minutes  # type: ignore[arg-type]


def test_bytes_that_are_no_block_are_refused() -> None:
    with pytest.raises(ValueError, match="no block of roll-ups"):
        unpack_hour(b"nonsense")
    with pytest.raises(ValueError, match="no quantile"):
        Sketch().quantile(0.5)


def test_p95_needs_enough_values_and_is_within_two_percent() -> None:
    assert summarize_rollups([make_rollup([1.0] * (FEWEST - 1))])[-1] is None
    parts = [make_rollup([*map(float, range(start, 5_000, 10))]) for start in range(10)]
    assert summarize_rollups(parts)[-1] == pytest.approx(4_749, rel=ACCURACY)
