"""Styled lines: lists of (text, style) parts; the caller turns a style into colour."""

from __future__ import annotations

from pytest_flowhealth.domain.status import Outcome, Status

Line = list[tuple[str, str]]

STYLES = ("plain", "bold", "good", "warn", "bad", "unknown", "faint")

STATUS_STYLES = {
    Status.HEALTHY: "good",
    Status.DEGRADED: "warn",
    Status.UNKNOWN: "unknown",
    Status.UNHEALTHY: "bad",
}
OUTCOME_STYLES = {
    Outcome.PASS: "good",
    Outcome.WARN: "warn",
    Outcome.UNKNOWN: "unknown",
    Outcome.FAIL: "bad",
    Outcome.SKIP: "faint",
}
