"""One check while it runs: what its present attempt has measured, warned of and raised."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pytest_flowhealth.domain.checks import CheckRun, CheckSpec, Phase, PhaseOutcome
from pytest_flowhealth.domain.measurements import Series
from pytest_flowhealth.domain.thresholds import ThresholdResult
from pytest_flowhealth.plugin.reporting.messages import safe_repr, summarize


class Attempt(msgspec.Struct):
    """What one attempt left behind.

    Attributes:
        outcomes: How a phase ended, where the plugin knows more than pytest's report tells.
        body_started: Whether the test function was entered; None if nothing watches it.
        raised: What the test function raised, whatever hooks make of it.
        waived: Whether a failure was turned into an expected one because of a waiver.
        subtests: How many subtests reported.
    """

    series: dict[str, Series] = {}
    warnings: list[str] = []
    details: dict[str, Any] = {}
    remedy: str | None = None
    error_remedy: str | None = None
    blocked_by: str | None = None
    depends: list[str] = []
    phases: list[Phase] = []
    outcomes: dict[str, tuple[PhaseOutcome, str]] = {}
    doubts: list[str] = []
    thresholds: tuple[ThresholdResult, ...] | None = None
    body_started: bool | None = None
    raised: BaseException | None = None
    waived: bool = False
    calls: int = 0
    subtests: int = 0


class RunningCheck:
    """A check and its present attempt.

    Whoever runs the check again (this plugin's --health-retry, pytest-rerunfailures, flaky) makes
    a new attempt: a second set-up or a second call of the same item is one.

    Args:
        spec: What it declares.
        body: Its test function, as pytest collected it.
    """

    __slots__ = ("attempt", "attempts", "code", "earlier", "spec")

    def __init__(self, spec: CheckSpec, body: object = None) -> None:
        self.spec = spec
        self.code = getattr(body, "__code__", None)
        self.attempt = Attempt()
        self.attempts = 1
        self.earlier: list[str] = []

    def begin_setup(self) -> None:
        """Begin a set-up; what an earlier attempt left is dropped."""
        if self.attempt.outcomes or self.attempt.phases:
            self.start_attempt()

    def begin_call(self) -> None:
        """Begin a call; a second one after the same set-up is another attempt."""
        if self.attempt.calls:
            self.start_attempt()
        self.attempt.calls += 1

    def start_attempt(self) -> None:
        """Start another attempt, and keep how the last one ended.

        Its set-up, if it passed, counts until another one is reported.
        """
        setup = [phase for phase in self.attempt.phases if phase.when == "setup"]
        messages = [message for _, message in self.attempt.outcomes.values() if message]
        messages += [phase.message for phase in self.attempt.phases if phase.message]
        if self.attempt.raised is not None:
            messages.append(summarize(self.attempt.raised))
        self.earlier += messages[:1]
        self.attempts += 1
        self.attempt = Attempt()
        self.attempt.phases += [phase for phase in setup if phase.outcome is PhaseOutcome.PASSED]

    def note_outcome(
        self,
        when: str,
        outcome: PhaseOutcome,
        message: str,
        remedy: str | None = None,
        diagnosis: str | None = None,
    ) -> None:
        """Note how the phase `when` ended, where pytest's report can't tell it."""
        self.attempt.outcomes[when] = (outcome, message)
        self.attempt.error_remedy = remedy or self.attempt.error_remedy
        if diagnosis:
            self.attempt.details["diagnosis"] = diagnosis

    def to_run(self) -> CheckRun:
        """Return what the last attempt left."""
        attempt = self.attempt
        details = attempt.details
        if self.earlier:
            details = details | {"earlier_attempts": self.earlier}
        return CheckRun(
            phases=tuple(attempt.phases),
            series=tuple(attempt.series.values()),
            warnings=tuple(attempt.warnings),
            remedy=attempt.error_remedy or attempt.remedy,
            details=make_serialisable(details) if details else {},
            attempts=self.attempts,
            blocked_by=attempt.blocked_by,
            depends=tuple(attempt.depends),
            doubts=tuple(attempt.doubts),
            thresholds=attempt.thresholds,
        )


RUNNING: pytest.StashKey[RunningCheck] = pytest.StashKey()
"""Where a check is kept on its pytest item; ordinary tests have none."""


def make_serialisable(details: dict[str, Any]) -> dict[str, Any]:
    """Return `details` with only what JSON can hold; other objects become their text."""
    try:
        plain: dict[str, Any] = msgspec.to_builtins(details, str_keys=True, enc_hook=str)
        msgspec.json.encode(plain)
    except Exception:  # noqa: BLE001  # an object's own __str__ may raise anything
        return {str(key): safe_repr(value) for key, value in details.items()}
    return plain
