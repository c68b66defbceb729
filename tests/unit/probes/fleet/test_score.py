"""The score: points of each part, and their weighted mean."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.probes.fleet.score import SCALES, WEIGHTS, points, score_fleet


@pytest.mark.parametrize(
    ("part", "figure", "expected"),
    [
        ("completion", 95, 100),
        ("completion", 87.5, 50),
        ("completion", 80, 0),
        ("spawn", 6.5, 50),
        ("queue", 60, 100),
        ("queue", math.inf, 0),
        ("silent", 25, 50),
    ],
)
def test_points_fall_between_the_ends_of_a_scale(part: str, figure: float, expected: float) -> None:
    assert points(part, figure) == pytest.approx(expected)


def test_the_score_is_the_weighted_mean_of_the_known_parts() -> None:
    found = score_fleet({"completion": 87.5, "spawn": 1.0, "swarms": "no swarms"})
    assert found.value == pytest.approx((25 * 50 + 10 * 100) / 35)
    assert found.absent == {"swarms": "no swarms"}
    assert set(found.parts) == {"completion", "spawn"}
    with pytest.raises(NotApplicable):
        score_fleet({"completion": "too few"})


@given(st.dictionaries(st.sampled_from([*WEIGHTS]), st.floats(0, 1e9), min_size=1))
def test_the_score_is_from_0_to_100(parts: dict[str, float]) -> None:
    assert 0 <= score_fleet({**parts}).value <= 100


def test_each_part_has_a_weight_and_a_scale() -> None:
    assert set(WEIGHTS) == set(SCALES)
    assert sum(WEIGHTS.values()) == 100
