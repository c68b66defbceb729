"""Figures of a repository's issues, from a bounded number of requests.

How each figure is made: docs/github.md.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from pytest_flowhealth.probes.github.answers import Comment, Issue
from pytest_flowhealth.probes.github.client import GitHubClient

PAGES = 20
"""Pages of 100 that are read of one list; more is not counted in part."""

LOOKED = 25
"""Issues whose comments are read at the most: an hour's requests are 60 without a token."""

RECENT_DAYS = 90
"""How far back issues count for the time to the first response."""

WEEKS = 4
"""Full weeks, Monday to Sunday in UTC, that are compared."""


class Responses(msgspec.Struct, frozen=True):
    """How long it took until somebody else answered, in days.

    Attributes:
        answered: Of each issue that was answered, how long it took.
        waiting: Of each that was not, how old it is.
        opened: How many issues were opened in the time, of which the newest were looked at.
    """

    answered: tuple[float, ...]
    waiting: tuple[float, ...]
    opened: int

    @property
    def looked(self) -> int:
        """How many were looked at."""
        return len(self.answered) + len(self.waiting)

    @property
    def median(self) -> float | None:
        """The time within which half of the issues are answered, in days.

        Those that wait count as what they are: longer than so far (Kaplan and Meier, 1958). None
        where so few are answered that it can't be told yet: it is longer than all that is known.
        """
        times = sorted([(one, 0) for one in self.answered] + [(one, 1) for one in self.waiting])
        unanswered, at_risk = 1.0, len(times)
        for days, waits in times:
            if not waits:
                unanswered *= 1 - 1 / at_risk
            at_risk -= 1
            if unanswered <= 0.5 + 1e-12:
                return days
        return None


class Week(msgspec.Struct, frozen=True):
    """How many issues were opened and closed in a week; `begin` is its Monday."""

    begin: str
    opened: int
    closed: int


def read_open_issues(client: GitHubClient) -> list[Issue]:
    """Return all open issues.

    Raises:
        GitHubError: They can't be had, or are too many.
    """
    return _issues(client, state="open")


def count_by_label(issues: Iterable[Issue]) -> dict[str, int]:
    """Return how many have each label, the most frequent first; an issue may count for several."""
    counts = Counter(name.lower() for one in issues for name in set(one.label_names))
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def ages_in_days(issues: Iterable[Issue], now: datetime) -> list[float]:
    """Return how old each is, in days."""
    return [_days(now - one.created_at) for one in issues]


def read_responses(client: GitHubClient, now: datetime) -> Responses:
    """Ask for the first comment by somebody else, of the newest issues; programs count as nobody.

    Raises:
        GitHubError: It can't be had.
    """
    begin = now - timedelta(days=RECENT_DAYS)
    found = [
        one for one in _issues(client, state="all", since=_stamp(begin)) if one.created_at >= begin
    ]
    newest = sorted(found, key=lambda one: one.created_at, reverse=True)[:LOOKED]
    answered: list[float] = []
    waiting: list[float] = []
    for one in newest:
        at = _first_response(client, one) if one.comments else None
        (waiting if at is None else answered).append(_days((at or now) - one.created_at))
    return Responses(tuple(answered), tuple(waiting), len(found))


def read_weeks(client: GitHubClient, now: datetime) -> list[Week]:
    """Return the last full weeks, the oldest first.

    Raises:
        GitHubError: They can't be had.
    """
    today = now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday())
    begins = [
        datetime.combine(monday - timedelta(weeks=back), datetime.min.time(), UTC)
        for back in range(WEEKS, -1, -1)
    ]
    # What was opened or closed since then was changed since then.
    issues = _issues(client, state="all", since=_stamp(begins[0]))
    return [
        Week(
            begin.date().isoformat(),
            _within([one.created_at for one in issues], begin, end),
            _within([one.closed_at for one in issues], begin, end),
        )
        for begin, end in itertools.pairwise(begins)
    ]


def _issues(client: GitHubClient, **named: str) -> list[Issue]:
    found = client.pages("issues", Issue, PAGES, **named)
    return [one for one in found if one.pull_request is None]


def _first_response(client: GitHubClient, issue: Issue) -> datetime | None:
    """Return when somebody else commented first; of the first 100 comments."""
    path = f"issues/{issue.number}/comments?per_page=100"
    author = issue.user.login if issue.user else None
    for one in client.get(path, list[Comment]):
        if one.user is not None and one.user.login != author and not one.user.is_bot:
            return one.created_at
    return None


def _within(moments: Sequence[datetime | None], begin: datetime, end: datetime) -> int:
    return sum(1 for one in moments if one is not None and begin <= one < end)


def _days(time: timedelta) -> float:
    return max(0.0, time / timedelta(days=1))


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
