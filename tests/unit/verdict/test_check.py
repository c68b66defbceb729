"""How a check's phases, thresholds, warnings and attempts become its outcome."""

import datetime
from collections.abc import Mapping

import pytest

from pytest_flowhealth.verdict.check import (
    CheckResult,
    Declaration,
    Ending,
    Evidence,
    Phase,
    Waiver,
    judge_check,
    limit_text,
    unreported,
)
from pytest_flowhealth.verdict.measurement import measured
from pytest_flowhealth.verdict.status import Outcome
from pytest_flowhealth.verdict.threshold import Judged, declare, judge

DAY = datetime.date(2026, 6, 1)
PASSED = {"setup": Ending.PASSED, "call": Ending.PASSED, "teardown": Ending.PASSED}


def end(
    changes: Mapping[str, Ending | None] | None = None,
    *,
    seconds: float = 0.0,
    evidence: dict[str, object] | None = None,
    **declared: object,
) -> CheckResult:
    """Return how a check counts whose phases all passed but for `changes` (None: not reported)."""
    declaration = Declaration("app.it", "t.py::test_it", "app", "t.py:1", **declared)  # type: ignore[arg-type]
    phases = [
        Phase(when, ending, seconds, "" if ending is Ending.PASSED else "why")
        for when, ending in {**PASSED, **(changes or {})}.items()
        if ending is not None
    ]
    return judge_check(Evidence(declaration, **(evidence or {})), phases, DAY)  # type: ignore[arg-type]


def judged(value: float | None) -> tuple[Judged, ...]:
    """Return a threshold on `value`, warn=5 and fail=9; None was not measured."""
    series = None if value is None else measured("x", value, "ms")
    return (judge(declare("x", warn=5, fail=9, unit="ms"), series),)


@pytest.mark.parametrize(
    ("when", "ending", "outcome", "message"),
    [
        ("call", Ending.PASSED, Outcome.PASS, ""),
        ("call", Ending.FAILED, Outcome.FAIL, "why"),
        ("call", Ending.TIMEOUT, Outcome.FAIL, "why"),
        ("call", Ending.UNMEASURED, Outcome.UNKNOWN, "why"),
        ("call", Ending.SKIPPED, Outcome.SKIP, "why"),
        ("call", Ending.LOST, Outcome.UNKNOWN, "why"),
        ("call", Ending.XFAILED, Outcome.WARN, "why"),
        ("call", Ending.XPASSED, Outcome.PASS, "why"),
        ("setup", Ending.FAILED, Outcome.UNKNOWN, "its set-up failed: why"),
        ("setup", Ending.TIMEOUT, Outcome.FAIL, "why"),
        ("setup", Ending.SKIPPED, Outcome.SKIP, "why"),
        ("setup", Ending.BLOCKED, Outcome.SKIP, "blocked by app.base"),
        ("setup", Ending.XFAILED, Outcome.WARN, "why"),
        ("teardown", Ending.FAILED, Outcome.UNKNOWN, "its tear-down failed: why"),
        ("teardown", Ending.TIMEOUT, Outcome.FAIL, "why"),
        ("subtest", Ending.FAILED, Outcome.FAIL, "why"),
    ],
)
def test_the_ending_of_a_phase_gives_the_outcome(
    when: str, ending: Ending, outcome: Outcome, message: str
) -> None:
    body = {"call": None} if when == "setup" else {}

    result = end({**body, when: ending}, evidence={"blocked_by": "app.base"})

    assert (result.outcome, result.message) == (outcome, message)
    assert result.blocked_by == ("app.base" if ending is Ending.BLOCKED else None)


@pytest.mark.parametrize("missing", PASSED)
def test_a_phase_that_was_never_reported_is_unknown(missing: str) -> None:
    result = end({missing: None})

    assert (result.outcome, result.message) == (Outcome.UNKNOWN, f"it never reported its {missing}")


def test_a_check_that_was_never_reported_is_unknown() -> None:
    result = unreported(Declaration("app.it", "t.py::test_it", "app", "t.py:1"), "lost")

    assert (result.outcome, result.message) == (Outcome.UNKNOWN, "lost")


def test_the_worst_phase_counts_and_equal_ones_are_all_named() -> None:
    both = end({"call": Ending.UNMEASURED, "teardown": Ending.FAILED})

    assert end({"call": Ending.FAILED, "teardown": Ending.FAILED}).message == "why"
    assert (both.outcome, both.message) == (Outcome.UNKNOWN, "why; its tear-down failed: why")


@pytest.mark.parametrize(
    ("value", "ending", "outcome"),
    [
        (5, Ending.PASSED, Outcome.PASS),
        (6, Ending.PASSED, Outcome.WARN),
        (10, Ending.THRESHOLDS, Outcome.FAIL),
        (None, Ending.THRESHOLDS, Outcome.UNKNOWN),
        (10, Ending.SKIPPED, Outcome.FAIL),  # what was measured before a skip still counts
        (None, Ending.SKIPPED, Outcome.SKIP),
        (None, Ending.FAILED, Outcome.FAIL),  # a body that ended early did not measure all
        (10, Ending.XFAILED, Outcome.WARN),
        (10, Ending.XPASSED, Outcome.WARN),
    ],
)
def test_thresholds_count_beside_the_ending_of_the_body(
    value: float | None, ending: Ending, outcome: Outcome
) -> None:
    assert end({"call": ending}, evidence={"thresholds": judged(value)}).outcome is outcome


def test_a_limit_is_named_with_what_was_observed() -> None:
    assert [limit_text(one) for value in (6, 10, None) for one in judged(value)] == [
        "x 6 ms, warns above 5 ms",
        "x 10 ms, fails above 9 ms",
        "x was not measured",
    ]


def test_every_warning_is_a_reason() -> None:
    result = end(evidence={"warnings": ("first", "second", "first")})

    assert (result.outcome, result.message) == (Outcome.WARN, "first; second")


@pytest.mark.parametrize("reason", ["", "unconditional skip", "Skipped"])
def test_a_skip_without_a_reason_is_unknown(reason: str) -> None:
    declaration = Declaration("app.it", "t.py::test_it", "app", "t.py:1")
    phases = [Phase("setup", Ending.SKIPPED, 0.0, reason), Phase("teardown", Ending.PASSED)]

    result = judge_check(Evidence(declaration), phases, DAY)

    assert (result.outcome, result.message) == (Outcome.UNKNOWN, "skipped without a reason")


@pytest.mark.parametrize(
    ("ending", "outcome", "message"),
    [
        (Ending.PASSED, Outcome.WARN, "passed at attempt 3"),
        (Ending.FAILED, Outcome.FAIL, "why"),
        (Ending.SKIPPED, Outcome.FAIL, "skipped at attempt 3, after it failed: why"),
    ],
)
def test_a_later_attempt_is_never_a_pass(ending: Ending, outcome: Outcome, message: str) -> None:
    result = end({"call": ending}, evidence={"attempts": 3})

    assert (result.outcome, result.message, result.attempts) == (outcome, message, 3)


@pytest.mark.parametrize(
    ("seconds", "ending", "outcome"),
    [
        (0.3, Ending.PASSED, Outcome.PASS),
        (0.4, Ending.PASSED, Outcome.FAIL),
        (0.4, Ending.SKIPPED, Outcome.FAIL),
        (0.4, Ending.UNMEASURED, Outcome.UNKNOWN),
    ],
)
def test_a_check_that_outlives_its_timeout_fails_whatever_it_made_of_the_alarm(
    seconds: float, ending: Ending, outcome: Outcome
) -> None:
    assert end({"call": ending}, seconds=seconds, timeout=1).outcome is outcome


@pytest.mark.parametrize(
    ("ending", "until", "outcome", "message"),
    [
        (Ending.FAILED, "2026-06-02", Outcome.WARN, "why (waived until 2026-06-02: ticket 7)"),
        (Ending.FAILED, "2026-06-01", Outcome.WARN, "why (waived until 2026-06-01: ticket 7)"),
        (Ending.FAILED, "2026-05-31", Outcome.FAIL, "why (its waiver ended on 2026-05-31)"),
        (Ending.UNMEASURED, "2026-06-02", Outcome.UNKNOWN, "why"),
        (Ending.SKIPPED, "2026-06-02", Outcome.SKIP, "why"),
        (Ending.XFAILED, "2026-06-02", Outcome.WARN, "why"),
        (
            Ending.PASSED,
            "2026-06-02",
            Outcome.PASS,
            "passes: its waiver until 2026-06-02 (ticket 7) is not needed",
        ),
    ],
)
def test_a_waiver_covers_a_failure_up_to_and_including_its_day(
    ending: Ending, until: str, outcome: Outcome, message: str
) -> None:
    result = end({"call": ending}, waiver=Waiver(datetime.date.fromisoformat(until), "ticket 7"))

    assert (result.outcome, result.message) == (outcome, message)


@pytest.mark.parametrize(
    ("result", "holds"),
    [
        (end(), True),
        (end(evidence={"warnings": ("mind",)}), True),
        (end({"call": Ending.FAILED}), False),
        (end({"call": Ending.UNMEASURED}), False),
        (end({"call": Ending.SKIPPED}), False),
        (end({"call": Ending.XFAILED}), False),
        (end({"call": Ending.FAILED}, waiver=Waiver(DAY, "ticket 7")), False),
    ],
)
def test_only_what_passed_or_warns_of_itself_holds_for_others(
    result: CheckResult, holds: bool
) -> None:
    assert result.holds is holds


def test_the_remedy_of_the_run_takes_precedence_over_the_declared_one() -> None:
    assert end(remedy="declared").remedy == "declared"
    assert end(remedy="declared", evidence={"remedy": "found"}).remedy == "found"
