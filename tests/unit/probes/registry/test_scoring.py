"""The score: its published formula, and what is missing in it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.registry import scoring
from pytest_flowhealth.probes.registry.scoring import WEIGHTS, MissingPart, compute_score

DOCS = Path(__file__).parents[4] / "docs/npm.md"
BEST = {
    "installable": 1.0,
    "install_success": 100.0,
    "growth": 12.0,
    "latest_major": 100.0,
    "not_deprecated": 100.0,
    "not_vulnerable": 100.0,
}


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, 100),
        ({"installable": 0.0}, 65),
        ({"install_success": 80.0}, 75),
        ({"install_success": 87.5}, 87.5),
        ({"growth": -50.0}, 90),
        ({"latest_major": 40.0}, 94),
        ({"not_deprecated": 0.0, "not_vulnerable": 0.0}, 80),
        (dict.fromkeys(BEST, 0.0) | {"growth": -100.0}, 0),
    ],
)
def test_the_score_is_the_weighted_mean_of_its_parts(
    changes: dict[str, float], value: float
) -> None:
    assert compute_score(BEST | changes).value == pytest.approx(value)


def test_missing_parts_have_no_weight() -> None:
    found = compute_score(
        {
            "installable": 1.0,
            "latest_major": 50.0,
            "growth": MissingPart("the API is down"),
            "install_success": MissingPart("no reports", applicable=False),
        }
    )

    assert found.value == pytest.approx((35 * 100 + 10 * 50) / 45)
    assert found.missing == {"growth": "the API is down"}
    assert found.inapplicable == {"install_success": "no reports"}
    assert set(found.parts) == {"installable", "latest_major"}


def test_without_any_part_the_score_is_unknown() -> None:
    with pytest.raises(MeasurementUnavailable):
        compute_score(dict.fromkeys(WEIGHTS, MissingPart("down")))


@given(st.fixed_dictionaries({name: st.floats(-1e6, 1e6) for name in BEST}))
def test_the_score_is_between_0_and_100(figures: dict[str, float]) -> None:
    assert 0 <= compute_score(figures).value <= 100


def test_weights_are_those_of_the_docs() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", DOCS.read_text(), re.MULTILINE))

    assert {name: int(weight) for name, weight in rows.items()} == WEIGHTS
    assert sum(WEIGHTS.values()) == 100


def test_a_part_grows_linearly_between_its_bounds() -> None:
    assert [scoring.between(one, 80, 95) for one in (0, 80, 95, 200)] == [0, 0, 100, 100]
