"""The state of all components, derived from rounds of some components each."""

import datetime
from collections.abc import Collection, Sequence

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.status import Outcome, Status, worst
from pytest_flowhealth.monitor.status_board import StatusBoard
from tests.kit.alerts import START
from tests.kit.records import check, health

FAILS = check("package.tree", Outcome.FAIL)
MANIFEST = check("package.manifest", Outcome.PASS)
BUILD = check("build.artifacts", Outcome.PASS, requires=("package.manifest",))
REDIS = check("redis.connect", Outcome.PASS)


def taken(
    known: StatusBoard,
    requested: Collection[str] | None,
    *checks: CheckResult,
    problems: Sequence[str] = (),
) -> Status | None:
    """Return the status after a round that looked at some components, or (None) at all."""
    known.add_round(health(*checks), problems, START, requested)
    return known.state.status


def tiles(known: StatusBoard) -> dict[str, Status | None]:
    """Return the status of each component."""
    return {name: one.status for name, one in known.state.components.items()}


def test_component_keeps_its_status_when_only_a_requirement_was_checked() -> None:
    known = StatusBoard()
    assert taken(known, None, MANIFEST, FAILS, BUILD) is Status.UNHEALTHY

    assert taken(known, {"build"}, MANIFEST, BUILD) is Status.UNHEALTHY
    assert {one.id for one in known.state.report.checks} == {  # type: ignore[union-attr]
        "package.manifest",
        "package.tree",
        "build.artifacts",
    }

    fixed = check("package.tree", Outcome.PASS)
    assert taken(known, {"package"}, MANIFEST, fixed) is Status.HEALTHY


def test_failing_requirement_counts_at_once() -> None:
    known = StatusBoard()
    taken(known, None, MANIFEST, check("package.tree", Outcome.PASS), BUILD)

    broken = check("package.manifest", Outcome.FAIL)
    blocked = check("build.artifacts", Outcome.SKIP, blocked_by="package.manifest")

    assert taken(known, {"build"}, broken, blocked) is Status.UNHEALTHY


def test_check_that_no_longer_applies_does_not_count() -> None:
    known = StatusBoard()
    taken(known, None, MANIFEST, check("redis.connect", Outcome.FAIL))

    assert taken(known, {"redis"}, check("redis.connect", Outcome.SKIP)) is Status.HEALTHY


def test_removed_component_does_not_count_unless_the_round_broke_down() -> None:
    known = StatusBoard()
    taken(known, None, MANIFEST, check("redis.connect", Outcome.FAIL))

    assert taken(known, None, MANIFEST, problems=("it was killed",)) is Status.UNHEALTHY
    assert taken(known, None, MANIFEST) is Status.HEALTHY


def test_component_whose_checks_are_lost_is_unknown() -> None:
    known = StatusBoard()
    assert taken(known, None, MANIFEST, BUILD, REDIS) is Status.HEALTHY

    assert taken(known, {"redis"}, MANIFEST) is Status.UNKNOWN
    assert taken(known, {"build"}, BUILD) is Status.UNKNOWN
    assert taken(known, {"redis", "build"}, BUILD, REDIS) is Status.HEALTHY


def test_verdict_worse_than_its_checks_stays_until_every_component_was_checked_again() -> None:
    known = StatusBoard()
    doubtful = msgspec.structs.replace(
        health(MANIFEST, BUILD), status=Status.UNKNOWN, reasons=("?",)
    )
    known.add_round(doubtful, (), START, None)
    assert known.state.status is Status.UNKNOWN
    assert known.state.report.status is Status.UNKNOWN  # type: ignore[union-attr]

    assert taken(known, {"build"}, BUILD) is Status.UNKNOWN
    assert taken(known, {"package"}, MANIFEST) is Status.HEALTHY


def test_broken_round_stays_unknown_until_its_components_were_checked_again() -> None:
    known = StatusBoard()
    taken(known, None, MANIFEST, BUILD, REDIS)
    known.add_round(None, ("it was killed",), START, {"redis"})
    assert known.state.status is Status.UNKNOWN

    assert taken(known, {"build"}, BUILD) is Status.UNKNOWN
    assert known.state.report is not None
    assert (known.state.report.exit_code, known.state.report.reasons) == (3, ("it was killed",))
    known.add_round(None, ("it was killed again",), START, {"redis"})
    assert known.state.problems == ("it was killed again",)
    assert taken(known, {"redis"}, REDIS) is Status.HEALTHY
    assert known.state.report.reasons == ()


def test_component_not_checked_for_three_intervals_is_unknown() -> None:
    known, found = StatusBoard(), list[Status | None]()
    known.add_round(health(MANIFEST, BUILD), (), START, None, 100.0)
    known.expire(130.0, START, {"package": 60.0, "build": 60.0}, stuck=False)
    found.append(known.state.status)

    known.expire(161.0, START, {"package": 60.0, "build": 90.0}, stuck=False)
    found.append(known.state.status)
    assert known.state.problems == ("package: not checked for three intervals",)
    assert tiles(known) == {"package": Status.UNKNOWN, "build": Status.HEALTHY}
    (expired,) = known.state.components["package"].checks
    assert (expired.outcome, expired.measurements) == (Outcome.UNKNOWN, ())
    known.add_round(health(MANIFEST), (), START, {"package"}, 162.0)
    known.expire(162.0, START, {"package": 60.0, "build": 90.0}, stuck=False)
    found.append(known.state.status)
    assert found == [Status.HEALTHY, Status.UNKNOWN, Status.HEALTHY]


def test_component_counts_as_soon_as_it_was_checked_again() -> None:
    known = StatusBoard()
    known.add_round(health(MANIFEST), (), START, None, 100.0)
    known.expire(161.0, START, {"package": 60.0}, stuck=False)

    known.add_partial([FAILS], START, 162.0)
    assert tiles(known) == {"package": Status.UNHEALTHY}
    known.expire(300.0, START, {"package": 60.0}, stuck=False)
    assert tiles(known) == {"package": Status.UNKNOWN}
    assert taken(known, {"package"}, MANIFEST) is Status.HEALTHY


def test_failing_component_not_checked_for_three_intervals_is_unknown_too() -> None:
    known = StatusBoard()
    taken(known, None, FAILS)

    known.expire(61.0, START, {"package": 60.0}, stuck=False)

    assert known.state.status is Status.UNKNOWN
    assert tiles(known) == {"package": Status.UNKNOWN}
    assert known.state.reasons == ("package: not checked for three intervals",)


def test_monitor_whose_rounds_no_longer_end_knows_nothing() -> None:
    known = StatusBoard()
    taken(known, None, MANIFEST, REDIS)

    known.expire(1.0, START, {}, stuck=True)

    assert known.state.status is Status.UNKNOWN
    assert [*tiles(known).values()] == [Status.UNKNOWN] * 2
    known.expire(2.0, START, {}, stuck=False)
    assert [*tiles(known).values()] == [Status.HEALTHY] * 2


QUEUE = check("fleet.queue", Outcome.PASS, requires=("redis.connect",))
BLOCKED = check(
    "fleet.queue", Outcome.SKIP, requires=("redis.connect",), blocked_by="redis.connect"
)
DOWN = check("redis.connect", Outcome.FAIL)


def test_blocked_component_is_unknown_and_waiting_when_its_root_cause_passes_again() -> None:
    known = StatusBoard()
    taken(known, None, DOWN, BLOCKED)
    assert tiles(known) == {"redis": Status.UNHEALTHY, "fleet": None}
    assert known.state.waiting == frozenset()

    assert taken(known, {"redis"}, REDIS) is Status.UNKNOWN
    assert tiles(known) == {"redis": Status.HEALTHY, "fleet": Status.UNKNOWN}
    assert known.state.waiting == {"fleet"}
    assert known.state.report is not None
    assert known.state.report.exit_code == 3

    failed = check("fleet.queue", Outcome.FAIL, requires=("redis.connect",))
    assert taken(known, {"fleet"}, REDIS, failed) is Status.UNHEALTHY
    assert known.state.waiting == frozenset()


def test_two_components_blocked_by_a_third_are_each_waiting_until_they_were_checked() -> None:
    known = StatusBoard()
    live = check("dashboard.live", Outcome.SKIP, requires=("redis.connect",))
    blocked = msgspec.structs.replace(live, blocked_by="redis.connect")
    taken(known, None, DOWN, BLOCKED, blocked)

    assert taken(known, {"redis"}, REDIS) is Status.UNKNOWN
    assert known.state.waiting == {"fleet", "dashboard"}
    assert taken(known, {"fleet"}, REDIS, QUEUE) is Status.UNKNOWN
    assert known.state.waiting == {"dashboard"}

    passes = msgspec.structs.replace(live, outcome=Outcome.PASS)
    assert taken(known, {"dashboard"}, REDIS, passes) is Status.HEALTHY


def test_check_whose_blocker_passes_stays_blocked_by_another_failed_requirement() -> None:
    known = StatusBoard()
    both = ("redis.connect", "build.artifacts")
    blocked = check("fleet.queue", Outcome.SKIP, requires=both, blocked_by="redis.connect")
    taken(known, None, DOWN, check("build.artifacts", Outcome.FAIL), blocked)

    assert taken(known, {"redis"}, REDIS) is Status.UNHEALTHY

    (queue,) = known.state.components["fleet"].checks
    assert (queue.outcome, queue.blocked_by) == (Outcome.SKIP, "build.artifacts")
    assert known.state.waiting == frozenset()


def test_status_is_the_worst_component_at_every_step_of_an_outage() -> None:
    known, found = StatusBoard(), []

    def note() -> None:
        state = known.state
        known_tiles = [one for one in tiles(known).values() if one is not None]
        assert state.status is worst(known_tiles)
        assert (state.status is Status.HEALTHY) is (state.reasons == ())
        found.append(state.status)

    known.add_partial([REDIS], START)
    assert known.state.status is Status.UNKNOWN
    taken(known, None, REDIS, QUEUE)
    note()
    known.add_partial([DOWN], START)
    note()
    taken(known, {"redis"}, DOWN)
    note()
    known.add_partial([REDIS], START)
    note()
    taken(known, {"redis"}, REDIS)
    note()
    unhealthy = Status.UNHEALTHY
    assert found == [Status.HEALTHY, unhealthy, unhealthy, unhealthy, Status.HEALTHY]


def test_since_is_when_the_status_began_and_survives_restarts() -> None:
    later, last = (START + datetime.timedelta(seconds=number) for number in (60, 120))
    known = StatusBoard()
    known.add_round(health(REDIS), (), START)
    known.add_round(health(DOWN), (), later)
    known.add_round(health(DOWN), (), last)

    state = known.state
    assert (state.since, state.components["redis"].since) == (later, later)
    assert state.since_by_check["redis.connect"] == later
    assert (state.components["redis"].cause, state.components["redis"].message) == (
        "redis.connect",
        "redis.connect is fail",
    )
    again = StatusBoard({"redis.connect": later})
    again.add_round(health(DOWN), (), last)
    assert again.state.components["redis"].since == later
    assert again.state.since_by_check["redis.connect"] == later


def test_components_that_no_round_checks_are_named() -> None:
    known = StatusBoard()
    known.add_round(health(REDIS, not_asked=("fleet", "npm")), (), START)
    found = [known.state.not_monitored]
    known.add_round(health(QUEUE, REDIS), (), START, {"fleet"})
    found.append(known.state.not_monitored)

    assert found == [("fleet", "npm"), ("npm",)]
