"""How a check's phases, thresholds, warnings and attempts become its outcome."""

import datetime
from collections.abc import Mapping

import pytest

from pytest_flowhealth.domain.checks import (
    CheckResult,
    CheckRun,
    CheckSpec,
    Phase,
    PhaseOutcome,
    Waiver,
    describe_limit,
    evaluate_check,
    make_unreported,
)
from pytest_flowhealth.domain.measurements import Series, make_series
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.thresholds import parse_threshold

DAY = datetime.date(2026, 6, 1)
PASSED = {
    "setup": PhaseOutcome.PASSED,
    "call": PhaseOutcome.PASSED,
    "teardown": PhaseOutcome.PASSED,
}


def end(
    changes: Mapping[str, PhaseOutcome | None] | None = None,
    *,
    seconds: float = 0.0,
    evidence: dict[str, object] | None = None,
    **declared: object,
) -> CheckResult:
    """Return how a check counts whose phases all passed but for `changes` (None: not reported)."""
    declaration = CheckSpec("app.it", "t.py::test_it", "app", "t.py:1", **declared)  # type: ignore[arg-type]
    phases = [
        Phase(when, ending, seconds, "" if ending is PhaseOutcome.PASSED else "why")
        for when, ending in {**PASSED, **(changes or {})}.items()
        if ending is not None
    ]
    return evaluate_check(declaration, CheckRun(phases=tuple(phases), **(evidence or {})), DAY)  # type: ignore[arg-type]


LIMIT = parse_threshold("x", warn=5, fail=9, unit="ms")


def series(value: float | None) -> tuple[Series, ...]:
    """Return the measurement `x`; nothing was measured for None."""
    return () if value is None else (make_series("x", value, "ms"),)


@pytest.mark.parametrize(
    ("when", "ending", "outcome", "message"),
    [
        ("call", PhaseOutcome.PASSED, Outcome.PASS, ""),
        ("call", PhaseOutcome.FAILED, Outcome.FAIL, "why"),
        ("call", PhaseOutcome.TIMEOUT, Outcome.FAIL, "why"),
        ("call", PhaseOutcome.UNAVAILABLE, Outcome.UNKNOWN, "why"),
        ("call", PhaseOutcome.SKIPPED, Outcome.SKIP, "why"),
        ("call", PhaseOutcome.LOST, Outcome.UNKNOWN, "why"),
        ("call", PhaseOutcome.XFAILED, Outcome.WARN, "why"),
        ("call", PhaseOutcome.XPASSED, Outcome.PASS, "why"),
        ("setup", PhaseOutcome.FAILED, Outcome.UNKNOWN, "its set-up failed: why"),
        ("setup", PhaseOutcome.TIMEOUT, Outcome.FAIL, "why"),
        ("setup", PhaseOutcome.SKIPPED, Outcome.SKIP, "why"),
        ("setup", PhaseOutcome.BLOCKED, Outcome.SKIP, "blocked by app.base"),
        ("setup", PhaseOutcome.XFAILED, Outcome.WARN, "why"),
        ("teardown", PhaseOutcome.FAILED, Outcome.UNKNOWN, "its tear-down failed: why"),
        ("teardown", PhaseOutcome.TIMEOUT, Outcome.FAIL, "why"),
        ("subtest", PhaseOutcome.FAILED, Outcome.FAIL, "why"),
    ],
)
def test_the_ending_of_a_phase_gives_the_outcome(
    when: str, ending: PhaseOutcome, outcome: Outcome, message: str
) -> None:
    body = {"call": None} if when == "setup" else {}

    result = end({**body, when: ending}, evidence={"blocked_by": "app.base"})

    assert (result.outcome, result.message) == (outcome, message)
    assert result.blocked_by == ("app.base" if ending is PhaseOutcome.BLOCKED else None)


@pytest.mark.parametrize("missing", PASSED)
def test_a_phase_that_was_never_reported_is_unknown(missing: str) -> None:
    result = end({missing: None})

    assert (result.outcome, result.message) == (Outcome.UNKNOWN, f"it never reported its {missing}")


def test_a_check_that_was_never_reported_is_unknown() -> None:
    result = make_unreported(CheckSpec("app.it", "t.py::test_it", "app", "t.py:1"), "lost")

    assert (result.outcome, result.message) == (Outcome.UNKNOWN, "lost")


def test_the_worst_phase_counts_and_equal_ones_are_all_named() -> None:
    both = end({"call": PhaseOutcome.UNAVAILABLE, "teardown": PhaseOutcome.FAILED})

    assert end({"call": PhaseOutcome.FAILED, "teardown": PhaseOutcome.FAILED}).message == "why"
    assert (both.outcome, both.message) == (Outcome.UNKNOWN, "why; its tear-down failed: why")


@pytest.mark.parametrize(
    ("value", "ending", "outcome"),
    [
        (5, PhaseOutcome.PASSED, Outcome.PASS),
        (6, PhaseOutcome.PASSED, Outcome.WARN),
        (10, PhaseOutcome.THRESHOLDS, Outcome.FAIL),
        (None, PhaseOutcome.THRESHOLDS, Outcome.UNKNOWN),
        (10, PhaseOutcome.SKIPPED, Outcome.FAIL),  # what was measured before a skip still counts
        (None, PhaseOutcome.SKIPPED, Outcome.SKIP),
        (None, PhaseOutcome.FAILED, Outcome.FAIL),  # a body that ended early did not measure all
        (10, PhaseOutcome.XFAILED, Outcome.WARN),
        (10, PhaseOutcome.XPASSED, Outcome.WARN),
    ],
)
def test_thresholds_count_beside_the_ending_of_the_body(
    value: float | None, ending: PhaseOutcome, outcome: Outcome
) -> None:
    assert (
        end({"call": ending}, evidence={"series": series(value)}, thresholds=(LIMIT,)).outcome
        is outcome
    )


def test_a_limit_is_named_with_what_was_observed() -> None:
    assert [
        describe_limit(one)
        for value in (6, 10, None)
        for one in end(evidence={"series": series(value)}, thresholds=(LIMIT,)).thresholds
    ] == [
        "x 6 ms, warns above 5 ms",
        "x 10 ms, fails above 9 ms",
        "x was not measured",
    ]


def test_every_warning_is_a_reason() -> None:
    result = end(evidence={"warnings": ("first", "second", "first")})

    assert (result.outcome, result.message) == (Outcome.WARN, "first; second")


@pytest.mark.parametrize("reason", ["", "unconditional skip", "Skipped"])
def test_a_skip_without_a_reason_is_unknown(reason: str) -> None:
    declaration = CheckSpec("app.it", "t.py::test_it", "app", "t.py:1")
    phases = [
        Phase("setup", PhaseOutcome.SKIPPED, 0.0, reason),
        Phase("teardown", PhaseOutcome.PASSED),
    ]

    result = evaluate_check(declaration, CheckRun(phases=tuple(phases)), DAY)

    assert (result.outcome, result.message) == (Outcome.UNKNOWN, "skipped without a reason")


@pytest.mark.parametrize(
    ("ending", "outcome", "message"),
    [
        (PhaseOutcome.PASSED, Outcome.WARN, "passed at attempt 3"),
        (PhaseOutcome.FAILED, Outcome.FAIL, "why"),
        (PhaseOutcome.SKIPPED, Outcome.FAIL, "skipped at attempt 3, after it failed: why"),
    ],
)
def test_a_later_attempt_is_never_a_pass(
    ending: PhaseOutcome, outcome: Outcome, message: str
) -> None:
    result = end({"call": ending}, evidence={"attempts": 3})

    assert (result.outcome, result.message, result.attempts) == (outcome, message, 3)


@pytest.mark.parametrize(
    ("seconds", "ending", "outcome"),
    [
        (0.3, PhaseOutcome.PASSED, Outcome.PASS),
        (0.4, PhaseOutcome.PASSED, Outcome.FAIL),
        (0.4, PhaseOutcome.SKIPPED, Outcome.FAIL),
        (0.4, PhaseOutcome.UNAVAILABLE, Outcome.UNKNOWN),
    ],
)
def test_a_check_that_outlives_its_timeout_fails_whatever_it_made_of_the_alarm(
    seconds: float, ending: PhaseOutcome, outcome: Outcome
) -> None:
    assert end({"call": ending}, seconds=seconds, timeout=1).outcome is outcome


@pytest.mark.parametrize(
    ("ending", "until", "outcome", "message"),
    [
        (
            PhaseOutcome.FAILED,
            "2026-06-02",
            Outcome.WARN,
            "why (waived until 2026-06-02: ticket 7)",
        ),
        (
            PhaseOutcome.FAILED,
            "2026-06-01",
            Outcome.WARN,
            "why (waived until 2026-06-01: ticket 7)",
        ),
        (PhaseOutcome.FAILED, "2026-05-31", Outcome.FAIL, "why (its waiver ended on 2026-05-31)"),
        (PhaseOutcome.UNAVAILABLE, "2026-06-02", Outcome.UNKNOWN, "why"),
        (PhaseOutcome.SKIPPED, "2026-06-02", Outcome.SKIP, "why"),
        (PhaseOutcome.XFAILED, "2026-06-02", Outcome.WARN, "why"),
        (
            PhaseOutcome.PASSED,
            "2026-06-02",
            Outcome.PASS,
            "passes: its waiver until 2026-06-02 (ticket 7) is not needed",
        ),
    ],
)
def test_a_waiver_covers_a_failure_up_to_and_including_its_day(
    ending: PhaseOutcome, until: str, outcome: Outcome, message: str
) -> None:
    result = end({"call": ending}, waiver=Waiver(datetime.date.fromisoformat(until), "ticket 7"))

    assert (result.outcome, result.message) == (outcome, message)


@pytest.mark.parametrize(
    ("result", "holds"),
    [
        (end(), True),
        (end(evidence={"warnings": ("mind",)}), True),
        (end({"call": PhaseOutcome.FAILED}), False),
        (end({"call": PhaseOutcome.UNAVAILABLE}), False),
        (end({"call": PhaseOutcome.SKIPPED}), False),
        (end({"call": PhaseOutcome.XFAILED}), False),
        (end({"call": PhaseOutcome.FAILED}, waiver=Waiver(DAY, "ticket 7")), False),
    ],
)
def test_only_what_passed_or_warns_of_itself_holds_for_others(
    result: CheckResult, holds: bool
) -> None:
    assert result.is_satisfied is holds


def test_the_remedy_of_the_run_takes_precedence_over_the_declared_one() -> None:
    assert end(remedy="declared").remedy == "declared"
    assert end(remedy="declared", evidence={"remedy": "found"}).remedy == "found"
