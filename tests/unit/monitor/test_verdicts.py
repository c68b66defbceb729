"""The monitor's verdict, from rounds of some components each."""

from collections.abc import Collection, Sequence

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.monitor.verdicts import Verdicts
from tests.kit.alerts import START
from tests.kit.records import check, health

FAILS = check("package.tree", Outcome.FAIL)
MANIFEST = check("package.manifest", Outcome.PASS)
BUILD = check("build.artifacts", Outcome.PASS, requires=("package.manifest",))
REDIS = check("redis.connect", Outcome.PASS)


def taken(
    known: Verdicts,
    looked: Collection[str] | None,
    *checks: CheckResult,
    problems: Sequence[str] = (),
) -> Status | None:
    """Return the status after a round that looked at some components, or (None) at all."""
    known.take(health(*checks), problems, START, looked)
    return known.status


def test_component_keeps_its_status_when_only_a_requirement_was_checked() -> None:
    known = Verdicts()
    assert taken(known, None, MANIFEST, FAILS, BUILD) is Status.UNHEALTHY

    assert taken(known, {"build"}, MANIFEST, BUILD) is Status.UNHEALTHY
    assert {one.id for one in known.whole.checks} == {  # type: ignore[union-attr]
        "package.manifest",
        "package.tree",
        "build.artifacts",
    }

    fixed = check("package.tree", Outcome.PASS)
    assert taken(known, {"package"}, MANIFEST, fixed) is Status.HEALTHY


def test_failing_requirement_counts_at_once() -> None:
    known = Verdicts()
    taken(known, None, MANIFEST, check("package.tree", Outcome.PASS), BUILD)

    broken = check("package.manifest", Outcome.FAIL)
    blocked = check("build.artifacts", Outcome.SKIP, blocked_by="package.manifest")

    assert taken(known, {"build"}, broken, blocked) is Status.UNHEALTHY


def test_check_that_no_longer_applies_does_not_count() -> None:
    known = Verdicts()
    taken(known, None, MANIFEST, check("redis.connect", Outcome.FAIL))

    assert taken(known, {"redis"}, check("redis.connect", Outcome.SKIP)) is Status.HEALTHY


def test_removed_component_does_not_count_unless_the_round_broke_down() -> None:
    known = Verdicts()
    taken(known, None, MANIFEST, check("redis.connect", Outcome.FAIL))

    assert taken(known, None, MANIFEST, problems=("it was killed",)) is Status.UNHEALTHY
    assert taken(known, None, MANIFEST) is Status.HEALTHY


def test_component_whose_checks_are_lost_is_unknown() -> None:
    known = Verdicts()
    assert taken(known, None, MANIFEST, BUILD, REDIS) is Status.HEALTHY

    assert taken(known, {"redis"}, MANIFEST) is Status.UNKNOWN
    assert taken(known, {"build"}, BUILD) is Status.UNKNOWN
    assert taken(known, {"redis", "build"}, BUILD, REDIS) is Status.HEALTHY


def test_verdict_worse_than_its_checks_stays_until_every_component_was_checked_again() -> None:
    known = Verdicts()
    doubtful = msgspec.structs.replace(
        health(MANIFEST, BUILD), status=Status.UNKNOWN, reasons=("?",)
    )
    known.take(doubtful, (), START, None)
    assert known.status is Status.UNKNOWN
    assert known.whole.status is Status.UNKNOWN  # type: ignore[union-attr]

    assert taken(known, {"build"}, BUILD) is Status.UNKNOWN
    assert taken(known, {"package"}, MANIFEST) is Status.HEALTHY


def test_broken_round_stays_unknown_until_its_components_were_checked_again() -> None:
    known = Verdicts()
    taken(known, None, MANIFEST, BUILD, REDIS)
    known.take(None, ("it was killed",), START, {"redis"})
    assert known.status is Status.UNKNOWN

    assert taken(known, {"build"}, BUILD) is Status.UNKNOWN
    assert known.whole is not None
    assert (known.whole.exit_code, known.whole.reasons) == (3, ("it was killed",))
    known.take(None, ("it was killed again",), START, {"redis"})
    assert known.doubts == ("it was killed again",)
    assert taken(known, {"redis"}, REDIS) is Status.HEALTHY
    assert known.whole.reasons == ()


def test_component_not_checked_for_three_intervals_is_unknown() -> None:
    known, found = Verdicts(), list[Status | None]()
    known.take(health(MANIFEST, BUILD), (), START, None, 100.0)
    known.age(130.0, {"package": 60.0, "build": 60.0})
    found.append(known.status)

    known.age(161.0, {"package": 60.0, "build": 90.0})
    found.append(known.status)
    assert known.doubts == ("no round has looked at package for three intervals",)
    known.take(health(MANIFEST), (), START, {"package"}, 162.0)
    known.age(162.0, {"package": 60.0, "build": 90.0})
    found.append(known.status)
    assert found == [Status.HEALTHY, Status.UNKNOWN, Status.HEALTHY]
