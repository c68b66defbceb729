"""What rounds that look at some components only, and components that are no more, do to alerts and verdicts."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from pytest_flowhealth.alerts.rules import conditions
from pytest_flowhealth.alerts.series import Reading
from pytest_flowhealth.config.alerts import Receiver, Rule
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.monitor.verdicts import Verdicts
from pytest_flowhealth.monitor.watch import Watch
from pytest_flowhealth.verdict.report import Health
from pytest_flowhealth.verdict.status import Outcome, Status
from pytest_flowhealth.verdict.verdict import judge_run
from tests.alerts.test_engine import START, at, check


def watch(tmp_path: object, *rules: Rule) -> Watch:
    target = Target(tmp_path, Configuration(), {}, {})  # type: ignore[arg-type]
    ops = Receiver(name="ops", type="webhook", url="http://127.0.0.1/")
    settings = Settings(target, conditions(rules), (ops,), {}, 900.0)
    return Watch(settings, "host", {}, 0.0)


def names(found: Watch) -> list[str]:
    return [one.subject.name for one in found.engine.firing()]


FAILS = check("package.tree", Outcome.FAIL)
MANIFEST = check("package.manifest", Outcome.PASS)
BUILD = check("build.artifacts", Outcome.PASS, requires=("package.manifest",))


def test_what_others_require_of_a_component_is_not_all_of_it(tmp_path: object) -> None:
    one = watch(tmp_path)
    one.ended([MANIFEST, FAILS, BUILD], (), at(0))

    for number in range(1, 6):
        one.ended([MANIFEST, BUILD], (), at(60.0 * number), {"build"})

    assert names(one) == ["package.tree"]


def test_a_check_that_is_no_more_is_over_after_three_rounds(tmp_path: object) -> None:
    one = watch(tmp_path)
    one.ended([MANIFEST, FAILS], (), at(0))

    for number in range(1, 4):
        assert names(one) == ["package.tree"]
        one.ended([MANIFEST], (), at(60.0 * number), {"package"})

    assert names(one) == []


def test_a_component_that_is_no_more_is_over_too(tmp_path: object) -> None:
    one = watch(tmp_path, Rule(name="full", metric="queue.depth", above=5))
    one.ended([check("queue.length", Outcome.FAIL)], (), at(0))
    one.series.add("queue.depth", "1", Reading(0, (9.0,)))
    one.sampled({}, at(1))
    assert names(one) == ["queue.length", "full"]
    one.series = type(one.series)()  # after a restart

    for number in range(1, 4):
        one.ended([MANIFEST], (), at(60.0 * number))

    assert names(one) == []


def health(*checks: object) -> Health:
    verdict = judge_run(checks, ())  # type: ignore[arg-type]
    known: dict[str, Any] = dict.fromkeys(Health.__struct_fields__)
    known |= {name: getattr(verdict, name) for name in ("status", "components", "checks")}
    return Health(**known)


def taken(
    known: Verdicts, looked: Collection[str] | None, *checks: object, problems: Sequence[str] = ()
) -> Status | None:
    known.take(health(*checks), problems, START, looked)
    return known.status


def test_a_component_stays_as_it_was_where_only_a_requirement_was_looked_at() -> None:
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


def test_a_requirement_that_fails_counts_at_once() -> None:
    known = Verdicts()
    taken(known, None, MANIFEST, check("package.tree", Outcome.PASS), BUILD)

    broken = check("package.manifest", Outcome.FAIL)
    blocked = check("build.artifacts", Outcome.SKIP, blocked_by="package.manifest")

    assert taken(known, {"build"}, broken, blocked) is Status.UNHEALTHY


def test_what_does_not_apply_any_more_does_not_count() -> None:
    known = Verdicts()
    taken(known, None, MANIFEST, check("redis.connect", Outcome.FAIL))

    assert taken(known, {"redis"}, check("redis.connect", Outcome.SKIP)) is Status.HEALTHY


def test_a_component_that_is_no_more_does_not_count_unless_the_round_broke_down() -> None:
    known = Verdicts()
    taken(known, None, MANIFEST, check("redis.connect", Outcome.FAIL))

    assert taken(known, None, MANIFEST, problems=("it was killed",)) is Status.UNHEALTHY
    assert taken(known, None, MANIFEST) is Status.HEALTHY


def test_a_component_whose_checks_are_lost_is_not_healthy_any_more() -> None:
    known = Verdicts()
    redis = check("redis.connect", Outcome.PASS)
    assert taken(known, None, MANIFEST, BUILD, redis) is Status.HEALTHY

    assert taken(known, {"redis"}, MANIFEST) is Status.UNKNOWN
    assert taken(known, {"build"}, BUILD) is Status.UNKNOWN
    assert taken(known, {"redis", "build"}, BUILD, redis) is Status.HEALTHY


def test_a_verdict_that_is_worse_than_its_checks_stays_until_all_was_looked_at_again() -> None:
    known = Verdicts()
    doubtful = msgspec.structs.replace(
        health(MANIFEST, BUILD), status=Status.UNKNOWN, reasons=("?",)
    )
    known.take(doubtful, (), START, None)
    assert known.status is Status.UNKNOWN
    assert known.whole.status is Status.UNKNOWN  # type: ignore[union-attr]

    assert taken(known, {"build"}, BUILD) is Status.UNKNOWN
    assert taken(known, {"package"}, MANIFEST) is Status.HEALTHY


def test_a_round_that_broke_down_is_remembered_until_its_components_were_looked_at_again() -> None:
    known = Verdicts()
    redis = check("redis.connect", Outcome.PASS)
    taken(known, None, MANIFEST, BUILD, redis)
    known.take(None, ("it was killed",), START, {"redis"})
    assert known.status is Status.UNKNOWN

    assert taken(known, {"build"}, BUILD) is Status.UNKNOWN
    assert known.whole is not None
    assert (known.whole.exit_code, known.whole.reasons) == (3, ("it was killed",))
    known.take(None, ("it was killed again",), START, {"redis"})
    assert known.doubts == ("it was killed again",)
    assert taken(known, {"redis"}, redis) is Status.HEALTHY
    assert known.whole.reasons == ()


def test_what_was_looked_at_too_long_ago_is_unknown() -> None:
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
