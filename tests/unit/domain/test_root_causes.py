"""The verdict on a run: exit codes, reasons, and failures that are attributed to their cause."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.domain.checks import CheckResult, PhaseOutcome
from pytest_flowhealth.domain.root_causes import (
    RunProblem,
    Verdict,
    attribute_root_causes,
    derive_verdict,
)
from pytest_flowhealth.domain.status import Outcome, Status
from tests.kit.reports import judged

FAILED, UNMEASURED, SKIPPED = PhaseOutcome.FAILED, PhaseOutcome.UNAVAILABLE, PhaseOutcome.SKIPPED
PASSES = judged("app.passes")
WARNS = judged("app.warns", evidence={"warnings": ("mind",)})
FAILS = judged("app.fails", ending=FAILED, message="down")
UNKNOWN = judged("app.unknown", ending=UNMEASURED, message="cannot look")
SKIPS = judged("app.skips", ending=SKIPPED, message="not here")
LOST = RunProblem("worker gw1 was lost")


def judge(checks: Sequence[CheckResult], problems: Sequence[RunProblem]) -> Verdict:
    return derive_verdict(attribute_root_causes(checks), problems)


@pytest.mark.parametrize(
    ("checks", "problems", "status", "exit_code"),
    [
        ([PASSES], [], "healthy", 0),
        ([PASSES, SKIPS], [], "healthy", 0),
        ([PASSES, WARNS], [], "degraded", 1),
        ([PASSES, WARNS, UNKNOWN], [], "unknown", 3),
        ([PASSES, WARNS, UNKNOWN, FAILS], [], "unhealthy", 2),
        ([judged("app.it", ending=FAILED, critical=False)], [], "degraded", 1),
        ([judged("app.it", ending=UNMEASURED, critical=False)], [], "degraded", 1),
        ([PASSES], [LOST], "unknown", 3),
        ([WARNS], [LOST], "unknown", 3),
        ([FAILS], [LOST], "unhealthy", 2),
        ([PASSES], [RunProblem("test_plain failed", Status.UNHEALTHY)], "unhealthy", 2),
        ([], [], "unknown", 3),
        ([SKIPS], [], "unknown", 3),
    ],
)
def test_a_run_has_the_status_of_its_worst_check_and_problem(
    checks: list[CheckResult], problems: list[RunProblem], status: str, exit_code: int
) -> None:
    verdict = judge(checks, problems)

    assert (verdict.status.value, verdict.status.exit_code) == (status, exit_code)
    assert bool(verdict.reasons) is (exit_code != 0)


@given(st.lists(st.sampled_from(["warns", "fails", "unknown"])))
def test_another_check_that_is_not_well_never_improves_the_verdict(names: list[str]) -> None:
    ill = {"warns": WARNS, "fails": FAILS, "unknown": UNKNOWN}
    checks = [PASSES, *(ill[name] for name in names)]
    severities = [judge(checks[:end], []).status.severity for end in range(1, len(checks) + 1)]

    assert severities == sorted(severities)


def test_a_run_in_which_nothing_ran_says_so() -> None:
    assert judge([], []).reasons == ("no check was run",)
    assert judge([SKIPS], []).reasons == ("every check was skipped",)


def test_components_and_outcomes_are_counted() -> None:
    other = judged("other.skips", ending=SKIPPED, message="not here")
    verdict = judge([PASSES, WARNS, SKIPS, other], [])

    assert verdict.components["app"].status is Status.DEGRADED
    assert verdict.components["app"].checks == ("app.passes", "app.warns", "app.skips")
    assert verdict.components["other"].status is None
    assert [verdict.counts[outcome] for outcome in Outcome] == [1, 1, 0, 0, 2]


def test_reasons_name_the_worst_first_and_then_what_blocks_the_most() -> None:
    base = judged("base.it", ending=FAILED, message="down")
    blocked = judged("app.it", ending=PhaseOutcome.BLOCKED, evidence={"blocked_by": "base.it"})

    assert judge([WARNS, FAILS, base, blocked, UNKNOWN], [LOST]).reasons == (
        "base.it: down",
        "app.fails: down",
        "app.unknown: cannot look",
        "worker gw1 was lost",
        "app.warns: mind",
    )


BASE = judged("redis.connect", ending=FAILED, message="no answer")


def test_a_failure_that_ran_on_another_worker_is_attributed_to_its_root_cause() -> None:
    verdict = judge(
        [
            BASE,
            judged("redis.ping", ending=FAILED, message="x", requires=("redis.connect",)),
            judged("fleet.queue", ending=FAILED, message="late", requires=("redis.ping",)),
        ],
        [],
    )

    assert verdict.reasons == ("redis.connect: no answer",)
    assert [check.blocked_by for check in verdict.checks] == [None, *["redis.connect"] * 2]
    assert verdict.checks[2].message == "blocked by redis.connect; late"


@pytest.mark.parametrize(
    "requirement",
    [
        judged("app.base", ending=FAILED),
        judged("app.base", ending=FAILED, critical=False),
        judged("app.base", ending=UNMEASURED),
        judged("app.base", ending=SKIPPED, message="not here"),
        judged("app.base", ending=PhaseOutcome.XFAILED, message="known"),
    ],
    ids=["failed", "failed, not critical", "unknown", "skipped", "expected to fail"],
)
@pytest.mark.parametrize(
    "follower",
    [
        {},
        {"evidence": {"warnings": ("mind",)}},
        {"ending": FAILED, "message": "late"},
        {"ending": UNMEASURED, "message": "late"},
        {"ending": SKIPPED, "message": "late"},
    ],
    ids=["passed", "warned", "failed", "unknown", "skipped"],
)
def test_a_check_that_ran_without_its_requirement_is_blocked_however_it_ended(
    requirement: CheckResult, follower: dict[str, Any]
) -> None:
    last = judged("app.last", requires=("app.follows",))
    follows = judged("app.follows", requires=("app.base",), **follower)

    checks = judge([last, follows, requirement], []).checks

    assert [check.outcome for check in checks] == [Outcome.SKIP, Outcome.SKIP, requirement.outcome]
    assert [check.blocked_by for check in checks] == ["app.base", "app.base", None]
    assert judge([last, follows, requirement], []).status is judge([requirement], []).status


def test_of_two_failures_that_name_each_other_one_remains() -> None:
    base = judged("app.base", ending=FAILED, evidence={"depends": ("app.follows",)})
    follows = judged("app.follows", ending=FAILED, requires=("app.base",))

    verdict = judge([follows, base], [])

    assert verdict.status is Status.UNHEALTHY
    assert [check.blocked_by for check in verdict.checks] == [None, "app.follows"]


def test_a_check_that_is_blocked_by_one_that_holds_is_unknown() -> None:
    blocked = judged("app.it", ending=PhaseOutcome.BLOCKED, evidence={"blocked_by": "app.passes"})

    (check, _) = judge([blocked, PASSES], []).checks

    assert check.outcome is Outcome.UNKNOWN
    assert check.message == "blocked by app.passes, which does not count"


def follower(check_id: str, cause: str, **more: object) -> CheckResult:
    """Return a failed check that says itself that it follows from `cause`."""
    return judged(check_id, ending=FAILED, evidence={"depends": (cause,)}, **more)  # type: ignore[arg-type]


def test_a_failure_is_attributed_to_the_failed_check_that_it_depends_on() -> None:
    queue = judged(
        "fleet.queue", ending=PhaseOutcome.BLOCKED, evidence={"blocked_by": "fleet.source"}
    )

    verdict = judge([BASE, follower("fleet.source", "redis.connect"), queue], [])

    assert verdict.status is Status.UNHEALTHY
    assert verdict.reasons == ("redis.connect: no answer",)
    assert [check.blocked_by for check in verdict.checks] == [None, *["redis.connect"] * 2]


@pytest.mark.parametrize(
    "others",
    [
        (),
        (judged("redis.connect"),),
        (judged("redis.connect", evidence={"warnings": ("mind",)}),),
        (judged("redis.connect", ending=SKIPPED, message="not here"),),
        (judged("redis.connect", ending=FAILED, critical=False),),  # it is less grave
        (follower("redis.connect", "fleet.source"),),  # each says that it follows from the other
    ],
)
def test_a_run_stays_unhealthy_where_nothing_as_grave_explains_a_failure(
    others: tuple[CheckResult, ...],
) -> None:
    verdict = judge([*others, follower("fleet.source", "redis.connect")], [])

    assert verdict.status is Status.UNHEALTHY
