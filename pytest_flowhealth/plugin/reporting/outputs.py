"""`--health-output FORMAT[:PATH]`: render the report in further formats, found by entry points."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.config.atomic import replace_file
from pytest_flowhealth.config.extensions import FORMATS, load_extension
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.plugin.reporting.own_files import is_same_file, require_own
from pytest_flowhealth.plugin.reporting.report_file import find_report_path

POLLED = ("health+json", "nagios", "openmetrics")
"""Formats whose file others read all the time: during a run the last verdict stays there."""


class Output(msgspec.Struct, frozen=True):
    """One further output; `path` is None for standard output."""

    format: str
    path: Path | None

    def render(self, health: Report) -> bytes:
        """Return the verdict in this format.

        Raises:
            FormatError: The format is another package's, and does not work.
        """
        try:
            render: Callable[[Report], str] = load_extension(FORMATS, self.format)
            return render(health).encode("utf-8", "backslashreplace")
        except Exception as error:
            # Whatever somebody else's code raises, the verdict is told.
            message = one_line(f"{type(error).__name__}: {error}")
            raise FormatError(f"the format {self.format} does not work: {message}") from error

    def write(self, health: Report) -> str | None:
        """Write the file in one step; return what went wrong: then none is left.

        What an earlier run told there, or this one before it failed, holds no longer.
        """
        if self.path is None:
            return None
        try:
            require_own(self.path, self.format)
        except OSError as error:
            return f"the output {self.path} could not be written: {error}"
        try:
            replace_file(self.path, self.render(health))
        except OSError as error:
            _discard(self.path)
            return f"the output {self.path} could not be written: {error.strerror or error}"
        except FormatError as error:
            _discard(self.path)
            return str(error)
        return None


def _discard(path: Path) -> None:
    """Remove a file; where its folder keeps it, empty it."""
    try:
        path.resolve().unlink(missing_ok=True)
    except OSError:
        with contextlib.suppress(OSError):
            os.truncate(path, 0)


class FormatError(Exception):
    """A format that raises an error, or can't be imported."""


def read_outputs(options: argparse.Namespace, folder: Path) -> tuple[Output, ...]:
    """Return what --health-output asks for.

    Args:
        options: The options.
        folder: Where they were typed.

    Raises:
        pytest.UsageError: There is no such format, or two things are to go to one place.
    """
    found = tuple(_parse(text, folder) for text in options.health_output)
    _require_places(found, find_report_path(options, folder))
    to_stdout = [output.format for output in found if output.path is None]
    if options.health_report == "-":
        to_stdout.append("the report")
    if options.health_submit == "-":
        to_stdout.append("what --health-submit would send")
    if len(to_stdout) > 1:
        raise pytest.UsageError(
            f"--health-output: only one can go to standard output, not {' and '.join(to_stdout)}; "
            "name a file, as in openmetrics:FILE"
        )
    return found


def read_valid_outputs(options: argparse.Namespace, folder: Path) -> list[Output]:
    """Return what can be meant of --health-output, where something else is wrong with the options."""
    found: list[Output] = []
    with contextlib.suppress(pytest.UsageError):
        report = find_report_path(options, folder)
        for text in options.health_output:
            with contextlib.suppress(pytest.UsageError):
                output = _parse(text, folder)
                _require_places([*found, output], report)
                found.append(output)
    return found


def require_own_files(outputs: Sequence[Output]) -> None:
    """Refuse to take the place of somebody's file.

    Raises:
        pytest.UsageError: One would.
    """
    for output in outputs:
        try:
            if output.path is not None:
                require_own(output.path, output.format)
        except OSError as error:
            raise pytest.UsageError(f"--health-output: {error}") from None


def _require_places(outputs: Sequence[Output], report: Path | None) -> None:
    """Refuse two things for one file, of which only the last would be there."""
    taken = [] if report is None else [("the report", report)]
    for output in outputs:
        if output.path is None:
            continue
        for what, path in taken:
            if is_same_file(path, output.path):
                raise pytest.UsageError(
                    f"--health-output: {what} and {output.format} can't both go to {output.path}; "
                    "name another file"
                )
        taken.append((output.format, output.path))


def find_stdout_output(outputs: Sequence[Output]) -> Output | None:
    """Return the one that goes to standard output, None where none does."""
    return next((output for output in outputs if output.path is None), None)


def _parse(text: str, folder: Path) -> Output:
    name, colon, path = text.partition(":")
    try:
        load_extension(FORMATS, name)
    except ValueError as error:
        raise pytest.UsageError(f"--health-output: {error}") from None
    if colon and not path:
        raise pytest.UsageError(f"--health-output: {text!r} names no file after the colon")
    if not path or path == "-":
        return Output(name, None)
    return Output(name, folder / path)
