"""`flowhealth issues`: open and update GitHub issues for errors that many installations report."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from pytest_flowhealth.cli.common import find_history, history_option, project_option, read_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.errors import NotApplicable, UsageError
from pytest_flowhealth.github_issues.issue_store import IssueRecord, IssueStore
from pytest_flowhealth.github_issues.planning import (
    Action,
    IssuePolicy,
    make_comment,
    make_issue,
    plan_actions,
    select_groups,
)
from pytest_flowhealth.github_issues.sync import SyncResult, read_groups, sync_history
from pytest_flowhealth.github_issues.templates import make_form_url, make_title
from pytest_flowhealth.history.recording import describe_error, open_history
from pytest_flowhealth.install_reports.report import FailureGroup
from pytest_flowhealth.probes.github.resources import Issue
from pytest_flowhealth.probes.github.settings import TOKENS, find_repository, find_token

_WAIT = 5.0
_TOO_FEW = "nothing was reported often enough, and from enough networks, to open an issue"


@click.command("issues", short_help="Open GitHub issues for reported errors.")
@click.option("--dry-run", is_flag=True, help="Only show the requests that would be sent.")
@project_option
@history_option
@click.pass_context
def command(ctx: click.Context, *, dry_run: bool, project: str | None, history: str | None) -> None:
    """Open a GitHub issue for each error that many installations reported, and update the counts.

    Without a token, print a link to the filled-in form for each of them.
    """
    target = read_target(project)
    path = find_history(target, history).path
    try:
        repository = find_repository(target)
    except NotApplicable as error:
        raise UsageError(f"{error}{f'; {error.remedy}' if error.remedy else ''}") from None
    token = find_token(os.environ)
    if not path.is_file():
        _print_error(f"there is no history {path}: no report was received there")
        ctx.exit(Status.UNKNOWN.exit_code)
    if token is not None and not dry_run:
        ctx.exit(_print_result(sync_history(path, target, os.environ)))
    try:
        _print_preview(path, target, repository, dry_run=dry_run)
    except sqlite3.Error as error:
        _print_error(f"the history can't be used: {describe_error(error)}")
        ctx.exit(Status.UNKNOWN.exit_code)


def _print_result(result: SyncResult) -> int:
    """Print what was done; return the exit code."""
    for each in result.results:
        number = f" #{each.number}" if each.number else ""
        parts = [f"{each.outcome}{number}: {make_title(each.group)}", each.url, each.reason]
        _print("\n  ".join(part for part in parts if part))
    if result.problem is not None:
        _print_error(result.problem)
        if result.remedy:
            _print_error(f"  {result.remedy}")
        return Status.UNKNOWN.exit_code
    if not result.results:
        _print(_TOO_FEW)
    failed = any(each.outcome == "failed" for each in result.results)
    return Status.UNHEALTHY.exit_code if failed else 0


def _print_preview(path: Path, target: Target, repository: str, *, dry_run: bool) -> None:
    """Print requests or links, without a request to GitHub."""
    policy = IssuePolicy.from_target(target)
    api = target.config.github.api
    with open_history(path, _WAIT) as connection:
        groups = read_groups(connection, os.environ)
        records = IssueStore(connection, api, repository).load()
    selected = select_groups(groups, policy)
    if dry_run:
        _print_requests(selected, records, policy, f"{api.rstrip('/')}/repos/{repository}")
        _print_error(f"{policy.describe()}; {len(selected):,} of {len(groups):,} kinds have that")
        return
    for group in selected:
        _print(f"{make_title(group)}\n  {make_form_url(group, repository, api, policy.labels)}")
    names = f"{', '.join(TOKENS[:-1])} or {TOKENS[-1]}"
    _print_error(f"no token is set ({names}): {'open these links' if selected else _TOO_FEW}")


def _print_requests(
    groups: Sequence[FailureGroup],
    records: dict[str, IssueRecord],
    policy: IssuePolicy,
    base: str,
) -> None:
    """Print the requests that would be sent if the recorded issues were the only ones, and open."""
    epoch = datetime.fromtimestamp(0, UTC)
    issues = {
        name: [Issue(record.number, epoch)]
        for name, record in records.items()
        if record.number is not None
    }
    actions = plan_actions(groups, issues, records, policy, time.time())
    requests = [each for each in actions if each.step in ("open", "comment")]
    for action in requests:
        path, body = _request_of(action, records, policy)
        _print(f"POST {base}/{path}")
        _print(json.dumps(body, indent=2))
    count = "1 request" if len(requests) == 1 else f"{len(requests):,} requests"
    _print_error(
        f"{count} would be sent; GitHub was not asked: an issue that is there already, "
        "and that this history does not know of, is found before another is opened"
    )


def _request_of(
    action: Action, records: dict[str, IssueRecord], policy: IssuePolicy
) -> tuple[str, dict[str, object]]:
    if action.step == "open":
        return "issues", make_issue(action.group, policy)
    record = records[action.group.fingerprint]
    return f"issues/{action.number}/comments", make_comment(action.group, record)


def _print(text: str) -> None:
    sys.stdout.write(f"{printable(text, 100_000)}\n")


def _print_error(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")
