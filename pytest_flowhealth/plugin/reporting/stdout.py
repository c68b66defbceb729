"""Standard output: reserved for the report with --health-report -, and possibly closed.

A program that is started with its standard output closed, or whose reader went
away (`| head -1`), ends with exit code 1 in Python, which reads as degraded.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys

import pytest


class StandardOutput:
    """Keep the real standard output aside; whatever else is printed goes to standard error."""

    KEY: pytest.StashKey[StandardOutput] = pytest.StashKey()

    def __init__(self) -> None:
        self._real = os.dup(1)
        os.dup2(2, 1)

    def write(self, content: bytes) -> None:
        """Write `content` to the real standard output.

        Raises:
            OSError: Nobody reads it any more, or the disk behind it is full.
        """
        view = memoryview(content)
        while view:
            view = view[os.write(self._real, view) :]


def ensure_open() -> None:
    """Open the standard streams that are closed: else a file of ours would take their place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    if sys.stdout is None or sys.stdout.closed:
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), write_through=True)
    if sys.stderr is None or sys.stderr.closed:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)


def discard_stdout(error: OSError) -> None:
    """Send what is still printed nowhere; say so, unless its reader has gone on purpose."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            sys.stderr.write(f"standard output can't be written: {error.strerror}\n")


def flush_stdout() -> None:
    """Flush standard output; where that fails, the exit code is what is left to tell."""
    try:
        sys.stdout.flush()
    except OSError as error:
        discard_stdout(error)
