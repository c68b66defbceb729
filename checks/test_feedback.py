"""The issues of the repository on GitHub: number, age, time to the first response, opened and closed.

The definition of each figure: docs/github.md. No check is critical: they tell how the project is
maintained, not whether the application works.
"""

import os
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from pytest_flowhealth import (
    Health,
    MeasurementUnavailable,
    NotApplicable,
    Target,
    UsageError,
    prefetch,
)
from pytest_flowhealth.probes import github
from pytest_flowhealth.probes.github import GitHubClient, Issue, Responses, Week

LABELS = ("bug", "installation")
"""Labels with a measurement of their own; the details have all."""

MIN_WAIT = 7
"""Days: a median that is not known yet is measured as "more than" once an issue has waited as long."""


def connect(target: Target) -> GitHubClient:
    """Return a client of the target's repository."""
    try:
        return github.make_client(target, os.environ)
    except UsageError as error:
        raise MeasurementUnavailable(error.message) from None


@prefetch
def feedback_open(target: Target) -> list[Issue]:
    """The open issues."""
    return github.read_open_issues(connect(target))


@prefetch
def feedback_responses(target: Target) -> Responses:
    """The times to the first response of the newest issues."""
    return github.read_responses(connect(target), datetime.now(UTC))


@prefetch
def feedback_weeks(target: Target) -> list[Week]:
    """The numbers of issues opened and closed in the last weeks."""
    return github.read_weeks(connect(target), datetime.now(UTC))


@pytest.mark.health("feedback", critical=False, timeout=100)
@pytest.mark.threshold("open", warn=200, better="lower", unit="1")
@pytest.mark.threshold("open_bug", warn=50, better="lower", unit="1")
@pytest.mark.threshold("open_installation", warn=20, better="lower", unit="1")
def test_open(health: Health, target: Target, feedback_open: Future[list[Issue]]) -> None:
    """There are not too many open issues, nor too many of a label."""
    client = connect(target)
    health.detail(repository=client.repository, with_token=client.has_token)
    health.remedy("close what is done: gh issue list --state open")
    issues = feedback_open.result()
    labels = github.count_by_label(issues)
    health.measure("open", len(issues), unit="1")
    for name in LABELS:
        health.measure(f"open_{name}", labels.get(name, 0), unit="1")
    health.detail(
        by_label=dict([*labels.items()][:30]),
        without_label=sum(1 for issue in issues if not issue.labels),
    )


@pytest.mark.health("feedback", critical=False, requires="feedback.open", timeout=100)
@pytest.mark.threshold("age_days.median", warn=180, better="lower", unit="1")
@pytest.mark.threshold("age_days.max", warn=730, better="lower", unit="1")
def test_age(health: Health, feedback_open: Future[list[Issue]]) -> None:
    """The open issues are not too old."""
    health.detail(diagnosis="gh issue list --search 'is:open sort:created-asc'")
    issues = feedback_open.result()
    if not issues:
        raise NotApplicable("no issue is open")
    health.measure("age_days", github.ages_in_days(issues, datetime.now(UTC)), unit="1")
    oldest = sorted(issues, key=lambda issue: issue.created_at)[:5]
    health.detail(oldest=[{"number": issue.number, "title": issue.title} for issue in oldest])


@pytest.mark.health("feedback", critical=False, requires="feedback.open", timeout=100)
@pytest.mark.threshold("response_days", warn=7, better="lower", unit="1")
def test_response(health: Health, feedback_responses: Future[Responses]) -> None:
    """Half of the issues get a response within a week."""
    health.detail(diagnosis="gh issue list --search 'is:open comments:0'")
    found = feedback_responses.result()
    health.detail(
        opened=found.opened,
        examined=found.examined,
        answered=len(found.answered),
        longest_waiting_days=max(found.waiting, default=None),
    )
    if not found.examined:
        raise NotApplicable(f"no issue was opened in the last {github.RECENT_DAYS} days")
    if found.median is not None:
        health.measure("response_days", found.median, unit="1")
        return
    few = f"{len(found.answered)} of {found.examined} issues are answered"
    longest = max(found.answered + found.waiting)
    if longest < MIN_WAIT:
        health.not_applicable(f"{few}, and none has waited for {MIN_WAIT} days: too early to tell")
    health.measure("response_days", longest, unit="1", doubt=f"it is more than that: {few}")


@pytest.mark.health("feedback", critical=False, requires="feedback.open", timeout=100)
@pytest.mark.threshold("growth_week", warn=5, better="lower", unit="1")
def test_flow(health: Health, feedback_weeks: Future[list[Week]]) -> None:
    """Not many more issues are opened than closed, over four full weeks."""
    health.detail(diagnosis="gh issue list --search 'is:open sort:created-desc'")
    found = feedback_weeks.result()
    opened, closed = sum(week.opened for week in found), sum(week.closed for week in found)
    health.measure("opened_week", opened / len(found), unit="1")
    health.measure("closed_week", closed / len(found), unit="1")
    health.measure("growth_week", (opened - closed) / len(found), unit="1")
    health.detail(weeks=found)
