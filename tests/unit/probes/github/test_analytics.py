"""The figures of GitHub's issues, and when they are not known."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.probes.github import analytics
from pytest_flowhealth.probes.github.analytics import Responses
from pytest_flowhealth.probes.github.client import GitHubError
from pytest_flowhealth.probes.github.settings import find_repository
from tests.kit.clock import FakeClock
from tests.kit.github import GitHub

DAY = 86_400.0


def now(clock: FakeClock) -> datetime:
    return datetime.fromtimestamp(clock.at, UTC)


def fill(github: GitHub, now: float) -> None:
    """Open issues of 40, 10 and 1 days, one that was closed, and a pull request."""
    first = github.open(labels=["bug"], created=now - 10 * DAY)["number"]
    second = github.open(labels=["Bug", "installation"], created=now - 40 * DAY)["number"]
    github.open(created=now - 1 * DAY)
    closed = github.open(created=now - 30 * DAY)["number"]
    github.close(closed, at=now - 20 * DAY)
    github.open(labels=["bug"], created=now - 500 * DAY, pull_request={"url": "..."})
    github.say(first, "somebody", now - 9.9 * DAY)  # the author
    github.say(first, "helper[bot]", now - 9.8 * DAY, "Bot")
    github.say(first, "maintainer", now - 8 * DAY)
    github.say(second, "maintainer", now - 36 * DAY)
    github.say(closed, "other", now - 27 * DAY)


def test_open_issues_are_counted_by_label_without_pull_requests(
    github: GitHub, clock: FakeClock
) -> None:
    fill(github, clock.at)
    issues = analytics.read_open_issues(github.client())
    assert len(issues) == 3
    assert analytics.count_by_label(issues) == {"bug": 2, "installation": 1}
    assert sorted(analytics.ages_in_days(issues, now(clock))) == pytest.approx(
        [1, 10, 40], abs=0.01
    )


def test_the_first_response_is_by_somebody_else_who_is_no_bot(
    github: GitHub, clock: FakeClock
) -> None:
    fill(github, clock.at)
    found = analytics.read_responses(github.client(), now(clock))
    assert sorted(found.answered) == pytest.approx([2, 3, 4], abs=0.01)
    assert found.waiting == pytest.approx((1,), abs=0.01)
    assert found.opened == found.examined == 4
    assert found.median == pytest.approx(3, abs=0.01)


def test_weeks_are_the_last_four_full_weeks(github: GitHub, clock: FakeClock) -> None:
    fill(github, clock.at)
    found = analytics.read_weeks(github.client(), now(clock))
    monday = now(clock).date() - timedelta(days=now(clock).weekday())
    assert [week.begin for week in found] == [
        (monday - timedelta(weeks=back)).isoformat() for back in (4, 3, 2, 1)
    ]
    assert sum(week.closed for week in found) == 1
    assert sum(week.opened for week in found) in (1, 2)


def test_a_rate_limit_in_between_gives_no_partial_figure(github: GitHub, clock: FakeClock) -> None:
    fill(github, clock.at)
    github.fault = lambda _, count: "primary" if count >= 4 else None
    with pytest.raises(GitHubError, match="was asked too often"):
        analytics.read_responses(github.client(), now(clock))


@pytest.mark.parametrize(
    ("answered", "waiting", "median"),
    [
        ((), (), None),
        ((2.0, 3.0, 4.0), (1.0,), 3.0),
        ((1.0,), (2.0, 3.0), None),
        ((1.0, 2.0), (), 1.0),
    ],
)
def test_the_median_counts_issues_that_still_wait(
    answered: tuple[float, ...], waiting: tuple[float, ...], median: float | None
) -> None:
    assert Responses(answered, waiting, 9).median == median


def test_without_a_repository_on_github_it_is_not_applicable(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "shop"}')
    with pytest.raises(NotApplicable, match="no repository on GitHub is known"):
        find_repository(load_target(tmp_path, {}, tmp_path))
