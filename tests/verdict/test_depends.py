"""A failure that follows from another check's is laid to it, and never hides anything."""

import pytest

from pytest_flowhealth.verdict.status import Outcome, Status
from pytest_flowhealth.verdict.verdict import judge_run
from tests.kit.records import check

FOLLOWS = {"depends": ("redis.connect",)}


def test_it_is_laid_to_its_cause() -> None:
    verdict = judge_run(
        [
            check("redis.connect", Outcome.FAIL),
            check("fleet.source", Outcome.FAIL, **FOLLOWS),
            check("fleet.queue", Outcome.SKIP, blocked_by="fleet.source"),
        ],
        [],
    )

    assert verdict.status is Status.UNHEALTHY
    assert len(verdict.reasons) == 1
    assert {one.id: one.blocked_by for one in verdict.checks} == {
        "redis.connect": None,
        "fleet.source": "redis.connect",
        "fleet.queue": "redis.connect",
    }


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.WARN, Outcome.SKIP])
def test_not_where_the_other_one_did_not_fail(outcome: Outcome) -> None:
    verdict = judge_run(
        [check("redis.connect", outcome), check("fleet.source", Outcome.FAIL, **FOLLOWS)], []
    )

    assert verdict.status is Status.UNHEALTHY
    assert verdict.components["fleet"].status is Status.UNHEALTHY


def test_not_where_the_other_one_is_less_grave() -> None:
    verdict = judge_run(
        [
            check("redis.connect", Outcome.FAIL, critical=False),
            check("fleet.source", Outcome.FAIL, **FOLLOWS),
        ],
        [],
    )

    assert verdict.status is Status.UNHEALTHY


def test_not_where_the_other_one_is_not_there() -> None:
    verdict = judge_run([check("fleet.source", Outcome.FAIL, **FOLLOWS)], [])

    assert verdict.status is Status.UNHEALTHY


def test_two_that_depend_on_each_other_both_count() -> None:
    verdict = judge_run(
        [
            check("a.x", Outcome.FAIL, depends=("b.y",)),
            check("b.y", Outcome.FAIL, depends=("a.x",)),
        ],
        [],
    )

    assert verdict.status is Status.UNHEALTHY
