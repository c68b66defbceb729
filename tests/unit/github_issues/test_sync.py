"""One open issue for each fingerprint: crashes, several monitors, refusals, a lost history."""

import contextlib

import pytest

from pytest_flowhealth.github_issues.planning import DAY
from tests.kit.clock import FakeClock
from tests.kit.github import TOKEN, GitHub
from tests.kit.github_issues import BASE, Crash, IssueMonitor, crash_at, kind
from tests.kit.http import Request

HOUR = 3_600.0
FINGERPRINT = BASE.fingerprint
OTHER = kind(fingerprint="f" * 16, count=6)
REQUESTS = range(1, 5)
"""Opening an issue takes three requests; the fourth is the next run's first."""


@pytest.fixture
def monitor(github: GitHub, clock: FakeClock) -> IssueMonitor:
    return IssueMonitor(github, clock)


def test_an_issue_is_opened_once_and_a_token_in_the_answer_is_not_stored(
    monitor: IssueMonitor, github: GitHub
) -> None:
    real = github.open
    github.open = lambda **named: real(**named, html_url=f"https://x/?{TOKEN}")  # type: ignore[method-assign]
    result = monitor.sync()
    assert [each.outcome for each in result.results] == ["opened"]
    assert result.results[0].url == "https://github.example/acme/shop/issues/1"
    rows = monitor.history.execute("SELECT * FROM github_issues").fetchall()
    assert TOKEN not in repr((result, rows))
    assert monitor.outcomes() == ["unchanged"]

    (issue,) = github.issues
    assert [label["name"] for label in issue["labels"]] == ["bug", "installation", "flowhealth"]
    assert issue["body"].startswith(f"<!-- flowhealth:{FINGERPRINT} -->")


def test_without_enough_reports_nothing_is_requested(monitor: IssueMonitor, github: GitHub) -> None:
    assert monitor.outcomes(kind(count=4)) == []
    assert github.requests == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", REQUESTS)
def test_a_crash_at_any_request_leads_to_one_issue(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock, number: int, after: bool
) -> None:
    github.lag = 30.0
    crash_at(github, number, after=after)
    for wait in (0.0, 10.0, 130.0, HOUR):
        clock.sleep(wait)
        with contextlib.suppress(Crash):
            monitor.sync()
    assert len(github.about(FINGERPRINT)) == 1


@pytest.mark.parametrize("number", REQUESTS)
def test_two_monitors_open_one_duplicate_at_most_and_the_next_run_closes_it(
    github: GitHub, clock: FakeClock, number: int
) -> None:
    first, second = IssueMonitor(github, clock), IssueMonitor(github, clock)
    github.lag = 30.0

    def interrupt(_: Request, count: int) -> None:
        if count == number:
            second.sync()

    github.fault = interrupt
    first.sync()
    assert len(github.about(FINGERPRINT)) <= 2

    clock.sleep(HOUR)
    second.sync()
    assert github.open_issues(FINGERPRINT) == [1]
    for issue in github.issues[1:]:
        assert issue["state_reason"] == "not_planned"
        assert [each["body"] for each in github.comments[issue["number"]]] == ["Duplicate of #1"]
    assert first.outcomes() == second.outcomes() == ["unchanged"]


def test_two_processes_with_one_history_open_one_issue(github: GitHub, clock: FakeClock) -> None:
    first, second = IssueMonitor(github, clock), IssueMonitor(github, clock)
    second.history = first.history
    github.lag = 30.0
    outcomes = []

    def interrupt(_: Request, count: int) -> None:
        if count == 2:  # the list was not answered yet
            outcomes.extend(second.outcomes())

    github.fault = interrupt
    assert first.outcomes() + outcomes == ["waiting", "opened"]
    assert len(github.issues) == 1


def test_after_the_history_was_lost_an_issue_is_found_by_its_body(
    monitor: IssueMonitor, github: GitHub
) -> None:
    monitor.sync()
    monitor.wipe()
    (found,) = monitor.sync().results
    assert (found.outcome, found.number) == ("found", 1)
    assert len(github.issues) == 1


@pytest.mark.parametrize("lost", [{"labels": []}, {"body": "edited away"}])
def test_an_issue_without_its_label_or_its_marker_is_found_by_its_number(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock, lost: dict[str, object]
) -> None:
    monitor.sync()
    github.issues[0] |= lost
    clock.sleep(DAY)
    assert monitor.outcomes(kind(count=14)) == ["commented"]
    assert len(github.issues) == 1


def test_a_token_that_may_not_set_labels_is_named(monitor: IssueMonitor, github: GitHub) -> None:
    real = github.open
    github.open = lambda **named: real(**{**named, "labels": []})  # type: ignore[method-assign]
    (result,) = monitor.sync().results
    assert "may not set the label flowhealth" in result.reason
    assert monitor.outcomes() == ["unchanged"]


def test_a_strangers_marker_and_a_pull_request_are_not_found(
    monitor: IssueMonitor, github: GitHub
) -> None:
    marker = f"<!-- flowhealth:{FINGERPRINT} -->"
    github.open(body=marker)
    github.open(body=marker, labels=["flowhealth"], pull_request={"url": "..."})
    github.open(body=f"look: {marker}", labels=["flowhealth"])

    assert monitor.outcomes() == ["opened"]
    assert len(github.posts("/issues")) == 1


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (401, "does not accept the token"),
        (403, "does not allow that"),
        (404, "no such thing"),
        (410, "has it no longer"),
    ],
)
def test_a_refusal_ends_the_run_for_a_day(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock, status: int, problem: str
) -> None:
    github.status["/issues"] = (status, "No.")

    result = monitor.sync(BASE, OTHER)

    assert problem in (result.problem or "")
    assert result.remedy
    assert result.retry_at == clock.at + DAY
    assert len(github.requests) == 2
    github.status.clear()
    assert monitor.outcomes() == ["opened"]


def test_an_issue_that_github_refuses_is_attempted_once_a_day_and_holds_up_no_other(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    real = github._create
    github._create = lambda body: (  # type: ignore[method-assign]
        real({}) if FINGERPRINT in body["body"] else real(body)
    )
    assert monitor.outcomes(BASE, OTHER) == ["failed", "opened"]
    clock.sleep(HOUR)
    assert monitor.outcomes(BASE, OTHER) == ["waiting", "unchanged"]
    clock.sleep(DAY)
    assert monitor.outcomes(BASE, OTHER) == ["failed", "unchanged"]


def test_a_comment_has_the_new_counts_and_versions(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    monitor.sync()
    clock.sleep(DAY)
    assert monitor.outcomes(kind(count=14)) == ["commented"]
    clock.sleep(DAY)
    assert monitor.outcomes(kind(count=28, versions=(("3.0.0", 28),))) == ["commented"]

    first, second = github.comments[1]
    assert "14 installations reported by now, 7 when this issue was last" in first["body"]
    assert "New versions: `3.0.0`" in second["body"]
    assert len(github.issues) == 1


def test_a_comment_is_added_after_a_rate_limit_and_not_again_if_its_answer_is_lost(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    monitor.sync()
    clock.sleep(DAY)
    github.fault = lambda request, _: "primary" if request.method == "POST" else None
    assert monitor.sync(kind(count=20)).problem
    clock.sleep(HOUR)
    github.fault = lambda request, _: "done cut" if request.method == "POST" else None
    assert monitor.outcomes(kind(count=20)) == ["failed"]
    clock.sleep(DAY)
    assert monitor.outcomes(kind(count=20)) == ["unchanged"]
    assert len(github.comments[1]) == 1


def test_no_issue_is_opened_in_place_of_a_deleted_one(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    monitor.sync()
    github.issues.clear()
    for _ in range(3):
        clock.sleep(DAY)
        assert monitor.outcomes(kind(count=40)) == ["ignored"]
    assert len(github.posts("/issues")) == 1


def test_an_issue_of_a_repository_that_is_gone_is_not_taken_for_deleted(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    monitor.sync()
    clock.sleep(DAY)
    github.status = {"/acme/shop": (404, "Not Found")}
    assert "no such thing" in (monitor.sync(kind(count=40)).problem or "")
    github.status.clear()
    assert monitor.outcomes(kind(count=40)) == ["commented"]
