"""One issue for each fingerprint, whatever happens: each fault at each request, and all at random."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_flowhealth.feedback.github import client as asking
from pytest_flowhealth.feedback.github import transport
from pytest_flowhealth.feedback.github.tend import DAY, Done, Policy
from tests.feedback.kinds import BASE, Monitor, kind
from tests.kit.github import AFTER, BEFORE, TOKEN, Asked, Clock, GitHubServer

HOUR = 3_600.0
FINGERPRINT = BASE.fingerprint


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github(clock: Clock) -> Iterator[GitHubServer]:
    with GitHubServer(clock.now) as server:
        yield server


@pytest.fixture
def monitor(github: GitHubServer, clock: Clock, tmp_path: Path) -> Monitor:
    return Monitor(tmp_path / "history.db", github, clock)


def whats(done: Done) -> list[str]:
    return [one.what for one in done.did]


def test_an_issue_is_opened_once(monitor: Monitor, github: GitHubServer) -> None:
    assert whats(monitor.tend()) == ["opened"]
    assert whats(monitor.tend()) == ["unchanged"]

    (issue,) = github.issues
    names = [one["name"] for one in issue["labels"]]
    assert names == ["bug", "installation", "flowhealth", f"flowhealth-{FINGERPRINT}"]
    assert issue["body"].startswith(f"<!-- flowhealth:{FINGERPRINT} -->")
    asked = github.posts("/issues")[0]
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["x-github-api-version"] == "2022-11-28"


def test_a_server_that_puts_the_token_into_what_it_says(
    monitor: Monitor, github: GitHubServer
) -> None:
    real = github.open
    github.open = lambda **named: real(**named, html_url=f"https://x/?{TOKEN}")  # type: ignore[method-assign]
    done = monitor.tend()
    assert done.did[0].url == f"{github.url}/acme/shop/issues/1"
    assert TOKEN not in repr(done)
    assert TOKEN.encode() not in monitor.path.read_bytes()


def test_too_few_reports_open_none(monitor: Monitor, github: GitHubServer) -> None:
    assert monitor.tend(kind(count=4)) == Done()
    assert github.asked == []


@pytest.mark.parametrize(
    ("count", "sources", "networks", "opens"),
    [
        (1_000, 1, 2, False),
        (5, 2, 2, True),
        (4, 4, 2, False),
        (5, 1, 1, True),
        (50, 9, 10, False),
        (50, 0, 1, False),
    ],
)
def test_reports_of_too_few_networks_open_none(
    monitor: Monitor, github: GitHubServer, count: int, sources: int, networks: int, opens: bool
) -> None:
    monitor.policy = Policy(networks=networks)
    monitor.tend(kind(count=count, sources=sources))
    assert len(github.issues) == opens


def test_a_fingerprint_that_is_none_is_left_out(monitor: Monitor, github: GitHubServer) -> None:
    assert monitor.tend(kind(fingerprint="x --><script>")) == Done()
    assert github.asked == []


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
@pytest.mark.parametrize("number", range(1, 8))
def test_one_fault_at_any_request(
    monitor: Monitor, github: GitHubServer, clock: Clock, fault: str, number: int
) -> None:
    monitor.seconds = 0.3 if "slow" in fault else 20.0
    github.seconds = 1.0
    github.lag = 5.0

    github.fault = lambda _, count: fault if count == number else None
    monitor.tend()
    assert len(github.about(FINGERPRINT)) <= 1
    github.fault = lambda *_: None
    for wait in (1.0, 10.0, 130.0, HOUR, HOUR):
        clock.pass_by(wait)
        monitor.tend()
        assert len(github.about(FINGERPRINT)) <= 1

    assert whats(monitor.tend()) == ["unchanged"]
    assert len(github.issues) == 1


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_a_fault_that_stays_opens_at_the_most_one(
    monitor: Monitor, github: GitHubServer, clock: Clock, fault: str
) -> None:
    monitor.seconds = 0.2 if "slow" in fault else 20.0
    github.seconds = 0.5
    github.fault = lambda asked, _: fault if asked.method == "POST" else None

    for _ in range(6):
        monitor.tend()
        clock.pass_by(HOUR)

    assert len(github.issues) <= 1


class Crash(BaseException):
    """The process is killed."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 8))
def test_a_crash_at_any_request(
    monitor: Monitor,
    github: GitHubServer,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    after: bool,
) -> None:
    crash_at(monkeypatch, number, after=after)
    for wait in (0.0, 10.0, 130.0, HOUR, HOUR):
        clock.pass_by(wait)
        try:
            monitor.tend()
        except Crash:
            assert len(github.about(FINGERPRINT)) <= 1
    assert len(github.about(FINGERPRINT)) == 1


def crash_at(monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
    """Kill at a request, before it is sent or after it was answered."""
    real, count = transport.exchange, 0

    def exchange(*words: Any) -> Any:
        nonlocal count
        count += 1
        if count == number and not after:
            raise Crash
        found = real(*words)
        if count == number:
            raise Crash
        return found

    monkeypatch.setattr(asking, "exchange", exchange)


def test_the_history_is_lost_after_it_was_opened(monitor: Monitor, github: GitHubServer) -> None:
    monitor.tend()
    monitor.wipe()

    (did,) = monitor.tend().did

    assert (did.what, did.number) == ("found", 1)
    assert len(github.issues) == 1


def test_people_edit_what_it_is_found_by(monitor: Monitor, github: GitHubServer) -> None:
    monitor.tend()
    github.issues[0]["body"] = "edited away"
    monitor.wipe()
    assert whats(monitor.tend()) == ["found"]

    github.issues[0]["labels"] = [{"name": "flowhealth"}]
    github.issues[0]["body"] = f"<!-- flowhealth:{FINGERPRINT} --> edited"
    monitor.wipe()
    assert whats(monitor.tend()) == ["found"]


def test_a_strangers_marker_and_a_pull_request_are_none_of_ours(
    monitor: Monitor, github: GitHubServer
) -> None:
    text = f"<!-- flowhealth:{FINGERPRINT} -->"
    github.open(body=text)
    github.open(body=text, labels=["flowhealth"], pull_request={"url": "..."})
    github.open(body=f"look: {text}", labels=["flowhealth"])

    assert whats(monitor.tend()) == ["opened"]
    assert len(github.posts("/issues")) == 1


def test_it_is_found_on_the_third_page(monitor: Monitor, github: GitHubServer) -> None:
    github.per_page = 2
    for _ in range(4):
        github.open(labels=["flowhealth"])
    number = github.open(labels=["flowhealth"], body=f"<!-- flowhealth:{FINGERPRINT} -->")["number"]

    assert [one.number for one in monitor.tend().did] == [number]


@pytest.mark.parametrize("number", range(1, 8))
def test_another_monitor_comes_in_between(
    github: GitHubServer, clock: Clock, tmp_path: Path, number: int
) -> None:
    one = Monitor(tmp_path / "one.db", github, clock)
    other = Monitor(tmp_path / "other.db", github, clock)
    github.lag = 30.0
    seen: list[Monitor] = []

    def fault(_: Asked, count: int) -> None:
        if count == number and not seen:
            seen.append(other)
            other.tend()

    github.fault = fault
    one.tend()
    for _ in range(4):
        clock.pass_by(HOUR)
        one.tend()
        other.tend()

    assert len(github.issues) == 1
    assert whats(one.tend()) == whats(other.tend()) == ["unchanged"]


def test_who_claimed_and_died_is_waited_for_an_hour(
    github: GitHubServer, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Monitor(tmp_path / "one.db", github, clock)
    other = Monitor(tmp_path / "other.db", github, clock)
    with monkeypatch.context() as patched:
        crash_at(patched, 2, after=True)
        with pytest.raises(Crash):
            one.tend()
    assert [*github.labels] == [f"flowhealth-{FINGERPRINT}"]

    clock.pass_by(1_900.0)
    assert whats(other.tend()) == ["waiting"]
    assert whats(one.tend()) == ["waiting"]  # its own claim is too old to be used
    clock.pass_by(1_900.0)
    assert whats(other.tend()) == ["opened"]
    assert whats(one.tend()) == ["found"]


def test_a_claims_description_that_people_changed(monitor: Monitor, github: GitHubServer) -> None:
    name = f"flowhealth-{FINGERPRINT}"
    github.labels[name] = {"name": name, "description": "mine"}

    done = monitor.tend()

    assert "description that is not ours" in (done.problem or "")
    assert github.issues == []


REFUSED = {
    401: ("/issues", "Bad credentials", "does not accept the token"),
    403: ("/labels", "Resource not accessible", "does not allow that"),
    404: ("/issues", "Not Found", "no such thing"),
    410: ("/issues", "Issues has been disabled in this repository.", "has it no longer"),
}


@pytest.mark.parametrize("status", REFUSED)
def test_what_is_refused_is_told_and_ends_the_run(
    monitor: Monitor, github: GitHubServer, clock: Clock, status: int
) -> None:
    path, message, told = REFUSED[status]
    github.status[path] = (status, message)

    done = monitor.tend(BASE, kind(fingerprint="f" * 16))

    assert told in (done.problem or "")
    assert done.remedy
    assert done.until == clock.at + DAY
    assert len(github.asked) <= 2


def test_a_wrong_token(monitor: Monitor, github: GitHubServer) -> None:
    monitor.token = "ghp_wrong"
    done = monitor.tend()
    assert "does not accept the token (status 401: Bad credentials)" in (done.problem or "")
    assert "ghp_wrong" not in repr(done)


def test_what_github_does_not_take_is_tried_three_times_a_day_apart(
    monitor: Monitor, github: GitHubServer, clock: Clock
) -> None:
    github.fault = lambda asked, _: None
    real = github._create
    github._create = lambda body: (  # type: ignore[method-assign]
        real({}) if FINGERPRINT in body["body"] else real(body)
    )

    whole = []
    for _ in range(6):
        whole.append(whats(monitor.tend(BASE, kind(fingerprint="f" * 16, count=6))))
        clock.pass_by(DAY + 1)

    assert [one[0] for one in whole] == ["failed"] * 3 + ["left alone"] * 3
    assert whole[0][1] == "opened"
    posts = [one for one in github.posts("/issues") if FINGERPRINT in one.body["body"]]
    assert len(posts) == 3


@pytest.mark.parametrize(("fault", "wait"), [("primary", 900.0), ("secondary", 60.0)])
def test_a_rate_limit_ends_the_run_and_says_until_when(
    monitor: Monitor, github: GitHubServer, clock: Clock, fault: str, wait: float
) -> None:
    github.fault = lambda *_: fault
    done = monitor.tend()
    assert "was asked too often" in (done.problem or "")
    assert done.until == pytest.approx(clock.at + wait, abs=1.1)
    assert len(github.asked) == 1


def test_a_short_wait_is_waited_for(monitor: Monitor, github: GitHubServer, clock: Clock) -> None:
    github.fault = lambda _, count: "429" if count in (1, 4) else None
    before = clock.at
    assert whats(monitor.tend()) == ["opened"]
    assert clock.at - before >= 4


def test_no_more_than_so_many_a_day(github: GitHubServer, clock: Clock, tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "history.db", github, clock, per_day=2)
    kinds = [kind(fingerprint=f"{number:016x}", count=10 + number) for number in range(5)]

    assert whats(monitor.tend(*kinds)) == ["opened", "opened", "waiting", "waiting", "waiting"]
    clock.pass_by(DAY + 10)
    assert whats(monitor.tend(*kinds)).count("opened") == 2


def test_labels_that_are_left_out_are_told(monitor: Monitor, github: GitHubServer) -> None:
    github.may_push = False
    done = monitor.tend()
    assert "does not allow that" in (done.problem or "")
    assert github.issues == []


# -- later


def test_a_comment_when_the_count_has_doubled(
    monitor: Monitor, github: GitHubServer, clock: Clock
) -> None:
    monitor.tend()
    assert whats(monitor.tend(kind(count=14))) == ["unchanged"]  # within a day
    clock.pass_by(DAY)
    assert whats(monitor.tend(kind(count=13))) == ["unchanged"]
    assert whats(monitor.tend(kind(count=14))) == ["commented"]
    assert whats(monitor.tend(kind(count=30))) == ["unchanged"]
    clock.pass_by(DAY)
    assert whats(monitor.tend(kind(count=28, versions=(("3.0.0", 28),)))) == ["commented"]

    first, second = github.comments[1]
    assert "14 installations reported now; when this was told last, there were 7" in first["body"]
    assert "New among the versions: `3.0.0`" in second["body"]
    assert len(github.issues) == 1


@pytest.mark.parametrize("fault", AFTER)
def test_a_comment_whose_answer_is_lost_is_not_told_again(
    monitor: Monitor, github: GitHubServer, clock: Clock, fault: str
) -> None:
    monitor.tend()
    clock.pass_by(DAY)
    monitor.seconds, github.seconds = 0.3, 0.6
    github.fault = lambda asked, _: fault if asked.path.endswith("/comments") else None
    assert whats(monitor.tend(kind(count=20))) == ["failed"]
    clock.pass_by(DAY)
    assert whats(monitor.tend(kind(count=20))) == ["unchanged"]
    assert len(github.comments[1]) == 1


def test_a_comment_that_is_refused_is_told_later(
    monitor: Monitor, github: GitHubServer, clock: Clock
) -> None:
    monitor.tend()
    clock.pass_by(DAY)
    github.fault = lambda asked, _: "primary" if asked.path.endswith("/comments") else None
    assert monitor.tend(kind(count=20)).problem
    github.fault = lambda *_: None
    assert whats(monitor.tend(kind(count=20))) == ["commented"]


NEWER = (("2.1.0", 10), ("2.2.0", 4))


@pytest.mark.parametrize(
    ("reason", "named", "what"),
    [
        ("completed", {"count": 40}, "left alone"),
        ("completed", {"count": 40, "versions": NEWER, "last": 1.0}, "left alone"),
        ("completed", {"count": 40, "versions": NEWER, "last": 1.9e9}, "commented"),
        ("not_planned", {"count": 40, "versions": NEWER, "last": 1.9e9}, "left alone"),
        ("duplicate", {"count": 40, "versions": NEWER, "last": 1.9e9}, "left alone"),
    ],
)
def test_a_closed_issue_is_told_of_newer_versions_only(
    monitor: Monitor,
    github: GitHubServer,
    clock: Clock,
    reason: str,
    named: dict[str, Any],
    what: str,
) -> None:
    monitor.tend()
    github.close(1, reason)
    clock.pass_by(DAY)

    assert whats(monitor.tend(kind(**named))) == [what]
    assert len(github.issues) == 1
    assert github.issues[0]["state"] == "closed"


def test_a_locked_issue_is_left_alone(monitor: Monitor, github: GitHubServer, clock: Clock) -> None:
    monitor.tend()
    github.issues[0]["locked"] = True
    clock.pass_by(DAY)
    assert whats(monitor.tend(kind(count=40))) == ["left alone"]


def test_a_deleted_issue_stays_deleted(
    monitor: Monitor, github: GitHubServer, clock: Clock
) -> None:
    monitor.tend()
    github.issues.clear()
    for _ in range(3):
        clock.pass_by(DAY)
        assert whats(monitor.tend(kind(count=40))) == ["left alone"]
    assert github.issues == []


def test_a_repository_that_is_gone_is_no_deleted_issue(
    monitor: Monitor, github: GitHubServer, clock: Clock
) -> None:
    monitor.tend()
    clock.pass_by(DAY)
    github.status = {"/issues/1": (404, "Not Found"), "/acme/shop": (404, "Not Found")}
    assert "no such thing" in (monitor.tend(kind(count=40)).problem or "")
    github.status.clear()
    assert whats(monitor.tend(kind(count=40))) == ["commented"]


# -- everything at random

STEP = st.tuples(
    st.integers(0, 2),  # who
    st.dictionaries(st.integers(1, 9), st.sampled_from([*BEFORE[:-1], *AFTER[:-1]]), max_size=3),
    st.sampled_from([None, None, 1, 2, 3, 4, 5, 6, 7]),  # killed at
    st.booleans(),  # after it was answered
    st.sampled_from([None, None, None, 1, 2, 3, 4, 5, 6]),  # another comes in between at
    st.sampled_from([0.0, 1.0, 40.0, 125.0, 1_000.0, 1_900.0, 4_000.0]),  # then passes
    st.sampled_from([False, False, False, True]),  # the history is lost
)


class Trial:
    """A crowd of monitors, each with its own history, that see to one repository."""

    def __init__(self, folder: Path, github: GitHubServer, clock: Clock) -> None:
        self.github, self.clock = github, clock
        self.crowd = [Monitor(folder / f"{one}.db", github, clock) for one in range(3)]
        self.kinds = (BASE, kind(fingerprint="f" * 16))

    def step(self, who: int, faults: dict[int, str], between: int | None) -> None:
        """Let one see to it, with faults at some requests, and another coming in between."""
        begin, came = len(self.github.asked), threading.Event()

        def fault(_: Asked, count: int) -> str | None:
            if came.is_set():
                return None
            if count - begin == between:
                came.set()
                with contextlib.suppress(Crash):
                    self.crowd[(who + 1) % 3].tend(*self.kinds)
            return faults.get(count - begin)

        self.github.fault = fault
        with contextlib.suppress(Crash):
            self.crowd[who].tend(*self.kinds)
        self.never_two()

    def never_two(self) -> None:
        for one in self.kinds:
            assert len(self.github.about(one.fingerprint)) <= 1

    def settle(self) -> None:
        """Nothing goes wrong any more: each has its issue in the end."""
        self.github.fault = lambda *_: None
        for _ in range(4):
            self.clock.pass_by(4_000.0)
            for one in self.crowd:
                one.tend(*self.kinds)
                self.never_two()
        assert all(len(self.github.about(one.fingerprint)) == 1 for one in self.kinds)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEP, min_size=2, max_size=8), lag=st.sampled_from([0.0, 3.0, 60.0]))
def test_never_two_issues_of_one_fingerprint(
    steps: list[Any], lag: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, GitHubServer(clock.now, lag=lag) as github:
        trial = Trial(Path(folder), github, clock)
        for who, faults, killed, after, between, wait, wipe in steps:
            with monkeypatch.context() as patched:
                if killed:
                    crash_at(patched, killed, after=after)
                trial.step(who, faults, between)
            if wipe:
                trial.crowd[who].wipe()
            clock.pass_by(wait)
        trial.settle()
