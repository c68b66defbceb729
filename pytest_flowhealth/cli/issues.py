"""`flowhealth issues`: open and update GitHub issues for errors that many installations report."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from pytest_flowhealth.cli.common import find_history, history_option, project_option, read_target
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.errors import NotApplicable, UsageError
from pytest_flowhealth.feedback.github import chore
from pytest_flowhealth.feedback.github.compose import title
from pytest_flowhealth.feedback.github.link import form
from pytest_flowhealth.feedback.github.notes import Notes
from pytest_flowhealth.feedback.github.preview import preview
from pytest_flowhealth.feedback.github.tend import Done, Policy, asked_for, over
from pytest_flowhealth.feedback.reports.report import Kind
from pytest_flowhealth.history.keeping import opened, said
from pytest_flowhealth.probes.github.settings import (
    TOKENS,
    client_of,
    repository_of,
    token_of,
)

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
        repository_of(target)
    except NotApplicable as error:
        raise UsageError(f"{error}{f'; {error.remedy}' if error.remedy else ''}") from None
    token = token_of(os.environ)
    if not path.is_file():
        _complain(f"there is no history {path}: no report was received there")
        ctx.exit(Status.UNKNOWN.exit_code)
    if dry_run:
        code = _with_reports(path, target, os.environ, _show)
    elif token is None:
        code = _with_reports(path, target, os.environ, _link)
    else:
        code = _print_done(chore.see_to(path, target, os.environ))
    ctx.exit(code)


def _print_done(done: Done) -> int:
    """Tell what was done, and return the exit code."""
    for one in done.did:
        number = f" #{one.number}" if one.number else ""
        parts = [f"{one.what}{number}: {title(one.kind)}", one.url, one.text]
        _say("\n  ".join(part for part in parts if part))
    if done.problem is not None:
        _complain(done.problem)
        if done.remedy:
            _complain(f"  {done.remedy}")
        return Status.UNKNOWN.exit_code
    if not done.did:
        _say(_TOO_FEW)
    failed = any(one.what == "failed" for one in done.did)
    return Status.UNHEALTHY.exit_code if failed else 0


def _with_reports(
    path: Path,
    target: Target,
    environ: Mapping[str, str],
    do: Callable[[sqlite3.Connection, Sequence[Kind], Target], None],
) -> int:
    try:
        with opened(path, _WAIT) as connection:
            kinds = chore.scrubbed(chore.reported(connection), environ)
            do(connection, kinds, target)
    except sqlite3.Error as error:
        _complain(f"the history can't be used: {said(error)}")
        return Status.UNKNOWN.exit_code
    return 0


def _show(connection: sqlite3.Connection, kinds: Sequence[Kind], target: Target) -> None:
    """Print what would be sent."""
    client, policy = client_of(target, {}), Policy.from_target(target)
    found = preview(Notes(connection, client.base), kinds, policy, time.time())
    for one in found:
        _say(f"POST {client.base}/{one.path}")
        _say(json.dumps(one.body, indent=2))
    _complain(
        f"{len(found)} requests would be sent; GitHub was not asked: an issue that is there already, "
        "and that this history does not know of, is found before another is opened"
    )
    _complain(f"{asked_for(policy)}; {_count(kinds, policy)}")


def _count(kinds: Sequence[Kind], policy: Policy) -> str:
    """Tell how many kinds were reported often enough, and how many were not."""
    enough = len(over(kinds, policy))
    return f"{enough:,} of {len(kinds):,} kinds have that"


def _link(_: sqlite3.Connection, kinds: Sequence[Kind], target: Target) -> None:
    """Print a link to the filled-in form for each kind."""
    ours = target.config.github
    found = over(kinds, Policy.from_target(target))
    for one in found:
        _say(f"{title(one)}\n  {form(one, repository_of(target), ours.api, ours.labels)}")
    names = f"{', '.join(TOKENS[:-1])} or {TOKENS[-1]}"
    what = "open these links" if found else _TOO_FEW
    _complain(f"no token is set ({names}): {what}")


def _say(text: str) -> None:
    sys.stdout.write(f"{printable(text, 100_000)}\n")


def _complain(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")
