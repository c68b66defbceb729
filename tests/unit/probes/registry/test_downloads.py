"""What days of downloads amount to: every figure equals what the answer implies."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.errors import MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.registry import downloads
from pytest_flowhealth.probes.registry.downloads import Day, compute_growth, summarise_downloads

TODAY = date(2026, 11, 23)
"""A Monday."""

WINDOW = 59
OLD = datetime(2020, 1, 1, tzinfo=UTC)


def series(counts: Sequence[int], last: date = TODAY - timedelta(days=1)) -> list[Day]:
    """Return days with these counts, the last on `last`."""
    first = last - timedelta(days=len(counts) - 1)
    return [Day(first + timedelta(days=at), count) for at, count in enumerate(counts)]


def by_weekday(weekday: int, weekend: int) -> list[Day]:
    days = series([weekday] * WINDOW)
    return [Day(one.day, weekend if one.day.weekday() > 4 else weekday) for one in days]


def grown(days: Sequence[Day], created: datetime | None = OLD) -> downloads.Growth:
    return compute_growth(summarise_downloads(days, TODAY), created)


def test_figures_are_sums_of_the_last_days() -> None:
    days = series(range(1, WINDOW + 1))

    found = summarise_downloads(days, TODAY)

    assert (found.last, found.lag) == (TODAY - timedelta(days=1), 1)
    assert found.day == 59
    assert found.week == sum(range(53, 60))
    assert found.month == sum(range(30, 60))
    assert found.weeks[-1] == found.week
    assert len(found.weeks) == 8
    assert found.trend == pytest.approx(100 * 49 / ((found.weeks[3] + found.weeks[4]) / 2))
    assert found.gaps == ()


def test_growth_compares_the_last_week_with_the_week_before() -> None:
    found = grown(series([100] * 52 + [120] * 7))

    assert (found.percent, found.after, found.before, found.days) == (20.0, 840, 700, 7)
    assert not found.few


def test_zeros_at_the_end_are_days_that_are_not_counted_yet() -> None:
    found = summarise_downloads(series([100] * (WINDOW - 2) + [0] * 2), TODAY)

    assert found.lag == 3
    assert (found.day, found.week, found.month) == (100, 700, 3_000)
    assert compute_growth(found, OLD).percent == 0


def test_four_zero_days_of_a_popular_package_are_an_outage() -> None:
    with pytest.raises(MeasurementUnavailable, match="no figures since 2026-11-18"):
        summarise_downloads(series([100] * (WINDOW - 4) + [0] * 4), TODAY)


def test_a_package_without_downloads_has_no_growth_and_one_with_few_is_marked() -> None:
    found = summarise_downloads(series([0] * WINDOW), TODAY)

    assert (found.day, found.week, found.month, found.trend) == (0, 0, 0, None)
    with pytest.raises(NotApplicable, match="no downloads in the week before"):
        compute_growth(found, OLD)
    assert grown(series([28] * WINDOW)).few
    assert not grown(series([29] * WINDOW)).few


def test_zero_days_of_a_rarely_used_package_are_true() -> None:
    found = summarise_downloads(series([1, 0, 0, 2, 0, 0, 0] * 8 + [0, 0, 0]), TODAY)

    assert found.lag == 3
    assert (found.day, found.gaps) == (0, ())


def test_weekends_are_compared_with_weekends_and_without_downloads_no_gaps() -> None:
    """Before a Monday, both days of the weekend may be late: the figures end on Friday."""
    assert grown(by_weekday(1_000, 200)).percent == 0
    found = summarise_downloads(by_weekday(1_000, 0), TODAY)

    assert (found.gaps, found.last) == ((), date(2026, 11, 20))
    assert compute_growth(found, OLD).percent == 0


def test_a_lost_day_is_left_out_of_both_weeks() -> None:
    days = series([100] * WINDOW)
    days[-3] = Day(days[-3].day, 0)

    found = summarise_downloads(days, TODAY)

    assert found.gaps == (days[-3].day,)
    assert compute_growth(found, OLD) == downloads.Growth(0.0, 600, 600, 6)


def test_three_lost_days_leave_growth_unknown() -> None:
    days = series([100] * WINDOW)
    for at in (-3, -4, -5):
        days[at] = Day(days[at].day, 0)
    with pytest.raises(MeasurementUnavailable, match="no figures of 3 days: 2026-11-18"):
        grown(days)


@pytest.mark.parametrize(("age", "grows"), [(3, False), (14, False), (15, True)])
def test_a_young_package_has_figures_and_growth_after_two_weeks(age: int, *, grows: bool) -> None:
    """Its first day is no whole one; what it has is counted all the same."""
    first = TODAY - timedelta(days=age)
    days = [Day(one.day, 10 if one.day >= first else 0) for one in series([0] * WINDOW)]

    found = summarise_downloads(days, TODAY)

    assert found.month == 10 * min(age, 30)
    created = datetime.combine(first, datetime.min.time(), UTC) + timedelta(hours=13)
    if grows:
        assert compute_growth(found, created).percent == 0
    else:
        with pytest.raises(
            NotApplicable, match=f"there since {first}: growth needs two whole weeks"
        ):
            compute_growth(found, created)


def test_weeks_begin_with_the_first_download() -> None:
    found = summarise_downloads(series([0] * (WINDOW - 21) + [10] * 21), TODAY)

    assert found.weeks == (70, 70, 70)
    assert found.trend == 0


@pytest.mark.parametrize(
    ("days", "says"),
    [
        ([], "no figures at all"),
        (series([5] * 20), "20 days"),
        (series([5] * 40, TODAY - timedelta(days=4)), "no figures since 2026-11-19"),
        (series([5] * 40, TODAY), "was asked for 2026-09-25 to 2026-11-22"),
        (series([5] * 80), "answered for 2026-09-04"),
        (series([5] * 30)[:10] + series([5] * 30)[11:], "2026-11-04 after 2026-11-02"),
        (series([5] * 30) + series([5]), "2026-11-22 after 2026-11-22"),
    ],
)
def test_missing_doubled_or_old_days_are_unknown(days: list[Day], says: str) -> None:
    with pytest.raises(MeasurementUnavailable, match=says):
        summarise_downloads(days, TODAY)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10**9), min_size=32, max_size=WINDOW), st.integers(1, 3))
def test_figures_are_sums_of_the_given_counts_or_unknown(counts: list[int], late: int) -> None:
    try:
        found = summarise_downloads(series(counts, TODAY - timedelta(days=late)), TODAY)
    except MeasurementUnavailable:
        return
    used = counts[: len(found.days)]
    assert found.week == sum(used[-7:])
    assert found.month == sum(used[-30:])
    assert all(count == 0 for count in counts[len(used) :])
    assert 1 <= found.lag <= downloads.OLDEST
