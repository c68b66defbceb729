"""The source command: a program of the project's own that prints its records as JSON."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.sources.documents import parse_snapshot
from pytest_flowhealth.probes.program_errors import find_cause

LARGEST = 4 * 2**20
"""Bytes of output that are read."""


class Command:
    """Runs the program anew each time.

    Args:
        argv: The program and its arguments; no shell is used.
        folder: Where it runs.
        fields: A path for each field; `{}` for our own form.
        timeout: Seconds that it may take.
        now: Seconds since 1970.
        clock: Seconds that only go up.
    """

    name = "command"

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        fields: Mapping[str, str],
        *,
        timeout: float = 5.0,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.argv = tuple(argv)
        self.folder = folder
        self.fields = fields
        self.timeout = timeout
        self._now = now
        self._clock = clock

    @property
    def place(self) -> str:
        """The program's name."""
        return one_line(" ".join(self.argv[:3]), 80)

    def read(self) -> Snapshot:
        """Return what the program prints now.

        Raises:
            CheckFailed: It can't be run, fails, takes too long, or prints no JSON.
        """
        done = self._run()
        if done.returncode != 0:
            cause = find_cause(done.stderr or done.stdout, done.returncode)
            raise CheckFailed(
                f"`{self.place}` ended with exit code {done.returncode}: {cause}",
                diagnosis=f"its whole output, in the project's folder: {self.place}",
            )
        return parse_snapshot(
            done.stdout.encode(),
            self.fields,
            (self._now(), self._clock()),
            local=True,
            where=f"what `{self.place}` prints",
        )

    def _run(self) -> command.Completed:
        try:
            return command.run(self.argv, cwd=self.folder, timeout=self.timeout, max_output=LARGEST)
        except MeasurementUnavailable as error:
            problem = error.message
        raise CheckFailed(problem, remedy="set [fleet] timeout, or make it quicker")
