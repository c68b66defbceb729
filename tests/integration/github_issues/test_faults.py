"""Every fault at every request of a run, over real connections: one issue, or a duplicate that is closed."""

import time

import pytest

from pytest_flowhealth.github_issues.planning import DAY
from tests.kit.clock import FakeClock
from tests.kit.github import AFTER, BEFORE, GitHubServer
from tests.kit.github_issues import BASE, IssueMonitor, kind

HOUR = 3_600.0
REQUESTS = range(1, 5)
"""Opening an issue takes three requests; the fourth is the next run's first."""


def sync(monitor: IssueMonitor, github: GitHubServer, fault: str, count: int = 7) -> list[str]:
    """Synchronise with a client that waits little for what does not come."""
    client = github.client(seconds=0.4 if "slow" in fault else 60.0)
    return [each.outcome for each in monitor.sync(kind(count=count), client=client).results]


@pytest.mark.parametrize("number", REQUESTS)
@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_a_fault_at_any_request_leads_to_one_issue(fault: str, number: int) -> None:
    clock = FakeClock()
    with GitHubServer(now=clock.now, lag=5.0) as github:
        monitor = IssueMonitor(github, clock)
        github.fault = lambda _, count: fault if count == number else None
        for wait in (0.0, 1.0, 130.0, HOUR):
            clock.sleep(wait)
            sync(monitor, github, fault)
            assert len(github.about(BASE.fingerprint)) <= 1
        github.hold.set()

        assert sync(monitor, github, "") == ["unchanged"]
        assert len(github.issues) == 1


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_a_fault_of_every_post_opens_one_issue_at_most_and_adds_one_comment_at_most(
    fault: str,
) -> None:
    clock = FakeClock()
    with GitHubServer(now=clock.now) as github:
        monitor = IssueMonitor(github, clock)
        github.fault = lambda request, _: fault if request.method == "POST" else None
        for _ in range(3):
            sync(monitor, github, fault)
            clock.sleep(HOUR)
        assert len(github.issues) <= 1

        github.fault = lambda *_: None
        sync(monitor, github, "")
        clock.sleep(DAY)
        github.fault = lambda request, _: fault if request.method == "POST" else None
        for _ in range(2):
            sync(monitor, github, fault, count=20)
            clock.sleep(DAY)
        github.hold.set()
        assert len(github.issues) == 1
        assert len(github.comments.get(1, [])) <= 1


@pytest.mark.parametrize(("fault", "wait"), [("primary", 900.0), ("secondary", 60.0)])
def test_a_rate_limit_ends_the_run_until_it_is_over(fault: str, wait: float) -> None:
    clock = FakeClock(time.time())
    with GitHubServer() as github:
        github.fault = lambda *_: fault
        result = IssueMonitor(github, clock).sync(client=github.client())
        assert "was asked too often" in (result.problem or "")
        assert result.retry_at == pytest.approx(clock.at + wait, abs=60)
        assert len(github.requests) == 1


def test_a_duplicate_whose_closing_fails_is_closed_by_the_next_run() -> None:
    clock = FakeClock()
    with GitHubServer(now=clock.now) as github:
        monitor = IssueMonitor(github, clock)
        marker = f"<!-- flowhealth:{BASE.fingerprint} -->"
        for _ in range(3):
            github.open(body=marker, labels=["flowhealth"])
        github.fault = lambda request, _: "500" if request.method == "PATCH" else None
        assert "status 500" in (monitor.sync(client=github.client()).problem or "")
        assert len(github.open_issues(BASE.fingerprint)) == 3

        github.fault = lambda *_: None
        assert sync(monitor, github, "") == ["unchanged", "closed duplicate", "closed duplicate"]
        assert github.open_issues(BASE.fingerprint) == [1]
