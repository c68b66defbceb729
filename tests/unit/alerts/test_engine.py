"""Many alerts: root causes, groups, receivers, restarts, and random histories."""

import datetime

from pytest_flowhealth.alerts.engine import Engine, Observation, Subject
from pytest_flowhealth.alerts.routing import router
from pytest_flowhealth.alerts.state import Policy
from pytest_flowhealth.domain.alerting import Alerting
from pytest_flowhealth.domain.status import Outcome
from tests.kit.alerts import RECEIVERS, START, Story, at, replay_random_history
from tests.kit.records import check

HISTORIES = 200
"""tests/slow/alerts replays ten thousand."""


def test_root_cause_raises_one_alert_that_names_what_it_blocks() -> None:
    story = Story(RECEIVERS[:1])
    blocked = [
        check(f"redis.{name}", Outcome.SKIP, blocked_by="redis.connect")
        for name in ("ping", "memory")
    ]

    (message,) = story.round(0, check("redis.connect", Outcome.FAIL), *blocked)

    (alert,) = message.alerts
    assert (alert.name, alert.severity, alert.state) == ("redis.connect", "critical", "firing")
    assert alert.blocked == ("redis.memory", "redis.ping")
    assert alert.remedy == "mend redis.connect"
    assert alert.runbook == "docs/runbook.md#redisconnect"


def test_hundred_alerts_of_one_component_are_one_message() -> None:
    story = Story(RECEIVERS[:1])
    checks = [check(f"http.page[{number}]", Outcome.FAIL) for number in range(100)]

    (message,) = story.round(0, *checks)
    (over,) = story.round(10, *(check(one.id, Outcome.PASS) for one in checks))

    assert len(message.alerts) == 100
    assert (over.kind, len(over.alerts)) == ("resolved", 100)


def test_worst_alert_of_a_message_comes_first() -> None:
    story = Story(RECEIVERS[:1])

    (message,) = story.round(0, check("redis.a", Outcome.UNKNOWN), check("redis.b", Outcome.FAIL))

    assert [one.name for one in message.alerts] == ["redis.b", "redis.a"]
    assert message.severity == message.alerts[0].severity == "critical"


def test_each_receiver_gets_what_it_subscribed_to_and_its_end_despite_a_silence() -> None:
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


def test_marker_changes_when_and_how_a_check_alerts() -> None:
    story = Story(RECEIVERS[:1])
    said = Alerting(after=120.0, severity="info", on=("warn",))
    warns = check("fleet.queue", Outcome.WARN, alert=said)

    assert story.round(0, warns) == []
    assert story.round(60, warns) == []
    (message,) = story.round(120, warns)

    assert message.severity == "info"


def test_random_histories_keep_what_is_promised_of_messages() -> None:
    for seed in range(HISTORIES):
        replay_random_history(seed)


def test_cooldown_of_days_outlives_its_alert() -> None:
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


def test_alert_is_resolved_only_once() -> None:
    story = Story(RECEIVERS[:1])
    story.round(0, check("a.b", Outcome.FAIL))
    for now in (10, 20):
        story.engine.end(["a.b"], "its rule is no more", at(now))
        story.round(now)

    assert story.engine.tracked["a.b"].subject.summary.count("no more") == 1


def test_message_has_the_newest_evidence_and_the_first_time() -> None:
    engine = Engine("host", "shop", router(RECEIVERS[:1]))

    for now, value in ((0.0, 90.0), (10.0, 99.0)):
        subject = Subject("highCPU", "rule", "system", "warning", f"at {value}", value=value)
        engine.observe([Observation(subject, True, Policy(held=10.0))], at(now))

    (message,) = engine.messages(at(10.0), lambda _: False)

    assert message.alerts[0].value == 99.0
    assert message.alerts[0].since == START
    assert message.alerts[0].fired == START + datetime.timedelta(seconds=10)
