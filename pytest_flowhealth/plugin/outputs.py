"""`--health-output FORMAT[:PATH]`: the verdict in further formats, found through their entry points."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.config.atomic import replace_file
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.plugin.own_files import require_own, same_place
from pytest_flowhealth.plugin.report_file import report_path

GROUP = "pytest_flowhealth.formats"
"""The group of entry points: each names a function `render(health) -> str`."""

POLLED = ("health+json", "nagios", "openmetrics")
"""Formats whose file others look at all the time: while a run lasts, its predecessor's stays there."""


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
            render: Callable[[Report], str] = _found(self.format).load()
            return render(health).encode("utf-8", "backslashreplace")
        except Exception as error:
            # Whatever somebody else's code raises, the verdict is told.
            told = one_line(f"{type(error).__name__}: {error}")
            raise FormatError(f"the format {self.format} does not work: {told}") from error

    def claim(self, unfinished: Report) -> None:
        """Write that the run did not finish, so that nothing else stands for one that is killed.

        What is wrong with the file or the format, the end of the run tells.
        """
        if self.format not in POLLED:
            self.write(unfinished)

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


def polled_last(outputs: Sequence[Output]) -> list[Output]:
    """Return them in the order in which they are written: what is polled is seen at once."""
    return sorted(outputs, key=lambda one: one.format in POLLED)


def _discard(path: Path) -> None:
    """Remove a file; where its folder keeps it, empty it."""
    try:
        path.resolve().unlink(missing_ok=True)
    except OSError:
        with contextlib.suppress(OSError):
            os.truncate(path, 0)


class FormatError(Exception):
    """A format that raises an error, or can't be imported."""


def outputs_of(options: argparse.Namespace, folder: Path) -> tuple[Output, ...]:
    """Return what --health-output asks for.

    Args:
        options: The options.
        folder: Where they were typed.

    Raises:
        pytest.UsageError: There is no such format, or two things are to go to one place.
    """
    found = tuple(_read(text, folder) for text in options.health_output)
    _require_places(found, report_path(options, folder))
    to_stdout = [one.format for one in found if one.path is None]
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


def readable(options: argparse.Namespace, folder: Path) -> list[Output]:
    """Return what can be meant of --health-output, where something else is wrong with the options."""
    found: list[Output] = []
    with contextlib.suppress(pytest.UsageError):
        report = report_path(options, folder)
        for text in options.health_output:
            with contextlib.suppress(pytest.UsageError):
                one = _read(text, folder)
                _require_places([*found, one], report)
                found.append(one)
    return found


def require_own_files(outputs: Sequence[Output]) -> None:
    """Refuse to take the place of somebody's file.

    Raises:
        pytest.UsageError: One would.
    """
    for one in outputs:
        try:
            if one.path is not None:
                require_own(one.path, one.format)
        except OSError as error:
            raise pytest.UsageError(f"--health-output: {error}") from None


def _require_places(outputs: Sequence[Output], report: Path | None) -> None:
    """Refuse two things for one file, of which only the last would be there."""
    taken = [] if report is None else [("the report", report)]
    for one in outputs:
        if one.path is None:
            continue
        for what, path in taken:
            if same_place(path, one.path):
                raise pytest.UsageError(
                    f"--health-output: {what} and {one.format} can't both go to {one.path}; "
                    "name another file"
                )
        taken.append((one.format, one.path))


def to_stdout(outputs: Sequence[Output]) -> Output | None:
    """Return the one that goes to standard output, None where none does."""
    return next((one for one in outputs if one.path is None), None)


def _read(text: str, folder: Path) -> Output:
    name, colon, path = text.partition(":")
    _found(name)
    if colon and not path:
        raise pytest.UsageError(f"--health-output: {text!r} names no file after the colon")
    if not path or path == "-":
        return Output(name, None)
    return Output(name, folder / path)


def _found(name: str) -> EntryPoint:
    known = {one.name: one for one in entry_points(group=GROUP)}
    if name not in known:
        raise pytest.UsageError(
            f"--health-output: there is no format {name!r}; there are {', '.join(sorted(known))}"
        )
    return known[name]
