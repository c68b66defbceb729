"""The share of installations that went well, of those that were reported to us."""

from __future__ import annotations

import math

import msgspec

from pytest_flowhealth.errors import NotApplicable

FEWEST = 20
"""Reports without which no share is told: of fewer, one more or less moves it by more than its limit."""

_NORMAL_95 = 1.959964


class InstallCount(msgspec.Struct, frozen=True):
    """Installations with the same version or platform; `name` is None where none was reported."""

    name: str | None
    succeeded: int
    failed: int


class InstallReports(msgspec.Struct, frozen=True):
    """How many installations were reported within a time, by how they ended.

    `versions`, `nodes` and `platforms` divide them by the package's version, Node's version, and
    the operating system with its architecture; the most frequent first.
    """

    succeeded: int
    failed: int
    within: str = "all time"
    versions: tuple[InstallCount, ...] = ()
    nodes: tuple[InstallCount, ...] = ()
    platforms: tuple[InstallCount, ...] = ()

    @property
    def total(self) -> int:
        """All of them."""
        return self.succeeded + self.failed

    @property
    def success(self) -> float:
        """The share that went well, in percent.

        Raises:
            NotApplicable: None was reported, or so few that a share would pretend to tell something.
        """
        self._require_enough()
        return 100 * self.succeeded / self.total

    @property
    def failures(self) -> float:
        """The share that failed, in percent; as `success`."""
        self._require_enough()
        return 100 * self.failed / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Between which percentages `success` lies, with 95 % confidence (Wilson, 1927); as `success`."""
        share, count = self.success / 100, self.total
        spread = _NORMAL_95**2 / count
        middle = (share + spread / 2) / (1 + spread)
        half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
        return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)

    def _require_enough(self) -> None:
        if not self.total:
            raise NotApplicable(
                "no installation was reported"
                + ("" if self.within == "all time" else f" within {self.within}")
            )
        if self.total < FEWEST:
            raise NotApplicable(
                f"{self.total} installations were reported within {self.within} "
                f"({self.failed} failed): too few to tell a share, which {FEWEST} do"
            )
