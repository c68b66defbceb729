"""One open issue of each kind: hundreds of random histories, and processes at once."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.clock import FakeClock
from tests.kit.github import AFTER, BEFORE, Fault, GitHub, GitHubServer
from tests.kit.github_issues import BASE, Crash, IssueMonitor, IssuesProject, crash_at, kind
from tests.kit.http import Request

KINDS = (BASE, kind(fingerprint="f" * 16))
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # the monitor
        st.dictionaries(st.integers(1, 9), st.sampled_from([*BEFORE, *AFTER]), max_size=3),
        st.sampled_from([None, None, 1, 2, 3, 4, 5, 6, 7]),  # killed at this request
        st.booleans(),  # after it was answered
        st.sampled_from([None, None, None, 1, 2, 3, 4, 5, 6]),  # another monitor starts there
        st.sampled_from([0.0, 1.0, 40.0, 125.0, 1_000.0, 1_900.0, 4_000.0]),  # then passes
        st.sampled_from([False, False, False, True]),  # the history is lost
    ),
    min_size=2,
    max_size=8,
)


def faults_of(
    github: GitHub, faults: dict[int, str], between: int | None, other: IssueMonitor
) -> Fault:
    """Return faults by the number of the request from now on; at `between`, another monitor starts."""
    begin, started = len(github.requests), False

    def fault(_: Request, count: int) -> str | None:
        nonlocal started
        if started:
            return None
        if count - begin == between:
            started = True
            with contextlib.suppress(Crash):
                other.sync(*KINDS)
        return faults.get(count - begin)

    return fault


@settings(max_examples=400)
@given(steps=STEPS, lag=st.sampled_from([0.0, 3.0, 60.0]))
def test_after_random_faults_crashes_and_monitors_one_issue_of_each_kind_is_open(
    steps: list[Any], lag: float
) -> None:
    clock = FakeClock()
    github = GitHub(clock.now, lag=lag)
    monitors = [IssueMonitor(github, clock) for _ in range(3)]

    for number, faults, killed, after, between, wait, wipe in steps:
        restore = crash_at(github, killed or 0, after=after)
        github.fault = faults_of(github, faults, between, monitors[(number + 1) % 3])
        with contextlib.suppress(Crash):
            monitors[number].sync(*KINDS)
        restore()
        if wipe:
            monitors[number].wipe()
        clock.sleep(wait)

    github.fault = lambda *_: None
    for _ in range(2):
        for monitor in monitors:
            clock.sleep(4_000.0)
            monitor.sync(*KINDS)
            assert max(len(github.open_issues(each.fingerprint)) for each in KINDS) <= 1
    assert [len(github.open_issues(each.fingerprint)) for each in KINDS] == [1, 1]
    # A duplicate takes a second history, or a lost one: each has one attempt in two minutes.
    histories = 3 + len(steps)
    assert len(github.issues) <= len(KINDS) * histories


def test_of_three_processes_with_three_histories_the_next_run_leaves_one_issue_of_each_kind_open(
    tmp_path: Path,
) -> None:
    kinds = [kind(fingerprint=f"{number:016x}") for number in range(4)]
    with GitHubServer() as github, ThreadPoolExecutor() as pool:
        projects = [IssuesProject(tmp_path / name, github.url, kinds) for name in ("a", "b", "c")]
        runs = [*pool.map(IssuesProject.run, projects)]
        text = [run.text for run in runs]
        assert sum(run.out.count("opened #") for run in runs) == len(github.issues) >= 4, text

        last = projects[0].run()
        assert last.exit_code == 0, last.text
        assert [len(github.open_issues(each.fingerprint)) for each in kinds] == [1] * 4, text
        closed = sum(run.out.count("closed duplicate #") for run in [*runs, last])
        assert closed == len(github.issues) - 4, [*text, last.text]
