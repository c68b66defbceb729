"""`flowhealth init`: set up a project."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pytest_flowhealth.cli.common import project_option
from pytest_flowhealth.config.load import locate
from pytest_flowhealth.config.reference import SCHEMA
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.scaffold.files import format_diff, write
from pytest_flowhealth.scaffold.plan import Plan, plan

_LONGEST = 100_000


@click.command("init", short_help="Set up a project.")
@click.option("--diff", "only_show", is_flag=True, help="Only show what would be written.")
@click.option("--write", "write_now", is_flag=True, help="Write without asking.")
@project_option
def command(*, only_show: bool, write_now: bool, project: str | None) -> None:
    """Set up a project: settings, an example check, npm scripts, issue forms, a CI job, a systemd unit.

    Shows the changes and asks for confirmation. Without a terminal, only --write writes.
    """
    if only_show and write_now:
        raise click.UsageError("--diff and --write exclude each other")
    root = locate(Path(project) if project else None, Path.cwd())
    planned = plan(root)
    _show(planned, shorten=not only_show and sys.stdout.isatty())
    if not planned.changes:
        _echo(f"nothing to do in {root}: the files that are there stay as they are")
        return
    if only_show:
        _echo("to write these files: flowhealth init --write")
        return
    if not write_now and not _confirm(planned):
        return
    write(planned)
    for change in planned.changes:
        _echo(f"{'written' if change.before is None else 'changed'}: {change.path}")
    _echo("next: pytest --health")


def _show(planned: Plan, *, shorten: bool) -> None:
    """Show the changes; `shorten`: generated files by their names only."""
    changes = [each for each in planned.changes if not (shorten and each.path == SCHEMA)]
    for line in format_diff(changes):
        _echo(line)
    if len(changes) < len(planned.changes):
        _echo(f"new file: {SCHEMA}, what `flowhealth config --schema` prints")
    for line in planned.skipped:
        _echo(f"kept: {line}")
    for line in planned.hints:
        _echo(f"note: {line}")


def _confirm(planned: Plan) -> bool:
    """Ask on the terminal.

    Raises:
        click.UsageError: There is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("there is no terminal to ask on: use --write, or --diff")
    count = len(planned.changes)
    if click.confirm(
        f"write {'this file' if count == 1 else f'these {count} files'}?", prompt_suffix=" "
    ):
        return True
    _echo("nothing was written")
    return False


def _echo(line: str) -> None:
    # A tab, and \r at the end, are harmless, and part of what the diff shows.
    plain = line.removesuffix("\r")
    shown = "\t".join(printable(part, _LONGEST) for part in plain.split("\t"))
    click.echo(f"{shown}{line[len(plain) :]}")
