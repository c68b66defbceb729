"""A package's downloads by day: what an answer of the downloads API amounts to.

github.com/npm/registry, docs/download-counts.md. All days are of UTC. Figures of a day come after
its end, sometimes a day or two later, and until then they are 0: such a 0 at the end is no figure.
Weeks are seven days up to the last day that has one, so that each holds every weekday once and
weekends are compared with weekends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, pairwise
from statistics import median
from typing import Annotated

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable, NotApplicable

WEEKS = 8
"""Weeks of which the trend is made."""

LAG = 2
"""Days at the end whose 0 may stand for "not counted yet", besides today."""

OLDEST = 3
"""Days that the last figure may be old; normally it is yesterday's."""

SURE = 20
"""Downloads on the same weekday of other weeks from which on a 0 is a gap in the API's data: where
20 are usual, chance gives none on one day in 500 million (Poisson)."""

FEW = 200
"""Downloads in the week before below which growth is told and not judged: of 200, chance alone
gives or takes 20 % (two standard deviations of the difference of two Poisson counts)."""

Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
"""Downloads of a day or a week: all of npm together has fewer than the bound."""


class Day(msgspec.Struct, frozen=True):
    """One day's downloads."""

    day: date
    downloads: Count


class DownloadRange(msgspec.Struct, frozen=True):
    """The API's answer."""

    downloads: tuple[Day, ...]
    package: str


class Growth(msgspec.Struct, frozen=True):
    """One week against the one before: `percent`, with the downloads of both on the days compared."""

    percent: float
    after: int
    before: int
    days: int

    @property
    def few(self) -> bool:
        """Whether there were so few downloads that a change of them may be chance."""
        return self.before < FEW


class Downloads(msgspec.Struct, frozen=True):
    """What the days amount to.

    Attributes:
        last: The last day that has a figure.
        lag: How many days ago that was.
        day: Its downloads.
        week: Those of the seven days up to it.
        month: Those of the 30 days up to it.
        weeks: Those of whole weeks, oldest first, the package's life long, eight at the most.
        trend: The median change from week to week, in percent of the median week (Theil and Sen's
            slope); None of fewer than three weeks, or without downloads.
        gaps: Days that have 0 where downloads are usual: a failure of the API's data.
        days: The days that figures were made of, oldest first.
    """

    last: date
    lag: int
    day: int
    week: int
    month: int
    weeks: tuple[int, ...]
    trend: float | None
    gaps: tuple[date, ...]
    days: tuple[Day, ...]


def find_window(today: date) -> tuple[date, date]:
    """Return the first and the last day to ask for."""
    return today - timedelta(days=7 * WEEKS + OLDEST), today - timedelta(days=1)


def summarise_downloads(days: Sequence[Day], today: date) -> Downloads:
    """Return what the days amount to.

    Raises:
        MeasurementUnavailable: They are not one after the other, too few, not those that were asked for, or end
            too early.
    """
    _require_row(days, today)
    usual = {day.day: _usual(days, day.day) for day in days}
    counted = _counted(days, today, usual)
    last = counted[-1].day if counted else None
    if last is None or (today - last).days > OLDEST:
        since = f"since {last}" if last else "at all"
        raise MeasurementUnavailable(
            f"the downloads API has no figures {since}: today is {today} (UTC)"
        )
    if len(counted) < 30:
        raise MeasurementUnavailable(
            f"the downloads API answers with {len(counted)} days, of which a month can't be told"
        )
    counts = [day.downloads for day in counted]
    weeks = _weeks(counts)
    return Downloads(
        last=last,
        lag=(today - last).days,
        day=counts[-1],
        week=sum(counts[-7:]),
        month=sum(counts[-30:]),
        weeks=weeks,
        trend=_trend(weeks),
        gaps=tuple(day.day for day in counted if not day.downloads and usual[day.day] >= SURE),
        days=tuple(counted),
    )


def compute_growth(found: Downloads, created: datetime | None) -> Growth:
    """Return the last week against the one before, weekday by weekday.

    A weekday is compared where both weeks have a figure of it. `created` is when the package was
    first published: the day itself is no whole day.

    Raises:
        NotApplicable: The package is younger than two weeks, or had no downloads to grow from.
        MeasurementUnavailable: Too few days can be compared.
    """
    before, after = found.days[-14:-7], found.days[-7:]
    if created is not None and created.astimezone(UTC).date() >= before[0].day:
        raise NotApplicable(
            f"the package is there since {created.astimezone(UTC).date()}: growth needs two whole weeks"
        )
    gaps = set(found.gaps)
    pairs = [
        pair for pair in zip(before, after, strict=True) if gaps.isdisjoint(day.day for day in pair)
    ]
    if len(pairs) < 5:
        raise MeasurementUnavailable(
            f"the downloads API has no figures of {len(gaps)} days: {', '.join(map(str, sorted(gaps)[-7:]))}"
        )
    was, now = (sum(pair[at].downloads for pair in pairs) for at in (0, 1))
    if not was:
        raise NotApplicable("there were no downloads in the week before, from which to grow")
    return Growth(100 * (now - was) / was, now, was, len(pairs))


def _require_row(days: Sequence[Day], today: date) -> None:
    first, last = find_window(today)
    for earlier, following in pairwise(days):
        if following.day - earlier.day != timedelta(days=1):
            raise MeasurementUnavailable(
                f"the downloads API's answer has {following.day} after {earlier.day}"
            )
    if days and not first <= days[0].day <= days[-1].day <= last:
        raise MeasurementUnavailable(
            f"the downloads API was asked for {first} to {last}, and answered for "
            f"{days[0].day} to {days[-1].day}"
        )


def _usual(days: Sequence[Day], day: date) -> float:
    """Return the median of the same weekday in the other weeks, since the first download."""
    begun = next((each.day for each in days if each.downloads), day)
    others = [
        each.downloads
        for each in days
        if each.day >= begun and each.day != day and each.day.weekday() == day.weekday()
    ]
    return median(others) if others else 0.0


def _counted(days: Sequence[Day], today: date, usual: dict[date, float]) -> list[Day]:
    """Leave out the days at the end whose 0 is no figure."""
    counted = list(days)
    earliest = today - timedelta(days=1 + LAG)
    while counted and not counted[-1].downloads:
        day = counted[-1].day
        if day <= earliest and usual[day] < SURE:
            break
        counted.pop()
    return counted


def _weeks(counts: Sequence[int]) -> tuple[int, ...]:
    """Return the sums of whole weeks, oldest first, without those before the first download."""
    whole = [sum(counts[end - 7 : end]) for end in range(len(counts), 6, -7)][:WEEKS]
    while len(whole) > 1 and not whole[-1]:
        whole.pop()
    return tuple(reversed(whole))


def _trend(weeks: Sequence[int]) -> float | None:
    middle = median(weeks)
    if len(weeks) < 3 or not middle:
        return None
    slopes = [(weeks[b] - weeks[a]) / (b - a) for a, b in combinations(range(len(weeks)), 2)]
    return 100 * median(slopes) / middle
