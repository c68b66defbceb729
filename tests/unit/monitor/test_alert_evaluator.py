"""What rounds of some components only, and removed checks, do to alerts."""

from collections.abc import Collection
from pathlib import Path

from pytest_flowhealth.alerts.recent_readings import Reading, RecentReadings
from pytest_flowhealth.alerts.rules import make_conditions
from pytest_flowhealth.config.alerts import Receiver, Rule
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.monitor.alert_evaluator import AlertEvaluator
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.monitor.status_board import StatusBoard
from tests.kit.alerts import ORIGIN, at
from tests.kit.records import check, health


def make_watch(tmp_path: Path, *rules: Rule) -> AlertEvaluator:
    target = Target(tmp_path, Configuration(), {}, {})
    ops = Receiver(name="ops", type="webhook", url="http://127.0.0.1/")
    settings = Settings(target, make_conditions(rules), (ops,), {}, 900.0)
    return AlertEvaluator(settings, ORIGIN, {}, 0.0)


class Rounds:
    """A status board and the alerts that follow from it."""

    def __init__(self, watch: AlertEvaluator) -> None:
        self.watch, self.board = watch, StatusBoard()

    def end(
        self, now: float, *checks: CheckResult, requested: Collection[str] | None = None
    ) -> None:
        """End a round of some components, or (None) of all."""
        self.board.add_round(health(*checks), (), at(now).wall, requested, now)
        self.watch.add_round(checks, (), at(now), requested, self.board.state)

    def blocked(self, name: str) -> tuple[str, ...]:
        """Return what an alert says that it blocks."""
        return self.watch.engine.tracked[name].subject.blocked


def firing(watch: AlertEvaluator) -> list[str]:
    return [tracked.subject.name for tracked in watch.engine.firing()]


FAILS = check("package.tree", Outcome.FAIL)
MANIFEST = check("package.manifest", Outcome.PASS)
BUILD = check("build.artifacts", Outcome.PASS, requires=("package.manifest",))


def test_round_of_a_requirement_does_not_resolve_other_alerts_of_its_component(
    tmp_path: Path,
) -> None:
    watch = make_watch(tmp_path)
    rounds = Rounds(watch)
    rounds.end(0, MANIFEST, FAILS, BUILD)

    for number in range(1, 6):
        rounds.end(60.0 * number, MANIFEST, BUILD, requested={"build"})

    assert firing(watch) == ["package.tree"]


def test_alert_of_a_removed_check_resolves_after_three_rounds(tmp_path: Path) -> None:
    watch = make_watch(tmp_path)
    rounds = Rounds(watch)
    rounds.end(0, MANIFEST, FAILS)

    for number in range(1, 4):
        assert firing(watch) == ["package.tree"]
        rounds.end(60.0 * number, MANIFEST, requested={"package"})

    assert firing(watch) == []


def test_alerts_of_a_removed_component_resolve_after_three_rounds(tmp_path: Path) -> None:
    watch = make_watch(tmp_path, Rule(name="full", metric="queue.depth", above=5))
    rounds = Rounds(watch)
    rounds.end(0, check("queue.length", Outcome.FAIL))
    watch.series.add("queue.depth", "1", Reading(0, (9.0,)))
    watch.add_samples({}, at(1))
    assert firing(watch) == ["queue.length", "full"]
    watch.series = RecentReadings()  # after a restart

    for number in range(1, 4):
        rounds.end(60.0 * number, MANIFEST)

    assert firing(watch) == []


def test_blocked_checks_of_an_alert_are_the_same_whichever_components_a_round_checked(
    tmp_path: Path,
) -> None:
    rounds = Rounds(make_watch(tmp_path))
    connect = check("redis.connect", Outcome.PASS)
    others = [
        check(name, Outcome.PASS, requires=("redis.connect",))
        for name in ("redis.ping", "fleet.queue")
    ]
    rounds.end(0, connect, *others)
    down = check("redis.connect", Outcome.FAIL)
    blocked = [
        check(one.id, Outcome.SKIP, requires=one.requires, blocked_by="redis.connect")
        for one in others
    ]

    found = []
    for now, (ping, *fleet), requested in (
        (10.0, blocked[:1], {"redis"}),
        (20.0, blocked, None),
        (30.0, blocked[:1], {"redis"}),
    ):
        rounds.end(now, down, ping, *fleet, requested=requested)
        found.append(rounds.blocked("redis.connect"))

    assert found == [("fleet.queue", "redis.ping")] * 3


def test_check_that_is_no_longer_blocked_raises_no_alert_before_it_was_checked(
    tmp_path: Path,
) -> None:
    rounds = Rounds(make_watch(tmp_path))
    queue = check("fleet.queue", Outcome.SKIP, blocked_by="redis.connect")
    rounds.end(0, check("redis.connect", Outcome.FAIL), queue)

    rounds.end(10, check("redis.connect", Outcome.PASS), requested={"redis"})

    assert rounds.board.state.components["fleet"].status is Status.UNKNOWN
    assert firing(rounds.watch) == []


def test_refusal_of_a_receiver_raises_an_alert_until_it_accepts_a_message(tmp_path: Path) -> None:
    watch = make_watch(tmp_path)

    watch.observe_delivery({"chat": "HTTP 400"}, at(0))
    assert firing(watch) == ["monitor.delivery"]
    assert "chat" in watch.engine.tracked["monitor.delivery"].subject.summary
    watch.observe_delivery({}, at(10))

    assert firing(watch) == []


def test_round_that_took_longer_than_three_intervals_raises_no_alert_of_blocked_checks(
    tmp_path: Path,
) -> None:
    watch = make_watch(tmp_path)
    rounds = Rounds(watch)
    ping = check("redis.ping", Outcome.PASS, requires=("redis.connect",))
    rounds.end(0, check("redis.connect", Outcome.PASS), ping)
    rounds.board.expire(10.0, at(10.0).wall, {"redis": 4.0}, stuck=False)

    skipped = check("redis.ping", Outcome.SKIP, blocked_by="redis.connect", requires=ping.requires)
    rounds.end(11, check("redis.connect", Outcome.FAIL), skipped, requested={"redis"})

    assert firing(watch) == ["redis.connect"]
    assert rounds.blocked("redis.connect") == ("redis.ping",)


def test_failing_part_of_the_monitor_is_an_alert_until_it_runs_again(tmp_path: Path) -> None:
    watch = make_watch(tmp_path)

    watch.observe_parts({"page": "OSError: no file", "fleet sampler": "KeyError: 'x'"}, at(0))
    assert firing(watch) == ["monitor.part"]
    summary = watch.engine.tracked["monitor.part"].subject.summary
    assert summary == "fleet sampler failed: KeyError: 'x'; page failed: OSError: no file"

    watch.observe_parts({}, at(60))
    assert firing(watch) == []


def test_expired_results_of_a_component_raise_and_resolve_no_alert(tmp_path: Path) -> None:
    watch = make_watch(tmp_path)
    rounds = Rounds(watch)
    rounds.end(0, MANIFEST, FAILS, BUILD)
    rounds.board.expire(10.0, at(10.0).wall, {"package": 4.0}, stuck=False)

    rounds.end(11, MANIFEST, BUILD, requested={"build"})

    assert firing(watch) == ["package.tree"]
    assert watch.engine.tracked["package.tree"].subject.summary == FAILS.message
