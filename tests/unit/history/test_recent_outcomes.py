"""When a check failed: rounds in a row become periods."""

import pytest

from pytest_flowhealth.history.recent_outcomes import FailedPeriod, join_periods


@pytest.mark.parametrize(
    ("outcomes", "periods"),
    [
        ("", []),
        ("pp", []),
        ("f", [(0, 9, "fail")]),
        ("pfp", [(1, 2, "fail")]),
        ("ffp", [(0, 2, "fail")]),
        ("fuup", [(0, 1, "fail"), (1, 3, "unknown")]),
        ("fwf", [(0, 1, "fail"), (2, 9, "fail")]),
        ("psf", [(2, 9, "fail")]),
    ],
)
def test_rounds_in_a_row_are_a_period(
    outcomes: str, periods: list[tuple[float, float, str]]
) -> None:
    words = {"p": "pass", "f": "fail", "u": "unknown", "w": "warn", "s": "skip"}
    rounds = [(float(at), words[letter]) for at, letter in enumerate(outcomes)]
    assert join_periods(rounds, 9.0) == [FailedPeriod(*period) for period in periods]
