"""Many alerts: root causes, groups, receivers, restarts, and random histories."""

import datetime
import os
import random
from collections.abc import Sequence

import msgspec
import pytest

from pytest_flowhealth.alerts.engine import Engine, Moment, Observation, Subject, Tracked
from pytest_flowhealth.alerts.message import Message
from pytest_flowhealth.alerts.observing import of_checks, of_round
from pytest_flowhealth.alerts.routing import router
from pytest_flowhealth.alerts.state import Policy
from pytest_flowhealth.config.alerts import Alerts, Receiver
from pytest_flowhealth.verdict.alerting import Alerting
from pytest_flowhealth.verdict.check import CheckResult
from pytest_flowhealth.verdict.status import Outcome

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
RECEIVERS = (
    Receiver(name="ops", type="webhook", url="http://127.0.0.1/"),
    Receiver(name="redis", type="webhook", url="http://127.0.0.1/", components=("redis",)),
    Receiver(name="night", type="webhook", url="http://127.0.0.1/", severities=("critical",)),
)


def at(now: float) -> Moment:
    return Moment(now, START + datetime.timedelta(seconds=now))


def check(name: str, outcome: Outcome, **more: object) -> CheckResult:
    settings: dict[str, object] = {
        "nodeid": name,
        "component": name.partition(".")[0],
        "critical": True,
        "duration": 0.0,
        "message": f"{name} is {outcome.value}",
        "remedy": f"mend {name}",
        "blocked_by": None,
        "attempts": 1,
        "measurements": (),
        "thresholds": (),
        "details": {},
    }
    return CheckResult(id=name, outcome=outcome, **(settings | more))  # type: ignore[arg-type]


class Story:
    """An engine that is told of rounds."""

    def __init__(self, receivers: Sequence[Receiver] = RECEIVERS, **settings: object) -> None:
        self.settings = Alerts(**settings)  # type: ignore[arg-type]
        self.engine = Engine("host", "shop", router(receivers))

    def round(self, now: float, *checks: CheckResult, silenced: str = "") -> list[Message]:
        self.engine.observe(of_checks(checks, self.settings, over=True), at(now))
        self.engine.pass_time(at(now))
        return self.engine.messages(at(now), lambda subject: subject.name == silenced)


def test_one_alert_for_a_root_cause_names_what_it_blocks() -> None:
    story = Story(RECEIVERS[:1])
    blocked = [
        check(f"redis.{name}", Outcome.SKIP, blocked_by="redis.connect")
        for name in ("ping", "memory")
    ]

    (message,) = story.round(0, check("redis.connect", Outcome.FAIL), *blocked)

    (alert,) = message.alerts
    assert (alert.name, alert.severity, alert.state) == ("redis.connect", "critical", "firing")
    assert alert.blocked == ("redis.ping", "redis.memory")
    assert alert.remedy == "mend redis.connect"
    assert alert.runbook == "docs/runbook.md#redisconnect"


def test_a_hundred_of_one_component_are_one_message() -> None:
    story = Story(RECEIVERS[:1])
    checks = [check(f"http.page[{number}]", Outcome.FAIL) for number in range(100)]

    (message,) = story.round(0, *checks)
    (over,) = story.round(10, *(check(one.id, Outcome.PASS) for one in checks))

    assert len(message.alerts) == 100
    assert (over.kind, len(over.alerts)) == ("resolved", 100)


def test_the_worst_of_a_message_comes_first() -> None:
    story = Story(RECEIVERS[:1])

    (message,) = story.round(0, check("redis.a", Outcome.UNKNOWN), check("redis.b", Outcome.FAIL))

    assert [one.name for one in message.alerts] == ["redis.b", "redis.a"]
    assert message.severity == message.alerts[0].severity == "critical"


def test_receivers_get_what_is_theirs_and_its_end() -> None:
    story = Story()
    told = story.round(0, check("redis.connect", Outcome.FAIL), check("npm.audit", Outcome.UNKNOWN))
    assert {(one.receiver, one.alerts[0].name) for one in told} == {
        ("ops", "redis.connect"),
        ("ops", "npm.audit"),
        ("redis", "redis.connect"),
        ("night", "redis.connect"),
    }

    over = story.round(60, check("redis.connect", Outcome.PASS), silenced="redis.connect")

    assert {one.receiver for one in over} == {"ops", "redis", "night"}
    assert {one.kind for one in over} == {"resolved"}


def test_missing_data_does_not_resolve() -> None:
    story = Story(RECEIVERS[:1])
    story.round(0, check("redis.connect", Outcome.FAIL))

    skipped = check("redis.connect", Outcome.SKIP, blocked_by="redis.other")
    assert story.round(60, skipped) == []
    assert story.round(120) == []

    assert [one.subject.name for one in story.engine.firing()] == ["redis.connect"]


def test_a_marker_says_how() -> None:
    story = Story(RECEIVERS[:1])
    said = Alerting(after=120.0, severity="info", on=("warn",))
    warns = check("fleet.queue", Outcome.WARN, alert=said)

    assert story.round(0, warns) == []
    assert story.round(60, warns) == []
    (message,) = story.round(120, warns)

    assert message.severity == "info"


def test_a_round_that_did_not_end_alerts() -> None:
    story = Story(RECEIVERS[:1])
    story.engine.observe([of_round(["the round was killed"], story.settings)], at(0))

    (message,) = story.engine.messages(at(0), lambda _: False)

    assert (message.alerts[0].name, message.alerts[0].severity) == ("monitor.round", "critical")
    assert "the round was killed" in message.alerts[0].summary


def test_a_check_that_is_no_more_ends_its_alert() -> None:
    story = Story(RECEIVERS[:1])
    story.round(0, check("redis.connect", Outcome.FAIL))

    story.engine.end(["redis.connect"], "it is no longer looked at", at(60))
    (message,) = story.engine.messages(at(60), lambda _: False)

    assert message.kind == "resolved"
    assert "no longer looked at" in message.alerts[0].summary


def test_events_are_written_down_once() -> None:
    story = Story(RECEIVERS[:1])
    story.round(0, check("a.b", Outcome.FAIL))
    story.round(10, check("a.b", Outcome.FAIL))
    story.round(20, check("a.b", Outcome.PASS))

    assert [one.what for one in story.engine.events] == ["firing", "resolved"]


class Kept:
    """What a store has of an engine: only what the engine says has changed is written."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}

    def write(self, engine: Engine) -> None:
        for name in engine.changed:
            one = engine.tracked.get(name)
            if one is None:
                self.rows.pop(name, None)
            else:
                self.rows[name] = msgspec.msgpack.encode(one)
        engine.changed.clear()

    def restarted(self, engine: Engine) -> Engine:
        """Return the engine as it is after a restart."""
        kept = {name: msgspec.msgpack.decode(row, type=Tracked) for name, row in self.rows.items()}
        return Engine(engine.host, engine.target, engine.listeners, kept)


HISTORIES = int(os.environ.get("FLOWHEALTH_TEST_HISTORIES", "10000"))
PARTS = 5
COOLDOWN = 120.0
RANDOM, CALM = 18, 4
ALERTING = {"redis.b": Alerting(after=60.0, on=("fail",))}
OUTCOMES = (Outcome.PASS, Outcome.FAIL, Outcome.FAIL, Outcome.UNKNOWN, Outcome.SKIP)


class Judge:
    """Holds what was told against what was seen: one receiver and alert at a time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._open: set[tuple[str, str]] = set()
        self._last: dict[tuple[str, str], float] = {}
        self._held: dict[str, float | None] = {}

    def saw(self, now: float, checks: Sequence[CheckResult]) -> None:
        for one in checks:
            on = ALERTING.get(one.id, Alerting()).on
            if one.outcome.value in on:
                if self._held.get(one.id) is None:
                    self._held[one.id] = now
            elif one.outcome is Outcome.PASS:
                self._held[one.id] = None

    def heard(self, now: float, messages: Sequence[Message]) -> None:
        for message in messages:
            assert len({one.name for one in message.alerts}) == len(message.alerts)
            for alert in message.alerts:
                key, held = (message.receiver, alert.name), self._held.get(alert.name)
                where = (self._seed, now, key, message.kind)
                if message.kind == "resolved":
                    assert key in self._open, where
                    assert held is None, where
                    self._open.discard(key)
                    continue
                assert now - self._last.get(key, -1e9) >= COOLDOWN, where
                if message.kind == "firing":
                    assert key not in self._open, where
                    after = ALERTING.get(alert.name, Alerting()).after
                    assert held is not None, where
                    assert now - held >= after, where
                self._last[key] = now
                self._open.add(key)

    def ended(self) -> None:
        assert not self._open, (self._seed, self._open)


def replay(seed: int) -> None:
    """Play a random history, once straight through, once with restarts; judge what was told."""
    chance = random.Random(seed)
    straight, again = Story(cooldown="2 min"), Story(cooldown="2 min")
    judge, kept, now = Judge(seed), Kept(), 0.0
    for number in range(RANDOM + CALM):
        calm = number >= RANDOM
        now += 600.0 if calm else chance.choice([1.0, 10.0, 60.0, 300.0])
        checks = [
            check(
                name,
                Outcome.PASS if calm else chance.choice(OUTCOMES),
                alert=ALERTING.get(name),
                message=f"round {number}",
            )
            for name in ("redis.a", "redis.b", "npm.c")
            if calm or chance.random() < 0.9
        ]
        silenced = "" if calm else chance.choice(["", "", "redis.a"])
        told = straight.round(now, *checks, silenced=silenced)
        kept.write(again.engine)
        if chance.random() < 0.3:
            again.engine = kept.restarted(again.engine)
        other = again.round(now, *checks, silenced=silenced)
        assert [_plain(one) for one in told] == [_plain(one) for one in other], seed
        judge.saw(now, checks)
        judge.heard(now, told)
    judge.ended()


def _plain(one: Message) -> Message:
    return msgspec.structs.replace(one, id="")


@pytest.mark.parametrize("part", range(PARTS))
def test_random_histories_break_no_promise(part: int) -> None:
    """Ten thousand in all; FLOWHEALTH_TEST_HISTORIES is another number of them."""
    for seed in range(part, HISTORIES, PARTS):
        replay(seed)


def test_what_is_unknown_does_not_end_an_alert_of_failures_only() -> None:
    story = Story(RECEIVERS[:1])
    said = Alerting(on=("fail",))
    story.round(0, check("fleet.queue", Outcome.FAIL, alert=said))

    assert story.round(60, check("fleet.queue", Outcome.UNKNOWN, alert=said)) == []

    (over,) = story.round(120, check("fleet.queue", Outcome.PASS, alert=said))
    assert over.kind == "resolved"


def test_the_newest_evidence_is_kept_for_after_a_restart() -> None:
    story, kept = Story(RECEIVERS[:1]), Kept()
    for number in range(3):
        story.round(number, check("a.b", Outcome.FAIL, message=f"{number} of 3"))
        kept.write(story.engine)

    story.engine = kept.restarted(story.engine)
    (over,) = story.round(60, check("a.b", Outcome.PASS))

    assert over.alerts[0].summary == "2 of 3"


def test_a_cooldown_of_days_is_not_forgotten_with_its_alert() -> None:
    story = Story(RECEIVERS[:1], cooldown="7 d")
    fails = check("a.b", Outcome.FAIL, alert=Alerting(after=60.0))
    day = 86_400.0
    story.round(0, fails)
    assert [one.kind for one in story.round(60, fails)] == ["firing"]
    story.round(120, check("a.b", Outcome.PASS))
    story.round(180, fails)  # pending
    story.round(200, check("a.b", Outcome.PASS))

    assert story.round(3 * day) == []
    story.round(3 * day + 60, fails)

    assert story.round(3 * day + 180, fails) == []
    assert [one.kind for one in story.round(8 * day, fails)] == ["firing"]


def test_what_is_over_is_not_ended_again() -> None:
    story = Story(RECEIVERS[:1])
    story.round(0, check("a.b", Outcome.FAIL))
    for now in (10, 20):
        story.engine.end(["a.b"], "its rule is no more", at(now))
        story.round(now)

    assert story.engine.tracked["a.b"].subject.summary.count("no more") == 1


def test_a_subject_is_told_with_its_newest_evidence() -> None:
    engine = Engine("host", "shop", router(RECEIVERS[:1]))

    for now, value in ((0.0, 90.0), (10.0, 99.0)):
        subject = Subject("highCPU", "rule", "system", "warning", f"at {value}", value=value)
        engine.observe([Observation(subject, True, Policy(held=10.0))], at(now))

    (message,) = engine.messages(at(10.0), lambda _: False)

    assert message.alerts[0].value == 99.0
    assert message.alerts[0].since == START
    assert message.alerts[0].fired == START + datetime.timedelta(seconds=10)
