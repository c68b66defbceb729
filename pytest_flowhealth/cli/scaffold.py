"""`pytest --health-init`: shows what would be written into the project, asks, and writes it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_flowhealth.config.load import locate
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.errors import CheckFailed, UsageError
from pytest_flowhealth.feedback.scaffold.files import differences, write
from pytest_flowhealth.feedback.scaffold.plan import Plan, plan
from pytest_flowhealth.plugin.messages import usage_error
from pytest_flowhealth.plugin.options import is_question

LEFT = 1
"""The exit code where there is something to write, and it was not written."""

FAILED = 2
"""The exit code where it could not be written."""

_HOW = "to write: pytest --health-init=write"
_LONGEST = 100_000


class InitCommand:
    """Takes the place of pytest's own run; the plugin object of --health-init."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        """Show the changes, write them where that is wanted, and return the exit code.

        Raises:
            pytest.UsageError: The project can't be looked at, or a file can't be where it should be.
        """
        if is_question(config.option):
            return None
        folder = config.option.health_project
        try:
            root = locate(Path(folder) if folder else None, config.invocation_params.dir)
            planned = plan(root)
        except UsageError as error:
            raise usage_error(str(error)) from None
        _show(planned)
        if not planned.changes:
            _say(f"nothing to do in {root}: what is there stays as it is")
            return 0
        if config.option.health_init == "diff":
            _say(_HOW)
            return 0
        if config.option.health_init != "write" and not _agreed(config, planned):
            return LEFT
        return _written(planned)


def _show(planned: Plan) -> None:
    for line in differences(planned):
        _say(line)
    for line in planned.kept:
        _say(f"kept: {line}")
    for line in planned.hints:
        _say(f"note: {line}")


def _agreed(config: pytest.Config, planned: Plan) -> bool:
    """Tell whether the user, asked on a terminal, says yes."""
    # pytest keeps the standard input to itself.
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        _say(f"nothing was written, for there is no terminal to ask on; {_HOW}")
        return False
    count = len(planned.changes)
    sys.stdout.write(f"write {'this file' if count == 1 else f'these {count} files'}? [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    _say("nothing was written")
    return False


def _written(planned: Plan) -> int:
    try:
        write(planned)
    except CheckFailed as error:
        sys.stderr.write(f"--health-init: {printable(error.message)}\n")
        return FAILED
    for change in planned.changes:
        _say(f"{'written' if change.before is None else 'changed'}: {change.path}")
    _say("now: pytest --health")
    return 0


def _say(line: str) -> None:
    # A tab, and \r at the end, are harmless, and part of what the diff shows.
    plain = line.removesuffix("\r")
    shown = "\t".join(printable(part, _LONGEST) for part in plain.split("\t"))
    sys.stdout.write(f"{shown}{line[len(plain) :]}\n")
