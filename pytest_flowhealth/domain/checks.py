"""One check: what is declared of it, what was seen of it, and how that is judged."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from pytest_flowhealth.domain.alerting import Alerting
from pytest_flowhealth.domain.measurements import Measurement
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.domain.thresholds import Threshold, ThresholdResult


class Waiver(msgspec.Struct, frozen=True, gc=False):
    """A failing check counts as warn up to and including the day `until` (UTC)."""

    until: datetime.date
    reason: str


class CheckSpec(msgspec.Struct, frozen=True, gc=False):
    """What a check's markers say; `timeout` in seconds, `location` is file:line."""

    id: str
    nodeid: str
    component: str
    location: str
    critical: bool = True
    requires: tuple[str, ...] = ()
    timeout: float | None = None
    remedy: str | None = None
    exclusive: bool = False
    thresholds: tuple[Threshold, ...] = ()
    waiver: Waiver | None = None
    alert: Alerting | None = None


class Ending(StrEnum):
    """How one phase (set-up, body, tear-down) of a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    THRESHOLDS = "thresholds"
    UNMEASURED = "unmeasured"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    LOST = "lost"


class Phase(msgspec.Struct, frozen=True, gc=False):
    """One phase as it was reported; `when` is setup, call or teardown, `duration` in s."""

    when: str
    ending: Ending
    duration: float = 0.0
    message: str = ""


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """What a check left behind besides its phases."""

    declaration: CheckSpec
    measurements: tuple[Measurement, ...] = ()
    thresholds: tuple[ThresholdResult, ...] = ()
    warnings: tuple[str, ...] = ()
    remedy: str | None = None
    details: dict[str, Any] = {}
    attempts: int = 1
    blocked_by: str | None = None
    depends: tuple[str, ...] = ()


class CheckResult(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A judged check, as the report shows it; `duration` in seconds.

    `tolerated` marks a warn that stands for a failure: waived, or an expected one. `depends` are
    checks that a failure of this one is laid to, where they failed too. `location` is file:line, as
    seen from pytest's root folder.
    """

    id: str
    nodeid: str
    component: str
    outcome: Outcome
    critical: bool
    duration: float
    message: str
    remedy: str | None
    blocked_by: str | None
    attempts: int
    measurements: tuple[Measurement, ...]
    thresholds: tuple[ThresholdResult, ...]
    details: dict[str, Any]
    requires: tuple[str, ...] = ()
    tolerated: bool = False
    alert: Alerting | None = None
    depends: tuple[str, ...] = ()
    location: str | None = None

    @property
    def status(self) -> Status | None:
        """What the check counts as; None for a skip."""
        return self.outcome.status(critical=self.critical)

    @property
    def holds(self) -> bool:
        """Whether a check that requires this one may run."""
        return self.outcome in (Outcome.PASS, Outcome.WARN) and not self.tolerated


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One thing that speaks for an outcome, with its sentence."""

    outcome: Outcome
    message: str


_PHASES = ("setup", "call", "teardown")
_NO_REASON = frozenset({"", "unconditional skip", "Skipped"})


def judge_check(evidence: Evidence, phases: Sequence[Phase], today: datetime.date) -> CheckResult:
    """Return how a check ended, from its phases; `today` (UTC) decides on its waiver.

    A phase that was never reported makes it unknown: silence is no pass.
    """
    findings = [finding for phase in phases for finding in _of_phase(phase, evidence)]
    findings += _of_body(evidence, phases)
    findings += _overrun(evidence.declaration, phases)
    findings += _silence(phases)
    return _result(evidence, phases, _waived(_worst(findings), evidence.declaration.waiver, today))


def unreported(declaration: CheckSpec, message: str) -> CheckResult:
    """Return the result of a check of which nothing was heard."""
    return _result(Evidence(declaration), (), (Outcome.UNKNOWN, message, False))


def limit_text(judged: ThresholdResult) -> str:
    """Return what was observed against the limit that counts: ``p95 61 ms, fails above 50 ms``."""
    if judged.observed is None:
        return judged.note or f"{judged.name} has no value"
    side = "above" if judged.better == "lower" else "below"
    limits = {"fail": judged.fail, "warn": judged.warn}
    which = ("warn", "fail") if judged.outcome is Outcome.WARN else ("fail", "warn")
    verb, limit = next((one, limits[one]) for one in which if limits[one] is not None)
    unit = unit_suffix(judged.unit)
    observed = f"{judged.name} {format_number(judged.observed)}{unit}"
    sure = f" ({judged.note})" if judged.note else ""
    return f"{observed}{sure}, {verb}s {side} {format_number(limit or 0.0)}{unit}"


def unit_suffix(unit: str | None) -> str:
    """Return what follows a figure: a space and its unit; nothing for a count."""
    return "" if unit in (None, "1") else f" {unit}"


def _of_phase(phase: Phase, evidence: Evidence) -> list[Finding]:
    match phase.ending:
        case Ending.PASSED | Ending.THRESHOLDS:
            return []  # what thresholds say, _of_body tells
        case Ending.FAILED:
            return [_failed(phase)]
        case Ending.SKIPPED:
            return [_skip(phase.message, evidence.attempts)]
        case Ending.BLOCKED:
            return [Finding(Outcome.SKIP, f"blocked by {evidence.blocked_by}")]
        case _:
            return [Finding(_OUTCOMES[phase.ending], phase.message)]


_OUTCOMES = {
    Ending.TIMEOUT: Outcome.FAIL,
    Ending.UNMEASURED: Outcome.UNKNOWN,
    Ending.LOST: Outcome.UNKNOWN,
    Ending.XFAILED: Outcome.WARN,
    Ending.XPASSED: Outcome.PASS,
}


def _failed(phase: Phase) -> Finding:
    if phase.when in ("call", "subtest"):
        return Finding(Outcome.FAIL, phase.message)
    name = "set-up" if phase.when == "setup" else "tear-down"
    return Finding(Outcome.UNKNOWN, f"its {name} failed: {phase.message}")


def _skip(reason: str, attempts: int) -> Finding:
    if attempts > 1:
        return Finding(Outcome.FAIL, f"skipped at attempt {attempts}, after it failed: {reason}")
    if reason in _NO_REASON:
        return Finding(Outcome.UNKNOWN, "skipped without a reason")
    return Finding(Outcome.SKIP, reason)


def _of_body(evidence: Evidence, phases: Sequence[Phase]) -> list[Finding]:
    """Return what thresholds, warnings and retries say of a body that did not fail."""
    call = next((phase for phase in phases if phase.when == "call"), None)
    if call is None:
        return []
    expected = call.ending in (Ending.XFAILED, Ending.XPASSED)
    crossed = [
        one for one in evidence.thresholds if one.outcome not in (Outcome.PASS, Outcome.SKIP)
    ]
    if call.ending not in (Ending.PASSED, Ending.THRESHOLDS):
        # A body that ended early did not measure all; what it measured before still counts.
        crossed = [one for one in crossed if one.observed is not None]
    findings = [
        Finding(Outcome.WARN if expected else one.outcome, limit_text(one)) for one in crossed
    ]
    findings += [Finding(Outcome.WARN, text) for text in evidence.warnings]
    if evidence.attempts > 1 and call.ending is Ending.PASSED:
        findings.append(Finding(Outcome.WARN, f"passed at attempt {evidence.attempts}"))
    return findings


def _overrun(declaration: CheckSpec, phases: Sequence[Phase]) -> list[Finding]:
    """Return a failure where a check outlived its timeout, whatever it made of the signal."""
    seconds = sum(phase.duration for phase in phases)
    limit = declaration.timeout
    if limit is None or seconds <= limit or any(phase.ending is Ending.TIMEOUT for phase in phases):
        return []
    if any(phase.ending in (Ending.FAILED, Ending.UNMEASURED) for phase in phases):
        return []
    return [
        Finding(
            Outcome.FAIL,
            f"took {format_number(seconds)} s, longer than its timeout of {format_number(limit)} s",
        )
    ]


def _silence(phases: Sequence[Phase]) -> list[Finding]:
    """Return an unknown where a phase that had to come was never reported."""
    seen = {phase.when for phase in phases}
    if any(phase.ending is Ending.LOST for phase in phases):
        return []
    ended_at_setup = any(
        phase.when == "setup" and phase.ending is not Ending.PASSED for phase in phases
    )
    needed = ("setup", "teardown") if ended_at_setup else _PHASES
    missing = [name for name in needed if name not in seen]
    if not missing:
        return []
    return [Finding(Outcome.UNKNOWN, f"it never reported its {' and '.join(missing)}")]


def _worst(findings: Sequence[Finding]) -> tuple[Outcome, str]:
    """Return the worst outcome, and every different sentence that speaks for it."""
    worst = max((finding.outcome.severity for finding in findings), default=0)
    top = [finding for finding in findings if finding.outcome.severity == worst]
    if worst == 0 and any(finding.outcome is Outcome.SKIP for finding in top):
        top = [finding for finding in top if finding.outcome is Outcome.SKIP]
    outcome = top[0].outcome if top else Outcome.PASS
    return outcome, "; ".join(dict.fromkeys(finding.message for finding in top if finding.message))


def _waived(
    judged: tuple[Outcome, str], waiver: Waiver | None, today: datetime.date
) -> tuple[Outcome, str, bool]:
    outcome, message = judged
    if waiver is None or outcome in (Outcome.SKIP, Outcome.UNKNOWN):
        return outcome, message, False
    if outcome is Outcome.PASS:
        return (
            outcome,
            f"passes: its waiver until {waiver.until} ({waiver.reason}) is not needed",
            False,
        )
    if outcome is Outcome.WARN:
        return outcome, message, False
    if today > waiver.until:
        return outcome, f"{message} (its waiver ended on {waiver.until})", False
    return (
        Outcome.WARN,
        f"{message} (waived until {waiver.until}: {waiver.reason})",
        True,
    )


def _expected(phases: Sequence[Phase]) -> bool:
    return any(phase.ending is Ending.XFAILED for phase in phases)


def _result(
    evidence: Evidence, phases: Sequence[Phase], judged: tuple[Outcome, str, bool]
) -> CheckResult:
    declaration = evidence.declaration
    outcome, message, waived = judged
    blocked = outcome is Outcome.SKIP and any(phase.ending is Ending.BLOCKED for phase in phases)
    return CheckResult(
        id=declaration.id,
        nodeid=declaration.nodeid,
        component=declaration.component,
        outcome=outcome,
        critical=declaration.critical,
        duration=sum(phase.duration for phase in phases),
        message=message,
        remedy=evidence.remedy or declaration.remedy,
        blocked_by=evidence.blocked_by if blocked else None,
        attempts=evidence.attempts,
        measurements=evidence.measurements,
        thresholds=evidence.thresholds,
        details=evidence.details,
        requires=declaration.requires,
        alert=declaration.alert,
        depends=evidence.depends,
        tolerated=waived or _expected(phases),
        location=declaration.location,
    )
