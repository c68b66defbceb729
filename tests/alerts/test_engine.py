"""Many alerts: root causes, groups, receivers, restarts, and random histories."""

import datetime
import os
import random
from collections import defaultdict
from collections.abc import Sequence

import msgspec

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


def restarted(engine: Engine) -> Engine:
    """Return the engine as it is after a restart: from what is kept."""
    kept = {
        name: msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Tracked)
        for name, one in engine.tracked.items()
    }
    return Engine(engine.host, engine.target, engine.listeners, kept)


def replay(seed: int) -> None:
    """Play a random history, once straight through, once with restarts; judge what was told."""
    chance = random.Random(seed)
    story, again = Story(cooldown="2 min"), Story(cooldown="2 min")
    names = [f"{component}.{name}" for component in ("redis", "npm") for name in ("a", "b")]
    told: list[tuple[float, Message]] = []
    other: list[tuple[float, Message]] = []
    now = 0.0
    for _ in range(30):
        now += chance.choice([1.0, 10.0, 60.0, 300.0])
        checks = [
            check(name, chance.choice([Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN, Outcome.SKIP]))
            for name in names
            if chance.random() < 0.9
        ]
        silenced = chance.choice(["", "redis.a"])
        told += [(now, one) for one in story.round(now, *checks, silenced=silenced)]
        if chance.random() < 0.3:
            again.engine = restarted(again.engine)
        other += [(now, one) for one in again.round(now, *checks, silenced=silenced)]
    for _ in range(40):
        now += 300.0
        checks = [check(name, Outcome.PASS) for name in names]
        told += [(now, one) for one in story.round(now, *checks)]
        other += [(now, one) for one in again.round(now, *checks)]
    assert [_plain(one) for one in told] == [_plain(one) for one in other], seed
    _judge(told, seed)


def _plain(one: tuple[float, Message]) -> tuple[float, object]:
    return one[0], msgspec.structs.replace(one[1], id="")


def _judge(told: Sequence[tuple[float, Message]], seed: int) -> None:
    open_: dict[tuple[str, str], bool] = defaultdict(bool)
    last: dict[tuple[str, str], float] = {}
    for now, message in told:
        for alert in message.alerts:
            key = (message.receiver, alert.name)
            if message.kind == "resolved":
                assert open_[key], (seed, key)
                open_[key] = False
                continue
            assert now - last.get(key, -1e9) >= 120.0, (seed, key)
            last[key] = now
            open_[key] = True
    assert not any(open_.values()), seed


def test_random_histories_break_no_promise() -> None:
    """With FLOWHEALTH_TEST_HISTORIES=10000 that many, in three minutes."""
    for seed in range(int(os.environ.get("FLOWHEALTH_TEST_HISTORIES", "200"))):
        replay(seed)


def test_a_subject_is_told_with_its_newest_evidence() -> None:
    engine = Engine("host", "shop", router(RECEIVERS[:1]))

    for now, value in ((0.0, 90.0), (10.0, 99.0)):
        subject = Subject("highCPU", "rule", "system", "warning", f"at {value}", value=value)
        engine.observe([Observation(subject, True, Policy(held=10.0))], at(now))

    (message,) = engine.messages(at(10.0), lambda _: False)

    assert message.alerts[0].value == 99.0
    assert message.alerts[0].since == START
    assert message.alerts[0].fired == START + datetime.timedelta(seconds=10)
