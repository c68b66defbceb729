"""The sinks of a run: where its report goes."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Protocol

import pytest

from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.plugin.reporting.ci_summary import CiSummary, relocate
from pytest_flowhealth.plugin.reporting.outputs import (
    POLLED,
    FormatError,
    Output,
    find_stdout_output,
    read_outputs,
    read_valid_outputs,
    require_own_files,
)
from pytest_flowhealth.plugin.reporting.report_file import (
    STDOUT,
    NotOurs,
    encode_report,
    find_report_path,
    write_report,
)
from pytest_flowhealth.plugin.reporting.stdout import StandardOutput, ensure_open


class Sink(Protocol):
    """Takes the report of a run.

    Attributes:
        polled: Whether others read it all the time, so that the last verdict stays there during a
            run.
        final: Whether it must not get a report that may have to be corrected: it is written when
            all others have been.
    """

    polled: bool
    final: bool

    def claim(self, unfinished: Document) -> None:
        """Replace what an earlier run left with a report that says that the run did not finish.

        Raises:
            pytest.UsageError: It can't be replaced.
        """

    def write(self, document: Document) -> str | None:
        """Write the report, and return what went wrong."""


SINKS: pytest.StashKey[list[Sink]] = pytest.StashKey()
"""Where the report goes; there once the earlier report has been replaced."""

REPORTED: pytest.StashKey[bool] = pytest.StashKey()
"""Whether the sinks have been given how the run ended."""


class ReportFile:
    """The JSON report on disk."""

    polled = final = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def claim(self, unfinished: Document) -> None:
        """Replace the last run's report; one that can't be replaced is removed.

        Raises:
            pytest.UsageError: Neither can be done.
        """
        try:
            write_report(self.path, unfinished)
        except NotOurs as error:
            raise pytest.UsageError(str(error)) from None
        except OSError as error:
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise pytest.UsageError(
                f"can't write the report {self.path}: {error.strerror or error}; "
                "name another place with --health-report FILE"
            ) from None

    def write(self, document: Document) -> str | None:
        """Write the report; if that fails, an older one does not stay."""
        try:
            write_report(self.path, document)
        except NotOurs as error:
            return str(error)
        except OSError as error:
            with contextlib.suppress(OSError):
                self.path.resolve().unlink()
            return f"the report {self.path} could not be written: {error.strerror or error}"
        return None


class OutputFile:
    """A further format in a file."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.polled = self.final = output.format in POLLED

    def claim(self, unfinished: Document) -> None:
        """Write that the run did not finish; a polled file keeps the last verdict until the end."""
        if not self.polled:
            self._output.write(unfinished.health)

    def write(self, document: Document) -> str | None:
        """Write the file."""
        return self._output.write(relocate(document))


class StdoutSink:
    """The report, or one further format, on standard output, where nothing else is printed."""

    polled = False
    final = True

    def __init__(self, stdout: StandardOutput, output: Output | None) -> None:
        self._stdout = stdout
        self._output = output

    def claim(self, unfinished: Document) -> None:
        """Do nothing: there is no earlier report."""

    def write(self, document: Document) -> str | None:
        """Write the report."""
        try:
            if self._output is None:
                self._stdout.write(encode_report(document))
            else:
                self._stdout.write(self._output.render(relocate(document)))
        except BrokenPipeError:
            return None  # the reader has gone
        except OSError as error:
            return f"the report could not be written to standard output: {error.strerror}"
        except FormatError as error:
            return str(error)
        return None


def make_sinks(config: pytest.Config, options: argparse.Namespace) -> list[Sink]:
    """Return the sinks that the command line asks for.

    Raises:
        pytest.UsageError: An output is invalid, or would replace somebody's file.
    """
    folder = config.invocation_params.dir
    path = find_report_path(options, folder)
    outputs = read_outputs(options, folder)
    require_own_files(outputs)
    sinks: list[Sink] = [] if path is None else [ReportFile(path)]
    sinks += _output_sinks(outputs)
    summary = CiSummary.from_environment(folder, outputs, path)
    if summary is not None:
        sinks.append(summary)
    to_stdout = find_stdout_output(outputs)
    if path is None or to_stdout is not None:
        sinks.append(StdoutSink(take_stdout(config), to_stdout))
    elif options.health_submit == STDOUT:
        take_stdout(config)
    return sorted(sinks, key=lambda sink: sink.final)


def make_valid_sinks(options: argparse.Namespace, folder: Path) -> list[Sink]:
    """Return what is valid of the sinks, where something else is wrong with the options."""
    sinks: list[Sink] = []
    with contextlib.suppress(pytest.UsageError):
        path = find_report_path(options, folder)
        sinks += [] if path is None else [ReportFile(path)]
    return sinks + _output_sinks(read_valid_outputs(options, folder))


def take_stdout(config: pytest.Config) -> StandardOutput:
    """Return the real standard output; whatever else is printed goes to standard error."""
    if StandardOutput.KEY not in config.stash:
        ensure_open()
        config.stash[StandardOutput.KEY] = StandardOutput()
    return config.stash[StandardOutput.KEY]


def _output_sinks(outputs: tuple[Output, ...] | list[Output]) -> list[Sink]:
    return [OutputFile(output) for output in outputs if output.path is not None]
