"""The checks of GitHub's issues: what warns, and what is too early to tell."""

from pathlib import Path

import pytest

from checks import test_feedback as checks
from pytest_flowhealth.probes.github import analytics
from pytest_flowhealth.probes.github.analytics import Responses, Week
from tests.kit.checks import run_check
from tests.kit.clock import FakeClock
from tests.kit.github import GitHub
from tests.kit.projects import write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    settings = {"flowhealth.toml": '[github]\nrepository = "acme/shop"\n'}
    return write(tmp_path, settings, name="shop", version="1.0.0")


@pytest.mark.parametrize(
    ("responses", "outcome", "says"),
    [
        (Responses((), (), 0), "skip", "no issue was opened"),
        (Responses((), (1.0, 2.0, 3.0), 3), "skip", "0 of 3 issues are answered"),
        (
            Responses((), (1.0, 2.0, 3.0, 30.0), 4),
            "warn",
            "it is more than that: 0 of 4 issues are answered",
        ),
        (Responses((2.0, 3.0), (), 2), "pass", ""),
        (Responses((8.0, 9.0), (), 2), "warn", "8"),
    ],
)
def test_the_response_time_is_judged_once_it_can_be_told(
    project: Path, responses: Responses, outcome: str, says: str
) -> None:
    found = run_check(checks.test_response, project, feedback_responses=responses)
    assert (found.outcome, says in found.message) == (outcome, True), found


def test_many_old_issues_warn(project: Path) -> None:
    clock = FakeClock()
    github = GitHub(clock.now)
    for _ in range(60):
        github.open(labels=["bug"], created=clock.at - 8_000 * 86_400)
    issues = analytics.read_open_issues(github.client())
    for check in (checks.test_open, checks.test_age):
        assert run_check(check, project, feedback_open=issues).outcome == "warn"


def test_without_issues_there_is_no_age_and_no_growth(project: Path) -> None:
    assert run_check(checks.test_age, project, feedback_open=[]).outcome == "skip"
    weeks = [Week(f"2026-01-{day:02}", 0, 0) for day in (5, 12, 19, 26)]
    assert run_check(checks.test_flow, project, feedback_weeks=weeks).outcome == "pass"
