"""Availability: rounds count until the next, for three intervals at the most; the rest is not measured."""

from itertools import repeat

import pytest

from pytest_flowhealth.history.availability import Availability, compute_availability

MINUTE = 60.0


def rounds(*outcomes: str) -> list[tuple[float, str]]:
    return [(MINUTE * number, outcome) for number, outcome in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "until", "expected", "share"),
    [
        (("pass",) * 10, 600.0, Availability(healthy=600.0), 100.0),
        (("pass", "fail", "pass", "warn"), 240.0, Availability(120.0, 60.0, 60.0), 75.0),
        (("pass", "unknown", "pass", "pass"), 240.0, Availability(180.0, 0, 0, 60.0), 100.0),
        (("pass", "pass"), 600.0, Availability(240.0, 0, 0, 360.0), 100.0),
        ((), 600.0, Availability(unmeasured=600.0), None),
        (("skip", "skip"), 120.0, Availability(unmeasured=120.0), None),
    ],
)
def test_time_is_attributed_to_what_the_last_round_found(
    outcomes: tuple[str, ...], until: float, expected: Availability, share: float | None
) -> None:
    found = compute_availability(rounds(*outcomes), 0.0, until)
    assert found == expected
    assert found.share == share


def test_a_gap_between_rounds_is_not_measured_after_three_intervals() -> None:
    early = rounds(*repeat("pass", 5))
    late = [(MINUTE * number, "pass") for number in range(20, 25)]
    found = compute_availability([*early, *late], 0.0, 25 * MINUTE)
    assert found.unmeasured == (20 - 4 - 3) * MINUTE
    assert found.healthy == (4 + 3 + 5) * MINUTE
