"""Statistics against the standard library, and what a sample can support."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.domain.statistics import (
    UnsupportedStatistic,
    compute,
    count_needed_samples,
    is_statistic,
    summarise,
)

SERIES = st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=200)


@given(SERIES)
def test_percentiles_are_interpolated_as_numpy_does(samples: list[float]) -> None:
    # `inclusive` is the same definition (Hyndman and Fan type 7).
    quartiles = statistics.quantiles(samples, n=4, method="inclusive")
    if len(samples) >= 4:
        assert compute("p25", samples) == pytest.approx(quartiles[0], abs=1e-6)
        assert compute("p75", samples) == pytest.approx(quartiles[2], abs=1e-6)
    assert compute("median", samples) == pytest.approx(statistics.median(samples), abs=1e-6)
    assert compute("p50", samples) == compute("median", samples)


@given(SERIES)
def test_a_summary_agrees_with_the_standard_library(samples: list[float]) -> None:
    summary = summarise(samples)

    assert summary.min <= summary.median <= summary.max
    assert summary.mean == pytest.approx(statistics.fmean(samples), rel=1e-9, abs=1e-6)
    assert summary.stdev == pytest.approx(statistics.stdev(samples), rel=1e-6, abs=1e-6)
    assert (summary.p95 is None) == (len(samples) < 20)
    assert (summary.p99 is None) == (len(samples) < 100)


@pytest.mark.parametrize(
    ("rank", "count"), [(50, 1), (90, 10), (95, 20), (99, 100), (99.9, 1000), (5, 20)]
)
def test_a_percentile_needs_so_many_samples(rank: float, count: int) -> None:
    assert count_needed_samples(rank) == count


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("p95", True),
        ("p99.9", True),
        ("median", True),
        ("p0", False),
        ("p100", False),
        ("p", False),
        ("x", False),
    ],
)
def test_a_name_is_a_statistic_or_not(name: str, known: bool) -> None:
    assert is_statistic(name) is known


def test_a_statistic_that_the_sample_cannot_support_is_refused() -> None:
    with pytest.raises(UnsupportedStatistic, match="p99 needs at least 100 samples, there are 99"):
        compute("p99", [1.0] * 99)
    with pytest.raises(UnsupportedStatistic, match="stdev needs at least 2"):
        compute("stdev", [1.0])


def test_huge_numbers_stay_finite() -> None:
    assert math.isfinite(compute("mean", [1.7e308, 1.7e308]))
