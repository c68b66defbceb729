"""A check: its declaration (`CheckSpec`), its run (`CheckRun`) and its result (`CheckResult`)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from pytest_flowhealth.domain.alerting import Alerting
from pytest_flowhealth.domain.measurements import Measurement, Series
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.domain.thresholds import Threshold, ThresholdResult, evaluate


class Waiver(msgspec.Struct, frozen=True, gc=False):
    """A failing check counts as warn up to and including the day `until` (UTC)."""

    until: datetime.date
    reason: str


class CheckSpec(msgspec.Struct, frozen=True, gc=False):
    """What the markers of a check, and the threshold overrides, declare.

    Attributes:
        timeout: In seconds.
        location: file:line, relative to pytest's root folder.
        tags: The names of its other markers without arguments, sorted.
    """

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
    tags: tuple[str, ...] = ()


class PhaseOutcome(StrEnum):
    """How one phase (setup, call, teardown, or a subtest) of a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    THRESHOLDS = "thresholds"
    UNAVAILABLE = "unavailable"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    LOST = "lost"


class Phase(msgspec.Struct, frozen=True, gc=False):
    """One phase as pytest reported it.

    Attributes:
        when: setup, call, teardown or subtest.
        outcome: How it ended.
        duration: In seconds.
        message: Why, in one line; empty for a phase that passed.
    """

    when: str
    outcome: PhaseOutcome
    duration: float = 0.0
    message: str = ""


class CheckRun(msgspec.Struct, frozen=True, gc=False):
    """What the last attempt at a check measured, warned of and raised.

    Attributes:
        phases: In the order in which they were reported; subtests are phases of their own.
        series: The measurements with their samples.
        warnings: The texts given to `health.warn`.
        remedy: The command or sentence that would fix it; None for the marker's.
        details: Facts for the report.
        attempts: How often the check was run; the phases are those of the last attempt.
        blocked_by: The id of the check that kept it from running.
        depends: Ids of checks to which a failure is attributed where they failed too.
        doubts: Why a pass can't be relied on: each makes the check unknown.
        thresholds: The results of the thresholds if the body reached its end; None otherwise.
    """

    phases: tuple[Phase, ...] = ()
    series: tuple[Series, ...] = ()
    warnings: tuple[str, ...] = ()
    remedy: str | None = None
    details: dict[str, Any] = {}
    attempts: int = 1
    blocked_by: str | None = None
    depends: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    thresholds: tuple[ThresholdResult, ...] | None = None


class CheckResult(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An evaluated check, as the report shows it.

    Attributes:
        duration: In seconds, all phases together.
        tolerated: Whether a warn stands for a failure that is waived or expected.
        depends: Ids of checks to which a failure of this one is attributed where they failed too.
        location: file:line, relative to pytest's root folder.
        tags: The names of its other markers without arguments, sorted.
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
    tags: tuple[str, ...] = ()

    @property
    def status(self) -> Status | None:
        """What the check counts as; None for a skip."""
        return self.outcome.status(critical=self.critical)

    @property
    def diagnosis(self) -> str | None:
        """Where to look for the cause of a problem; None for a check that has none."""
        if self.outcome in (Outcome.PASS, Outcome.SKIP) or "diagnosis" not in self.details:
            return None
        return str(self.details["diagnosis"])

    @property
    def advice(self) -> dict[str, str]:
        """What to do about a problem, by the word that it is shown after: `fix` and `see`."""
        if self.outcome in (Outcome.PASS, Outcome.SKIP):
            return {}
        advice = {"fix": self.remedy, "see": self.diagnosis}
        return {word: text for word, text in advice.items() if text}

    @property
    def is_satisfied(self) -> bool:
        """Whether a check that requires this one may run."""
        return self.outcome in (Outcome.PASS, Outcome.WARN) and not self.tolerated


class Reason(msgspec.Struct, frozen=True, gc=False):
    """An outcome and the sentence that explains it."""

    outcome: Outcome
    message: str


_PHASES = ("setup", "call", "teardown")
_SILENT = (PhaseOutcome.PASSED, PhaseOutcome.THRESHOLDS)
"""Outcomes of a phase that are no reason: `_explain_body` evaluates the thresholds."""
_NO_REASON = frozenset({"", "unconditional skip", "Skipped"})


def evaluate_check(spec: CheckSpec, run: CheckRun, today: datetime.date) -> CheckResult:
    """Return the result of a check.

    A phase that was never reported makes the check unknown.

    Args:
        spec: What its markers declare.
        run: What its last attempt left.
        today: The day (UTC) that decides whether a waiver still applies.
    """
    call = next((phase for phase in run.phases if phase.when == "call"), None)
    thresholds = run.thresholds
    if thresholds is None:
        thresholds = () if call is None else evaluate_thresholds(spec.thresholds, run.series)
    reasons = [_explain_phase(phase, run) for phase in run.phases if phase.outcome not in _SILENT]
    if call is not None:
        reasons += _explain_body(call, run, thresholds)
    reasons += _explain_overrun(spec, run.phases)
    reasons += _explain_missing_phases(run.phases)
    reasons += [Reason(Outcome.UNKNOWN, text) for text in dict.fromkeys(run.doubts)]
    outcome, message, waived = _apply_waiver(_choose_worst(reasons), spec.waiver, today)
    blocked = outcome is Outcome.SKIP and any(
        phase.outcome is PhaseOutcome.BLOCKED for phase in run.phases
    )
    return CheckResult(
        id=spec.id,
        nodeid=spec.nodeid,
        component=spec.component,
        outcome=outcome,
        critical=spec.critical,
        duration=sum(phase.duration for phase in run.phases),
        message=message,
        remedy=run.remedy or spec.remedy,
        blocked_by=run.blocked_by if blocked else None,
        attempts=run.attempts,
        measurements=tuple(series.measurement for series in run.series),
        thresholds=thresholds,
        details=run.details,
        requires=spec.requires,
        alert=spec.alert,
        depends=run.depends,
        tolerated=waived or any(phase.outcome is PhaseOutcome.XFAILED for phase in run.phases),
        location=spec.location,
        tags=spec.tags,
    )


def evaluate_thresholds(
    thresholds: Iterable[Threshold], series: Iterable[Series]
) -> tuple[ThresholdResult, ...]:
    """Return the result of each threshold for what was measured."""
    measured = {each.measurement.name: each for each in series}
    return tuple(
        [evaluate(threshold, measured.get(threshold.measurement)) for threshold in thresholds]
    )


def make_unreported(spec: CheckSpec, message: str) -> CheckResult:
    """Return the result of a check that never reported: unknown, because of `message`."""
    run = CheckRun(phases=(Phase("call", PhaseOutcome.LOST, 0.0, message),))
    never = msgspec.structs.replace(spec, thresholds=())
    return evaluate_check(never, run, datetime.date.min)


def describe_limit(result: ThresholdResult) -> str:
    """Return what was observed against the limit that counts: ``p95 61 ms, fails above 50 ms``."""
    if result.observed is None:
        return result.note or f"{result.name} has no value"
    side = "above" if result.better == "lower" else "below"
    limits = {"fail": result.fail, "warn": result.warn}
    which = ("warn", "fail") if result.outcome is Outcome.WARN else ("fail", "warn")
    verb, limit = next((name, limits[name]) for name in which if limits[name] is not None)
    unit = unit_suffix(result.unit)
    observed = f"{result.name} {format_number(result.observed)}{unit}"
    note = f" ({result.note})" if result.note else ""
    return f"{observed}{note}, {verb}s {side} {format_number(limit or 0.0)}{unit}"


def unit_suffix(unit: str | None) -> str:
    """Return what follows a number: a space and its unit; nothing for a count."""
    return "" if unit in (None, "1") else f" {unit}"


def _explain_phase(phase: Phase, run: CheckRun) -> Reason:
    match phase.outcome:
        case PhaseOutcome.FAILED:
            return _explain_failure(phase)
        case PhaseOutcome.SKIPPED:
            return _explain_skip(phase, run.attempts)
        case PhaseOutcome.BLOCKED:
            return Reason(Outcome.SKIP, f"blocked by {run.blocked_by}")
        case _:
            return Reason(_OUTCOMES[phase.outcome], phase.message)


_OUTCOMES = {
    PhaseOutcome.TIMEOUT: Outcome.FAIL,
    PhaseOutcome.UNAVAILABLE: Outcome.UNKNOWN,
    PhaseOutcome.LOST: Outcome.UNKNOWN,
    PhaseOutcome.XFAILED: Outcome.WARN,
    PhaseOutcome.XPASSED: Outcome.PASS,
}


def _explain_failure(phase: Phase) -> Reason:
    if phase.when in ("call", "subtest"):
        return Reason(Outcome.FAIL, phase.message)
    name = "set-up" if phase.when == "setup" else "tear-down"
    return Reason(Outcome.UNKNOWN, f"its {name} failed: {phase.message}")


def _explain_skip(phase: Phase, attempts: int) -> Reason:
    if phase.when == "subtest":
        return Reason(
            Outcome.UNKNOWN, f"a subtest was skipped: {phase.message or 'no reason given'}"
        )
    if attempts > 1:
        text = f"skipped at attempt {attempts}, after it failed: {phase.message}"
        return Reason(Outcome.FAIL, text)
    if phase.message in _NO_REASON:
        return Reason(Outcome.UNKNOWN, "skipped without a reason")
    return Reason(Outcome.SKIP, phase.message)


def _explain_body(
    call: Phase, run: CheckRun, thresholds: Sequence[ThresholdResult]
) -> list[Reason]:
    """Return the reasons that thresholds, warnings and retries give."""
    expected = call.outcome in (PhaseOutcome.XFAILED, PhaseOutcome.XPASSED)
    crossed = [
        result for result in thresholds if result.outcome not in (Outcome.PASS, Outcome.SKIP)
    ]
    if call.outcome not in _SILENT:
        # A body that ended early did not measure everything; what it measured still counts.
        crossed = [result for result in crossed if result.observed is not None]
    reasons = [
        Reason(Outcome.WARN if expected else result.outcome, describe_limit(result))
        for result in crossed
    ]
    reasons += [Reason(Outcome.WARN, text) for text in run.warnings]
    if run.attempts > 1 and call.outcome is PhaseOutcome.PASSED:
        reasons.append(Reason(Outcome.WARN, f"passed at attempt {run.attempts}"))
    return reasons


def _explain_overrun(spec: CheckSpec, phases: Sequence[Phase]) -> list[Reason]:
    """Return a failure if a check outlived its timeout, for example because it caught the signal."""
    if spec.timeout is None:
        return []
    seconds = sum(phase.duration for phase in phases)
    explained = (PhaseOutcome.TIMEOUT, PhaseOutcome.FAILED, PhaseOutcome.UNAVAILABLE)
    if seconds <= spec.timeout:
        return []
    if any(phase.outcome in explained for phase in phases):
        return []
    limit = format_number(spec.timeout)
    text = f"took {format_number(seconds)} s, longer than its timeout of {limit} s"
    return [Reason(Outcome.FAIL, text)]


def _explain_missing_phases(phases: Sequence[Phase]) -> list[Reason]:
    """Return an unknown if a phase that had to come was never reported."""
    seen = {phase.when for phase in phases}
    if seen.issuperset(_PHASES) or any(phase.outcome is PhaseOutcome.LOST for phase in phases):
        return []
    ended_at_setup = any(
        phase.when == "setup" and phase.outcome is not PhaseOutcome.PASSED for phase in phases
    )
    needed = ("setup", "teardown") if ended_at_setup else _PHASES
    missing = [name for name in needed if name not in seen]
    if not missing:
        return []
    return [Reason(Outcome.UNKNOWN, f"it never reported its {' and '.join(missing)}")]


def _choose_worst(reasons: Sequence[Reason]) -> tuple[Outcome, str]:
    """Return the worst outcome, and every different sentence that explains it."""
    if not reasons:
        return Outcome.PASS, ""
    severity = max(reason.outcome.severity for reason in reasons)
    top = [reason for reason in reasons if reason.outcome.severity == severity]
    if severity == 0 and any(reason.outcome is Outcome.SKIP for reason in top):
        top = [reason for reason in top if reason.outcome is Outcome.SKIP]
    return top[0].outcome, "; ".join(
        dict.fromkeys(reason.message for reason in top if reason.message)
    )


def _apply_waiver(
    evaluated: tuple[Outcome, str], waiver: Waiver | None, today: datetime.date
) -> tuple[Outcome, str, bool]:
    """Return the outcome, its message and whether the waiver turned a failure into a warning."""
    outcome, message = evaluated
    if waiver is None or outcome in (Outcome.SKIP, Outcome.UNKNOWN, Outcome.WARN):
        return outcome, message, False
    if outcome is Outcome.PASS:
        unneeded = f"passes: its waiver until {waiver.until} ({waiver.reason}) is not needed"
        return outcome, unneeded, False
    if today > waiver.until:
        return outcome, f"{message} (its waiver ended on {waiver.until})", False
    return Outcome.WARN, f"{message} (waived until {waiver.until}: {waiver.reason})", True
