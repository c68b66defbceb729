"""One issue of each kind: more random histories, every fault over HTTP, and processes at once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_flowhealth.feedback.github import transport
from pytest_flowhealth.feedback.github.client import Client, Time
from pytest_flowhealth.feedback.github.notes import Notes
from pytest_flowhealth.feedback.github.tend import Done, tend
from tests.kit.clock import FakeClock
from tests.kit.github import AFTER, BEFORE, REPOSITORY, TOKEN, GitHubServer
from tests.kit.github_issues import BASE, IssueMonitor, IssuesProject, kind
from tests.kit.github_trial import STEPS, run_trial
from tests.kit.runs import Run


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, lag=st.sampled_from([0.0, 3.0, 60.0]))
def test_hundreds_of_random_histories_lead_to_one_issue(steps: list[Any], lag: float) -> None:
    run_trial(steps, lag)


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_one_fault_at_any_request_over_http_leads_to_one_issue(fault: str, number: int) -> None:
    clock = FakeClock()

    def exchange(request: transport.Request, token: str | None, _: float) -> transport.Answer:
        return transport.exchange(request, token, 0.5 if "slow" in fault else 60.0)

    with GitHubServer(now=clock.now, lag=5.0) as github:
        github.fault = lambda _, count: fault if count == number else None
        history = IssueMonitor(github, clock).history
        done = Done()
        for wait in (0.0, 1.0, 10.0, 130.0, 3_600.0, 3_600.0):
            clock.sleep(wait)
            at = Time(clock.now, clock.now, clock.sleep)
            client = Client(REPOSITORY, TOKEN, api=github.url, at=at, exchange=exchange)
            done = tend(
                Notes(history, client.base), [BASE], client, IssueMonitor(github, clock).policy
            )
            assert len(github.about(BASE.fingerprint)) <= 1
        assert [each.what for each in done.did] == ["unchanged"]
        assert len(github.issues) == 1


def test_three_processes_with_three_histories_open_one_issue_of_each_kind(tmp_path: Path) -> None:
    kinds = [kind(fingerprint=f"{number:016x}") for number in range(4)]
    runs: list[Run] = []
    with GitHubServer() as github:
        projects = [IssuesProject(tmp_path / name, github.url, kinds) for name in ("a", "b", "c")]
        threads = [
            threading.Thread(target=lambda each=each: runs.append(each.run())) for each in projects
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    text = [run.text for run in runs]
    assert len(runs) == 3
    assert [len(github.about(each.fingerprint)) for each in kinds] == [1] * 4, text
    assert sum(run.out.count("opened #") for run in runs) == len(github.issues) == 4, text
