"""The share of installations that went well, of those that were reported to us."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pytest_flowhealth.errors import NotApplicable


class InstallReports(msgspec.Struct, frozen=True):
    """How many installations were reported, by how they ended."""

    succeeded: int
    failed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.succeeded + self.failed

    @property
    def success(self) -> float:
        """The share that went well, in percent.

        Raises:
            NotApplicable: None was reported.
        """
        if not self.total:
            raise NotApplicable("no installation was reported")
        return 100 * self.succeeded / self.total

    @property
    def failures(self) -> float:
        """The share that failed, in percent; as `success`."""
        return 100 - self.success


def received(root: Path) -> InstallReports:  # noqa: ARG001  # where a project keeps its reports
    """Return the installations that were reported of the package in `root`.

    Raises:
        NotApplicable: None was: nothing receives reports.
    """
    raise NotApplicable("no installation was reported")
