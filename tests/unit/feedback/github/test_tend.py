"""One issue for each fingerprint: each fault at each request, crashes, and several monitors."""

import contextlib
from typing import Any

import pytest

from pytest_flowhealth.feedback.github.tend import DAY, Done, Policy
from tests.kit.clock import FakeClock
from tests.kit.github import AFTER, BEFORE, TOKEN, GitHub
from tests.kit.github_issues import BASE, Crash, IssueMonitor, crash_at, kind
from tests.kit.http import Request

HOUR = 3_600.0
FINGERPRINT = BASE.fingerprint
REQUESTS = range(1, 8)
"""Opening an issue takes six requests; the seventh is the next run's first."""


@pytest.fixture
def monitor(github: GitHub, clock: FakeClock) -> IssueMonitor:
    return IssueMonitor(github, clock)


def actions(done: Done) -> list[str]:
    return [each.what for each in done.did]


def test_an_issue_is_opened_once_and_a_token_in_the_answer_is_not_stored(
    monitor: IssueMonitor, github: GitHub
) -> None:
    real = github.open
    github.open = lambda **named: real(**named, html_url=f"https://x/?{TOKEN}")  # type: ignore[method-assign]
    done = monitor.tend()
    assert actions(done) == ["opened"]
    assert done.did[0].url == "https://github.example/acme/shop/issues/1"
    notes = monitor.history.execute("SELECT * FROM github_issues").fetchall()
    assert TOKEN not in repr((done, notes))
    assert actions(monitor.tend()) == ["unchanged"]

    (issue,) = github.issues
    names = [label["name"] for label in issue["labels"]]
    assert names == ["bug", "installation", "flowhealth", f"flowhealth-{FINGERPRINT}"]
    assert issue["body"].startswith(f"<!-- flowhealth:{FINGERPRINT} -->")


@pytest.mark.parametrize(
    ("named", "networks", "opens"),
    [
        ({"count": 4, "sources": 4}, 2, False),
        ({"count": 5, "sources": 2}, 2, True),
        ({"count": 1_000, "sources": 1}, 2, False),
        ({"count": 5, "sources": 1}, 1, True),
        ({"fingerprint": "x --><script>"}, 2, False),
    ],
)
def test_an_issue_takes_enough_reports_from_enough_networks_and_a_valid_fingerprint(
    monitor: IssueMonitor, github: GitHub, named: dict[str, Any], networks: int, opens: bool
) -> None:
    monitor.policy = Policy(networks=networks)
    monitor.tend(kind(**named))
    assert len(github.issues) == opens
    assert bool(github.requests) is opens


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_one_fault_at_any_request_leads_to_one_issue(fault: str) -> None:
    for number in REQUESTS:
        clock = FakeClock()
        github = GitHub(clock.now, lag=5.0)
        monitor = IssueMonitor(github, clock)
        github.fault = lambda _, count, at=number: fault if count == at else None  # type: ignore[misc]
        for wait in (0.0, 1.0, 10.0, 130.0, HOUR, HOUR):
            clock.sleep(wait)
            monitor.tend()
            assert len(github.about(FINGERPRINT)) <= 1, number

        assert actions(monitor.tend()) == ["unchanged"], number
        assert len(github.issues) == 1, number


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_a_fault_that_stays_opens_at_most_one_issue(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock, fault: str
) -> None:
    github.fault = lambda request, _: fault if request.method == "POST" else None
    for _ in range(6):
        monitor.tend()
        clock.sleep(HOUR)
    assert len(github.issues) <= 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", REQUESTS)
def test_a_crash_at_any_request_leads_to_one_issue(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock, number: int, after: bool
) -> None:
    crash_at(github, number, after=after)
    for wait in (0.0, 10.0, 130.0, HOUR, HOUR):
        clock.sleep(wait)
        with contextlib.suppress(Crash):
            monitor.tend()
        assert len(github.about(FINGERPRINT)) <= 1
    assert len(github.about(FINGERPRINT)) == 1


def test_after_the_history_was_lost_an_issue_is_found_by_its_label_or_by_its_body(
    monitor: IssueMonitor, github: GitHub
) -> None:
    monitor.tend()
    both = [label["name"] for label in github.issues[0]["labels"]]
    marker = f"<!-- flowhealth:{FINGERPRINT} --> edited"
    for labels, body in ((both, "edited away"), (["flowhealth"], marker)):
        github.issues[0] |= {"labels": [{"name": name} for name in labels], "body": body}
        monitor.wipe()
        (found,) = monitor.tend().did
        assert (found.what, found.number) == ("found", 1)
    assert len(github.issues) == 1


def test_a_strangers_marker_and_a_pull_request_are_not_found(
    monitor: IssueMonitor, github: GitHub
) -> None:
    marker = f"<!-- flowhealth:{FINGERPRINT} -->"
    github.open(body=marker)
    github.open(body=marker, labels=["flowhealth"], pull_request={"url": "..."})
    github.open(body=f"look: {marker}", labels=["flowhealth"])

    assert actions(monitor.tend()) == ["opened"]
    assert len(github.posts("/issues")) == 1


@pytest.mark.parametrize("number", REQUESTS)
def test_two_monitors_open_one_issue(github: GitHub, clock: FakeClock, number: int) -> None:
    first, second = IssueMonitor(github, clock), IssueMonitor(github, clock)
    github.lag = 30.0
    started: list[bool] = []

    def interrupt(_: Request, count: int) -> None:
        if count == number and not started:
            started.append(True)
            second.tend()

    github.fault = interrupt
    first.tend()
    for _ in range(4):
        clock.sleep(HOUR)
        first.tend()
        second.tend()

    assert len(github.issues) == 1
    assert actions(first.tend()) == actions(second.tend()) == ["unchanged"]


def test_a_claim_of_a_monitor_that_died_is_good_for_an_hour(
    github: GitHub, clock: FakeClock
) -> None:
    first, second = IssueMonitor(github, clock), IssueMonitor(github, clock)
    restore = crash_at(github, 2, after=True)
    with pytest.raises(Crash):
        first.tend()
    restore()
    assert [*github.labels] == [f"flowhealth-{FINGERPRINT}"]

    clock.sleep(1_900.0)
    assert actions(second.tend()) == ["waiting"]
    assert actions(first.tend()) == ["waiting"]  # its own claim is too old to be used
    clock.sleep(1_900.0)
    assert actions(second.tend()) == ["opened"]
    assert actions(first.tend()) == ["found"]


def test_a_claim_label_with_another_description_is_a_problem(
    monitor: IssueMonitor, github: GitHub
) -> None:
    name = f"flowhealth-{FINGERPRINT}"
    github.labels[name] = {"name": name, "description": "mine"}

    assert "description that is not ours" in (monitor.tend().problem or "")
    assert github.issues == []


@pytest.mark.parametrize(
    ("status", "path", "problem"),
    [
        (401, "/issues", "does not accept the token"),
        (403, "/labels", "does not allow that"),
        (404, "/issues", "no such thing"),
        (410, "/issues", "has it no longer"),
    ],
)
def test_a_refusal_ends_the_run_for_a_day(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock, status: int, path: str, problem: str
) -> None:
    github.status[path] = (status, "No.")

    done = monitor.tend(BASE, kind(fingerprint="f" * 16))

    assert problem in (done.problem or "")
    assert done.remedy
    assert done.until == clock.at + DAY
    assert len(github.requests) <= 2


def test_an_issue_that_github_refuses_is_tried_three_times_a_day_apart(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    real = github._create
    github._create = lambda body: (  # type: ignore[method-assign]
        real({}) if FINGERPRINT in body["body"] else real(body)
    )

    days = []
    for _ in range(6):
        days.append(actions(monitor.tend(BASE, kind(fingerprint="f" * 16, count=6))))
        clock.sleep(DAY + 1)

    assert [day[0] for day in days] == ["failed"] * 3 + ["left alone"] * 3
    assert days[0][1] == "opened"
    posts = [post for post in github.posts("/issues") if FINGERPRINT in post.json["body"]]
    assert len(posts) == 3


@pytest.mark.parametrize(("fault", "wait"), [("primary", 900.0), ("secondary", 60.0)])
def test_a_rate_limit_ends_the_run_until_it_is_over(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock, fault: str, wait: float
) -> None:
    github.fault = lambda *_: fault
    done = monitor.tend()
    assert "was asked too often" in (done.problem or "")
    assert done.until == pytest.approx(clock.at + wait, abs=1.1)
    assert len(github.requests) == 1


def test_at_most_per_day_issues_are_opened_within_a_day(github: GitHub, clock: FakeClock) -> None:
    monitor = IssueMonitor(github, clock, per_day=2)
    kinds = [kind(fingerprint=f"{number:016x}", count=10 + number) for number in range(5)]

    assert actions(monitor.tend(*kinds)) == ["opened", "opened", "waiting", "waiting", "waiting"]
    clock.sleep(DAY + 10)
    assert actions(monitor.tend(*kinds)).count("opened") == 2


def test_a_comment_is_added_when_the_count_has_doubled_or_a_version_is_new(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    monitor.tend()
    assert actions(monitor.tend(kind(count=14))) == ["unchanged"]  # within a day
    clock.sleep(DAY)
    assert actions(monitor.tend(kind(count=13))) == ["unchanged"]
    assert actions(monitor.tend(kind(count=14))) == ["commented"]
    assert actions(monitor.tend(kind(count=30))) == ["unchanged"]
    clock.sleep(DAY)
    assert actions(monitor.tend(kind(count=28, versions=(("3.0.0", 28),)))) == ["commented"]

    first, second = github.comments[1]
    assert "14 installations reported now; when this was told last, there were 7" in first["body"]
    assert "New among the versions: `3.0.0`" in second["body"]
    assert len(github.issues) == 1


def test_a_comment_is_added_after_a_rate_limit_and_not_again_if_its_answer_is_lost(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    monitor.tend()
    clock.sleep(DAY)
    github.fault = lambda request, _: "primary" if request.path.endswith("/comments") else None
    assert monitor.tend(kind(count=20)).problem
    clock.sleep(HOUR)
    github.fault = lambda request, _: "done cut" if request.path.endswith("/comments") else None
    assert actions(monitor.tend(kind(count=20))) == ["failed"]
    clock.sleep(DAY)
    assert actions(monitor.tend(kind(count=20))) == ["unchanged"]
    assert len(github.comments[1]) == 1


NEWER = (("2.1.0", 10), ("2.2.0", 4))


@pytest.mark.parametrize(
    ("reason", "named", "action"),
    [
        ("completed", {}, "left alone"),
        ("completed", {"versions": NEWER, "last": 1.0}, "left alone"),
        ("completed", {"versions": NEWER, "last": 1.9e9}, "commented"),
        ("not_planned", {"versions": NEWER, "last": 1.9e9}, "left alone"),
    ],
)
def test_a_closed_issue_gets_a_comment_for_newer_versions_only(
    monitor: IssueMonitor,
    github: GitHub,
    clock: FakeClock,
    reason: str,
    named: dict[str, Any],
    action: str,
) -> None:
    monitor.tend()
    github.close(1, reason)
    clock.sleep(DAY)

    assert actions(monitor.tend(kind(count=40, **named))) == [action]
    assert [issue["state"] for issue in github.issues] == ["closed"]


def test_a_locked_or_deleted_issue_is_left_alone(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    monitor.tend()
    github.issues[0]["locked"] = True
    for _ in range(3):
        clock.sleep(DAY)
        assert actions(monitor.tend(kind(count=40))) == ["left alone"]
        github.issues.clear()
    assert len(github.posts("/issues")) == 1


def test_an_issue_of_a_repository_that_is_gone_is_not_taken_for_deleted(
    monitor: IssueMonitor, github: GitHub, clock: FakeClock
) -> None:
    monitor.tend()
    clock.sleep(DAY)
    github.status = {"/issues/1": (404, "Not Found"), "/acme/shop": (404, "Not Found")}
    assert "no such thing" in (monitor.tend(kind(count=40)).problem or "")
    github.status.clear()
    assert actions(monitor.tend(kind(count=40))) == ["commented"]
