"""The interval: known ranks, and that it holds the median as often as it says."""

import random

import pytest

from pytest_flowhealth.probes.wasm.interval import coverage, interval


@pytest.mark.parametrize(("count", "low", "high"), [(6, 1, 6), (9, 2, 8), (12, 3, 10), (18, 5, 14)])
def test_ranks_are_those_of_the_tables(count: int, low: int, high: int) -> None:
    found = interval([float(one) for one in range(1, count + 1)])
    assert found is not None
    assert (found.low, found.high) == (low, high)


def test_fewer_than_six_values_have_no_interval() -> None:
    assert interval([1.0] * 5) is None


def test_coverage_is_what_is_seen() -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(4_000):
        found = interval([chance.lognormvariate(0, 1) for _ in range(9)])
        held += found is not None and found.low <= 1.0 <= found.high
    assert held / 4_000 == pytest.approx(coverage(9, 2), abs=0.015)
