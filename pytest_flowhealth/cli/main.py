"""The entry point of `flowhealth`, its commands, and what an error of one of them exits with."""

from __future__ import annotations

import importlib
import os
import sys

import click

from pytest_flowhealth.config.problems import suggest
from pytest_flowhealth.domain.status import USAGE_ERROR, Status
from pytest_flowhealth.domain.text import Redactor, find_secrets, printable
from pytest_flowhealth.errors import FlowHealthError, UsageError

_COMMANDS = {
    "alerts": "alerts",
    "config": "config",
    "export": "export",
    "hash-password": "hash_password",
    "history": "history",
    "init": "init",
    "issues": "issues",
    "monitor": "monitor",
    "reports": "reports",
}
"""Each command and its module, which is imported when the command is run."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name not in _COMMANDS:
            raise click.UsageError(
                f"there is no command {cmd_name!r}; {suggest(cmd_name, [*_COMMANDS])}", ctx
            )
        module = importlib.import_module(f"pytest_flowhealth.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pytest-flowhealth")
def cli() -> None:
    """Health checks for Node/npm applications: everything except a single run.

    A single run is `pytest --health`. Exit codes: 0 healthy or done, 1 degraded, 2 unhealthy or
    failed, 3 unknown, 4 usage error.
    """


def main() -> None:
    """Run a command, and exit with a documented exit code."""
    try:
        code = cli.main(prog_name="flowhealth", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = USAGE_ERROR
    except UsageError as error:
        _complain(f"Error: {error}")
        code = USAGE_ERROR
    except FlowHealthError as error:
        _complain(f"Error: {error}")
        if error.remedy:
            _complain(f"fix: {error.remedy}")
        code = Status.UNKNOWN.exit_code
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        code = Status.UNKNOWN.exit_code
    except BrokenPipeError:
        # The reader has gone. Python would complain about it when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = Status.UNKNOWN.exit_code
    sys.exit(code or 0)


def _complain(text: str) -> None:
    redact = Redactor(find_secrets(os.environ))
    sys.stderr.write(f"{printable(redact(text), 20_000)}\n")
