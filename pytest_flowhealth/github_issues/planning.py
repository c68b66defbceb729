"""Which issues are opened, commented and closed. Pure: no request is sent and nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.github_issues import templates
from pytest_flowhealth.github_issues.issue_store import IssueRecord
from pytest_flowhealth.install_reports.report import FailureGroup
from pytest_flowhealth.probes.github.resources import Issue

DAY = 86_400.0

LIST_DELAY = 120.0
"""Seconds after which a created issue certainly is in GitHub's lists."""

_UNWANTED = ("not_planned", "duplicate")

Step = Literal["open", "adopt", "comment", "close", "none", "wait", "ignore"]


class IssuePolicy(msgspec.Struct, frozen=True):
    """The settings of `[github]`; `comment_every` in seconds."""

    limit: int = 5
    networks: int = 2
    labels: tuple[str, ...] = ("bug", "installation")
    per_day: int = 5
    comment_every: float = DAY

    @classmethod
    def from_target(cls, target: Target) -> IssuePolicy:
        """Return the settings of a target."""
        settings = target.config.github
        return cls(
            limit=settings.limit,
            networks=settings.networks,
            labels=settings.labels,
            per_day=settings.per_day,
            comment_every=settings.comment_every,
        )

    def describe(self) -> str:
        """Return in words what opens an issue."""
        reports = "1 report" if self.limit == 1 else f"{self.limit:,} reports"
        networks = "1 network" if self.networks == 1 else f"{self.networks:,} networks"
        return f"an issue takes {reports} of one kind, from {networks}"


class Action(msgspec.Struct, frozen=True):
    """The next step for one group of failures.

    Attributes:
        group: The reports.
        step: ``open`` an issue, ``adopt`` one that is there, ``comment`` on it, ``close`` a
            duplicate; ``none``: nothing new, ``wait``: later, ``ignore``: the issue gets no update.
        number: The number of the issue.
        reason: Why, for ``wait`` and ``ignore``.
        duplicate_of: For ``close``: the issue that stays.
    """

    group: FailureGroup
    step: Step
    number: int | None = None
    reason: str = ""
    duplicate_of: int | None = None


def select_groups(groups: Sequence[FailureGroup], policy: IssuePolicy) -> list[FailureGroup]:
    """Return the groups with enough reports from enough networks, the most frequent first."""
    selected = [
        group
        for group in groups
        if group.count >= policy.limit
        and group.sources >= policy.networks
        and templates.is_fingerprint(group.fingerprint)
    ]
    return sorted(selected, key=lambda group: (-group.count, group.fingerprint))


def plan_actions(
    groups: Sequence[FailureGroup],
    issues: Mapping[str, Sequence[Issue]],
    records: Mapping[str, IssueRecord],
    policy: IssuePolicy,
    now: float,
) -> list[Action]:
    """Return the steps for the selected groups, in the order of their execution.

    Args:
        groups: As `select_groups` returns them.
        issues: The repository's issues by fingerprint.
        records: What was done before, by fingerprint.
        policy: The settings.
        now: Seconds since 1970.
    """
    times = [record.attempted for record in records.values() if record.attempted is not None]
    left = policy.per_day - sum(1 for time in times if time > now - DAY)
    actions: list[Action] = []
    for group in groups:
        found = issues.get(group.fingerprint, ())
        record = records.get(group.fingerprint) or IssueRecord()
        if found:
            actions += _plan_update(group, found, record, policy, now)
            continue
        action = _plan_creation(group, record, policy, now, left)
        left -= action.step == "open"
        actions.append(action)
    return actions


def _plan_creation(
    group: FailureGroup, record: IssueRecord, policy: IssuePolicy, now: float, left: int
) -> Action:
    if record.number is not None:
        return Action(group, "ignore", record.number, "its issue was deleted or moved")
    # A clock that was set back must not block it for years.
    age = None if record.attempted is None else now - record.attempted
    if age is not None and 0 <= age < (DAY if record.refused else LIST_DELAY):
        if record.refused:
            return Action(group, "wait", reason="GitHub refused it; the next attempt is in a day")
        reason = "it may have been opened; GitHub's list shows it within two minutes"
        return Action(group, "wait", reason=reason)
    if left <= 0:
        return Action(group, "wait", reason=f"{policy.per_day:,} were opened within a day")
    return Action(group, "open")


def _plan_update(
    group: FailureGroup,
    issues: Sequence[Issue],
    record: IssueRecord,
    policy: IssuePolicy,
    now: float,
) -> list[Action]:
    """Return the steps for a group with issues: all but one are duplicates."""
    issue = min(issues, key=lambda issue: (issue.state != "open", issue.number))
    actions = [
        Action(group, "close", other.number, duplicate_of=issue.number)
        for other in issues
        if other.number != issue.number and other.state == "open"
    ]
    if record.number is None:
        return [Action(group, "adopt", issue.number), *actions]
    if not _has_news(group, record) or 0 <= now - record.updated < policy.comment_every:
        return [Action(group, "none", issue.number), *actions]
    reason = _reason_against_comment(group, record, issue)
    step: Step = "comment" if reason is None else "ignore"
    return [Action(group, step, issue.number, reason or ""), *actions]


def _has_news(group: FailureGroup, record: IssueRecord) -> bool:
    doubled = group.count >= 2 * max(1, record.count)
    return doubled or bool(find_new_versions(group, record))


def find_new_versions(group: FailureGroup, record: IssueRecord) -> list[str]:
    """Return the versions that neither the issue nor its comments name."""
    return [name for name, _ in group.versions if name not in record.versions]


def _reason_against_comment(group: FailureGroup, record: IssueRecord, issue: Issue) -> str | None:
    if issue.locked:
        return "its conversation is locked"
    if issue.state != "closed":
        return None
    if issue.state_reason in _UNWANTED:
        return f"it was closed as {issue.state_reason.replace('_', ' ')}"
    is_later = issue.closed_at is None or group.last > issue.closed_at.timestamp()
    if find_new_versions(group, record) and is_later:
        return None
    return "it is closed, and no other version is affected since"


def make_issue(group: FailureGroup, policy: IssuePolicy) -> dict[str, Any]:
    """Return the body of the request that opens an issue."""
    return {
        "title": templates.make_title(group),
        "body": templates.make_body(group),
        "labels": [*dict.fromkeys((*policy.labels, templates.LABEL))],
    }


def make_comment(group: FailureGroup, record: IssueRecord) -> dict[str, Any]:
    """Return the body of the request that comments on an issue."""
    return {"body": templates.make_comment(group, record.count, record.versions)}
