"""Status of a component or a run, outcome of a check or a threshold."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

USAGE_ERROR = 4
"""Exit code of a bad option, marker or configuration."""


class Status(StrEnum):
    """How a component or a run is; listed from the mildest to the most severe."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    UNHEALTHY = "unhealthy"

    @property
    def severity(self) -> int:
        """0 for healthy up to 3 for unhealthy."""
        return _SEVERITIES[self]

    @property
    def exit_code(self) -> int:
        """The process exit code: 0 healthy, 1 degraded, 2 unhealthy, 3 unknown."""
        return _EXIT_CODES[self]


_SEVERITIES = {status: index for index, status in enumerate(Status)}
_EXIT_CODES = {
    Status.HEALTHY: 0,
    Status.DEGRADED: 1,
    Status.UNHEALTHY: 2,
    Status.UNKNOWN: 3,
}


class Outcome(StrEnum):
    """How one threshold or one check ended."""

    PASS = "pass"  # noqa: S105  # a verdict's name, no password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    SKIP = "skip"

    @property
    def severity(self) -> int:
        """0 for skip and pass, then warn, unknown, fail."""
        return _OUTCOME_SEVERITIES[self]

    def status(self, *, critical: bool) -> Status | None:
        """Return what this outcome counts as, or None where it counts as nothing."""
        if self is Outcome.SKIP:
            return None
        if self is Outcome.PASS:
            return Status.HEALTHY
        if self is Outcome.WARN or not critical:
            return Status.DEGRADED
        return Status.UNHEALTHY if self is Outcome.FAIL else Status.UNKNOWN


_OUTCOME_SEVERITIES = {
    Outcome.SKIP: 0,
    Outcome.PASS: 0,
    Outcome.WARN: 1,
    Outcome.UNKNOWN: 2,
    Outcome.FAIL: 3,
}


def worst(statuses: Iterable[Status]) -> Status:
    """Return the most severe of `statuses`; of none at all, nothing is known."""
    return max(statuses, key=lambda status: status.severity, default=Status.UNKNOWN)
