"""Measurements of a repository's issues, from a bounded number of requests.

The definition of each figure: docs/github.md.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from pytest_flowhealth.probes.github.client import GitHubClient
from pytest_flowhealth.probes.github.resources import Comment, Issue

MAX_PAGES = 20
"""The largest list that is read, in pages of 100; a longer one is an error, not a partial count."""

MAX_COMMENTED = 25
"""Issues whose comments are read: without a token, GitHub accepts 60 requests an hour."""

RECENT_DAYS = 90
"""Days after their creation in which issues count for the time to the first response."""

WEEKS = 4
"""Number of full weeks, Monday to Sunday in UTC."""


class Responses(msgspec.Struct, frozen=True):
    """Times to the first response of the newest issues, in days.

    Attributes:
        answered: The time to the response of each answered issue.
        waiting: The age of each issue without a response.
        opened: The number of issues opened in the period, of which the newest were examined.
    """

    answered: tuple[float, ...]
    waiting: tuple[float, ...]
    opened: int

    @property
    def examined(self) -> int:
        """Number of issues whose comments were read."""
        return len(self.answered) + len(self.waiting)

    @property
    def median(self) -> float | None:
        """The time within which half of the issues are answered, in days.

        Issues without a response are censored observations (the estimator of Kaplan and Meier,
        1958). None if too few are answered: the median is then longer than every observation.
        """
        times = sorted([(days, 0) for days in self.answered] + [(days, 1) for days in self.waiting])
        unanswered, at_risk = 1.0, len(times)
        for days, waits in times:
            if not waits:
                unanswered *= 1 - 1 / at_risk
            at_risk -= 1
            if unanswered <= 0.5 + 1e-12:
                return days
        return None


class Week(msgspec.Struct, frozen=True):
    """Number of issues opened and closed in a week; `begin` is its Monday."""

    begin: str
    opened: int
    closed: int


def read_open_issues(client: GitHubClient) -> list[Issue]:
    """Return all open issues.

    Raises:
        GitHubError: No usable response, or too many issues.
    """
    return _read_issues(client, state="open")


def count_by_label(issues: Iterable[Issue]) -> dict[str, int]:
    """Return the number of issues by label, in lower case, the most frequent first."""
    counts = Counter(name.lower() for issue in issues for name in set(issue.label_names))
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def ages_in_days(issues: Iterable[Issue], now: datetime) -> list[float]:
    """Return the age of each issue, in days."""
    return [_days(now - issue.created_at) for issue in issues]


def read_responses(client: GitHubClient, now: datetime) -> Responses:
    """Return the times to the first comment by a person other than the author.

    Raises:
        GitHubError: No usable response.
    """
    begin = now - timedelta(days=RECENT_DAYS)
    changed = _read_issues(client, state="all", since=_stamp(begin))
    opened = [issue for issue in changed if issue.created_at >= begin]
    newest = sorted(opened, key=lambda issue: issue.created_at, reverse=True)[:MAX_COMMENTED]
    answered: list[float] = []
    waiting: list[float] = []
    for issue in newest:
        at = _find_first_response(client, issue) if issue.comments else None
        (waiting if at is None else answered).append(_days((at or now) - issue.created_at))
    return Responses(tuple(answered), tuple(waiting), len(opened))


def read_weeks(client: GitHubClient, now: datetime) -> list[Week]:
    """Return the last full weeks, the oldest first.

    Raises:
        GitHubError: No usable response.
    """
    today = now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday())
    begins = [
        datetime.combine(monday - timedelta(weeks=back), datetime.min.time(), UTC)
        for back in range(WEEKS, -1, -1)
    ]
    # An issue that was opened or closed since then was updated since then.
    issues = _read_issues(client, state="all", since=_stamp(begins[0]))
    return [
        Week(
            begin.date().isoformat(),
            _count_between([issue.created_at for issue in issues], begin, end),
            _count_between([issue.closed_at for issue in issues], begin, end),
        )
        for begin, end in itertools.pairwise(begins)
    ]


def _read_issues(client: GitHubClient, **query: str) -> list[Issue]:
    found = client.read_list("issues", Issue, MAX_PAGES, **query)
    return [issue for issue in found if issue.pull_request is None]


def _find_first_response(client: GitHubClient, issue: Issue) -> datetime | None:
    """Return the time of the first comment by another person, among the first 100 comments."""
    comments = client.get(f"issues/{issue.number}/comments", list[Comment], per_page=100)
    author = issue.user.login if issue.user else None
    for comment in comments:
        user = comment.user
        if user is not None and user.login != author and not user.is_bot:
            return comment.created_at
    return None


def _count_between(times: Sequence[datetime | None], begin: datetime, end: datetime) -> int:
    return sum(1 for time in times if time is not None and begin <= time < end)


def _days(duration: timedelta) -> float:
    return max(0.0, duration / timedelta(days=1))


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
