"""Open, comment and close the issues of a repository.

GitHub creates an issue as often as it is asked to. Before a creation its attempt is recorded, so that
an attempt without a response is repeated only after GitHub's list would show the issue. Two monitors
with two histories may both open one; the next run of either finds both and closes the newer.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.text import Redactor, find_secrets
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.github_issues.issue_store import IssueRecord, IssueStore
from pytest_flowhealth.github_issues.planning import (
    DAY,
    Action,
    IssuePolicy,
    find_new_versions,
    make_comment,
    make_issue,
    plan_actions,
    select_groups,
)
from pytest_flowhealth.github_issues.templates import LABEL, read_marker
from pytest_flowhealth.history.recording import describe_error, open_history
from pytest_flowhealth.install_reports import store
from pytest_flowhealth.install_reports.report import FailureGroup
from pytest_flowhealth.probes.github.client import GitHubClient, GitHubError
from pytest_flowhealth.probes.github.resources import Comment, Issue
from pytest_flowhealth.probes.github.settings import make_client

MAX_PAGES = 20
"""Pages of 100 issues that are read; if there are more, none is opened."""

_WAIT = 5.0


class IssueResult(msgspec.Struct, frozen=True):
    """What was done about one group.

    Attributes:
        group: The reports.
        outcome: ``opened``, ``found``, ``commented``, ``closed duplicate``, ``unchanged``,
            ``waiting``, ``ignored`` or ``failed``.
        number: The number of the issue.
        url: Its page.
        reason: Why, where that is not obvious.
    """

    group: FailureGroup
    outcome: str
    number: int | None = None
    url: str = ""
    reason: str = ""


class SyncResult(msgspec.Struct, frozen=True):
    """What a run did.

    Attributes:
        results: One or more for each group with enough reports that it came to.
        problem: What ended the run early; None if nothing did.
        remedy: What helps.
        retry_at: When the next run makes sense, in seconds since 1970; None: as usual.
    """

    results: tuple[IssueResult, ...] = ()
    problem: str | None = None
    remedy: str | None = None
    retry_at: float | None = None


def sync_history(path: Path, target: Target, environ: Mapping[str, str]) -> SyncResult:
    """Open and update the issues for the reports in a history; problems are in the result.

    Args:
        path: The history's file.
        target: The project.
        environ: The environment, with the token.
    """
    try:
        client, policy = make_client(target, environ), IssuePolicy.from_target(target)
        with open_history(path, _WAIT) as connection:
            groups = read_groups(connection, environ)
            issues = IssueStore(connection, client.api, client.repository)
            return sync_issues(issues, groups, client, policy)
    except FlowHealthError as error:
        return SyncResult(problem=error.message, remedy=error.remedy)
    except sqlite3.Error as error:
        return SyncResult(problem=f"the history can't be used: {describe_error(error)}")
    except OSError as error:
        return SyncResult(problem=f"the history can't be used: {error.strerror or error}")


def read_groups(connection: sqlite3.Connection, environ: Mapping[str, str]) -> list[FailureGroup]:
    """Return the reported failures, without the secrets of this machine's environment."""
    redact = Redactor(find_secrets(environ))
    return [
        msgspec.structs.replace(group, error=redact(group.error))
        for group in store.kinds(connection)
    ]


def sync_issues(
    issues: IssueStore,
    groups: Sequence[FailureGroup],
    client: GitHubClient,
    policy: IssuePolicy,
    clock: Callable[[], float] = time.time,
) -> SyncResult:
    """Open and update the issues of a repository.

    Args:
        issues: What was done before.
        groups: The reported failures.
        client: The repository.
        policy: When an issue is opened or commented.
        clock: Returns seconds since 1970.

    Raises:
        sqlite3.Error: A record can't be written; nothing was requested that is not recorded.
    """
    results: list[IssueResult] = []
    selected = select_groups(groups, policy)
    if not selected:
        return SyncResult()
    try:
        records = issues.load()
        found = read_issues(client, selected, records)
        syncer = _Syncer(issues, records, client, policy, clock)
        for action in plan_actions(selected, found, records, policy, clock()):
            results.append(syncer.execute(action))
    except GitHubError as error:
        is_refusal = error.is_refusal and error.retry_at is None
        retry_at = clock() + DAY if is_refusal else error.retry_at
        return SyncResult(tuple(results), error.message, error.remedy, retry_at)
    return SyncResult(tuple(results))


def read_issues(
    client: GitHubClient, groups: Sequence[FailureGroup], records: Mapping[str, IssueRecord]
) -> dict[str, list[Issue]]:
    """Return the repository's issues by fingerprint: the marked ones, and those that are recorded.

    They are listed by label, not searched for: the index of the search lags by minutes. A stranger
    can copy a marker, but can't set a label.

    Raises:
        GitHubError: They can't be read.
    """
    issues: dict[str, list[Issue]] = defaultdict(list)
    for issue in client.read_list("issues", Issue, MAX_PAGES, labels=LABEL, state="all"):
        fingerprint = read_marker(issue.body)
        if fingerprint is not None and issue.pull_request is None:
            issues[fingerprint].append(issue)
    for group in groups:
        record = records.get(group.fingerprint)
        if record is None or record.number is None or issues.get(group.fingerprint):
            continue
        # Its label or marker was removed, or it was deleted or moved.
        recorded = _read_issue(client, record.number)
        if recorded is not None:
            issues[group.fingerprint].append(recorded)
    return issues


def _read_issue(client: GitHubClient, number: int) -> Issue | None:
    try:
        issue = client.get(f"issues/{number}", Issue)
    except GitHubError as error:
        if error.status in (404, 410):
            return None
        raise
    return issue if issue.number == number else None


class _Syncer:
    """Executes the steps of a plan."""

    def __init__(
        self,
        issues: IssueStore,
        records: Mapping[str, IssueRecord],
        client: GitHubClient,
        policy: IssuePolicy,
        clock: Callable[[], float],
    ) -> None:
        self._issues, self._records = issues, dict(records)
        self._client, self._policy, self._clock = client, policy, clock

    def execute(self, action: Action) -> IssueResult:
        """Send the requests of one step.

        Raises:
            GitHubError: The run can't go on.
        """
        if action.step == "open":
            return self._open(action.group)
        if action.step == "adopt":
            self._record_update(action.group, action.number)
            return self._result(action, "found")
        if action.step == "comment":
            return self._comment(action)
        if action.step == "close":
            return self._close(action)
        outcome = {"none": "unchanged", "wait": "waiting"}.get(action.step, "ignored")
        return self._result(action, outcome, action.reason)

    def _open(self, group: FailureGroup) -> IssueResult:
        before = self._records.get(group.fingerprint)
        attempt = IssueRecord(attempted=self._clock())
        if not self._replace(group, attempt):
            return IssueResult(group, "waiting", reason="another process is about to open it")
        try:
            issue = self._client.post("issues", make_issue(group, self._policy), Issue)
        except GitHubError as error:
            if error.status == 422:
                self._replace(group, msgspec.structs.replace(attempt, refused=True))
                return IssueResult(group, "failed", reason=error.message)
            if error.is_refusal:
                self._replace(group, before or IssueRecord())
            raise
        self._record_update(group, issue.number)
        # Without the permission to push, GitHub drops the labels silently.
        names = {name.lower() for name in issue.label_names}
        reason = "" if LABEL in names else f"the token may not set the label {LABEL}"
        url = self._client.issue_url(issue.number)
        return IssueResult(group, "opened", issue.number, url, reason)

    def _comment(self, action: Action) -> IssueResult:
        group, before = action.group, self._records[action.group.fingerprint]
        # Recorded first: a comment without a response is not repeated.
        if not self._record_update(group, action.number):
            return self._result(action, "waiting", "another process is about to comment")
        path = f"issues/{action.number}/comments"
        try:
            self._client.post(path, make_comment(group, before), Comment)
        except GitHubError as error:
            if error.is_refusal and error.status != 422:
                self._replace(group, before)
                raise
            return self._result(action, "failed", error.message)
        return self._result(action, "commented")

    def _close(self, action: Action) -> IssueResult:
        path = f"issues/{action.number}"
        # Not "duplicate": a GitHub Enterprise Server may not know it.
        self._client.patch(path, {"state": "closed", "state_reason": "not_planned"}, Issue)
        body = {"body": f"Duplicate of #{action.duplicate_of}"}
        self._client.post(f"{path}/comments", body, Comment)
        return self._result(action, "closed duplicate", f"it is #{action.duplicate_of}")

    def _record_update(self, group: FailureGroup, number: int | None) -> bool:
        """Record that an issue has the current counts."""
        before = self._records.get(group.fingerprint) or IssueRecord()
        versions = (*before.versions, *find_new_versions(group, before))
        after = IssueRecord(
            number, before.attempted, count=group.count, versions=versions, updated=self._clock()
        )
        return self._replace(group, after)

    def _replace(self, group: FailureGroup, after: IssueRecord) -> bool:
        before = self._records.get(group.fingerprint)
        is_written = self._issues.replace(group.fingerprint, before, after)
        if is_written:
            self._records[group.fingerprint] = after
        return is_written

    def _result(self, action: Action, outcome: str, reason: str = "") -> IssueResult:
        url = "" if action.number is None else self._client.issue_url(action.number)
        return IssueResult(action.group, outcome, action.number, url, reason)
