"""Comparisons with earlier runs, trends, and what thresholds they suggest."""

import random
import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_flowhealth.domain.run_history import SHOWN, make_trend
from pytest_flowhealth.formats.figure_table import draw_sparkline
from pytest_flowhealth.history.regression import (
    FEWEST,
    choose_statistics,
    compare,
    compute_deviations,
    estimate_spread,
)
from pytest_flowhealth.history.suggestion import render_toml, suggest_threshold

NUMBERS = random.Random(11)


@pytest.fixture(autouse=True)
def seed() -> None:
    """Draw the same numbers in each test, in whatever order the tests run."""
    NUMBERS.seed(11)


def run(scale: float, noise: float = 0.02) -> tuple[float, ...]:
    """Return a run's samples: skewed to the slow side, and all of it drifting a little."""
    drift = NUMBERS.gauss(1, noise)
    return tuple(scale * drift * (1 + NUMBERS.expovariate(20)) for _ in range(30))


@pytest.mark.parametrize(("runs", "least"), [(12, 49), (50, 49)])
def test_slower_work_is_found_and_unchanged_work_is_not_reported(runs: int, least: int) -> None:
    found = alarms = 0
    for _ in range(50):
        past = [run(10) for _ in range(runs)]
        found += compare("m", "ms", run(12), past, "lower").outcome == "worse"
        alarms += compare("m", "ms", run(10), past, "lower").outcome != "steady"
    assert found >= least
    assert alarms <= 1


def test_direction_decides_what_is_worse() -> None:
    past = [run(10) for _ in range(12)]
    outcomes = {
        (scale, better): compare("m", "x", run(scale), past, better).outcome
        for scale in (7, 10, 14)
        for better in ("lower", "higher", None)
    }
    assert outcomes == {
        (7, "lower"): "better",
        (10, "lower"): "steady",
        (14, "lower"): "worse",
        (7, "higher"): "worse",
        (10, "higher"): "steady",
        (14, "higher"): "better",
        (7, None): "neutral",
        (10, None): "neutral",
        (14, None): "neutral",
    }


def test_fewer_than_five_earlier_runs_are_neutral() -> None:
    found = compare("m", "ms", [50.0], [[1.0]] * (FEWEST - 1), "lower")
    assert (found.outcome, found.reason) == (
        "neutral",
        f"{FEWEST - 1} earlier runs, {FEWEST} are needed",
    )
    assert compare("m", "1", [1.0], [[0.0]] * 9, "lower").outcome == "neutral"
    assert compare("m", "ms", [1.0], [], "lower").median is None


def test_noisy_measurement_is_no_regression() -> None:
    past = [[value] for value in (5.0, 14.0, 8.0, 11.0, 9.0, 16.0, 4.0)]
    assert compare("m", "ms", [15.0], past, "lower").outcome == "steady"


def test_median_and_the_better_percentile_that_all_samples_support_are_compared() -> None:
    ten, five = [1.0] * 10, [1.0] * 5
    assert choose_statistics(ten, [ten], "lower") == ("median", "p10")
    assert choose_statistics(ten, [ten], "higher") == ("median", "p90")
    assert choose_statistics(ten, [ten, five], "lower") == ("median", "p25")
    assert (
        choose_statistics(five, [[1.0]], "lower")
        == choose_statistics(five, [ten], None)
        == ("median",)
    )


def test_other_load_during_half_a_run_is_no_regression() -> None:
    past = [run(10) for _ in range(12)]
    found = compare("m", "ms", [*run(10)[:14], *run(20)[14:]], past, "lower")
    assert (found.outcome, found.limit and (found.change or 0) > found.limit) == ("steady", True)
    assert found.reason == "its median and its better samples don't say the same: noise"


def test_machine_that_was_slow_at_times_may_be_slow_again() -> None:
    past = [run(10 if number % 6 else 15) for number in range(24)]
    assert compare("m", "ms", run(14), past, "lower").outcome == "steady"
    assert compare("m", "ms", run(7), past, "higher").outcome == "worse"


def test_lasting_slow_down_is_reported_until_it_is_usual() -> None:
    past = [run(10) for _ in range(12)]
    told = []
    for _ in range(70):
        now = run(14)
        told.append(compare("m", "ms", now, past, "lower"))
        past.append(now)
    assert [one.outcome for one in told[:38]] == ["worse"] * 38
    assert (told[0].reason, told[1].reason) == (None, "as in the run before")
    assert (told[2].runs, told[2].reason) == (12, "as in the 2 runs before this one")
    assert told[-1].outcome == "steady"


def test_limit_grows_with_the_number_of_measurements() -> None:
    past = [[10 + number / 10] for number in range(-6, 7)]
    assert compare("m", "ms", [12.0], past, "lower").outcome == "worse"
    assert compare("m", "ms", [12.0], past, "lower", among=400).outcome == "steady"


def test_spread_and_deviations_match_known_distributions() -> None:
    normal = [NUMBERS.gauss(100, 5) for _ in range(500)]
    assert estimate_spread(normal, "lower") == pytest.approx(5, rel=0.1)
    assert estimate_spread([100.0] * 9, None) == 1
    assert compute_deviations(1_000_000, 0.005) == pytest.approx(2.576, abs=0.001)
    assert (
        compute_deviations(13, 0.005) > compute_deviations(50, 0.005) > compute_deviations(50, 0.02)
    )


def test_trend_has_median_change_and_sparkline() -> None:
    found = make_trend("m", "ms", [float(one) for one in range(1, 40)], 30.0)
    assert (len(found.values), found.median, found.change) == (SHOWN, 20, 0.5)
    assert make_trend("m", "ms", [], 1.0).median is None
    assert draw_sparkline([1, 2, 3, 8]) == "▁▂▃█"
    assert draw_sparkline([2, 2]) == "▄▄"


@given(
    st.lists(st.floats(0.001, 1e6), min_size=FEWEST, max_size=60),
    st.sampled_from(["lower", "higher"]),
)
@example([1.0, 1.0, *[909_091.0] * 4], "lower")  # both limits are rounded up to 1,100,000
def test_suggested_limits_are_toml_and_count_what_they_would_have_done(
    values: list[float], better: str
) -> None:
    found = suggest_threshold("a.b.p95", "ms", values, better)  # type: ignore[arg-type]
    table = tomllib.loads("\n".join(render_toml([found])))["thresholds"]

    limits = table["a.b.p95"]
    sign = 1 if better == "lower" else -1
    assert sign * (limits["fail"] - limits["warn"]) > 0
    past = [sign * (value - limits["warn"]) > 0 for value in values]
    gone = [sign * (value - limits["fail"]) > 0 for value in values]
    assert (found.warned + found.failed, found.failed) == (sum(past), sum(gone))


def test_nothing_is_suggested_from_too_few_runs() -> None:
    few = suggest_threshold("a.b", "1", [1.0], "lower")
    none = suggest_threshold("a.c", "1", [0.0] * 9, "lower")
    assert tomllib.loads("\n".join(render_toml([few, none])))["thresholds"] == {}
    assert "5 runs are needed" in "\n".join(render_toml([few]))
