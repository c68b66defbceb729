"""Many alerts: root causes, groups, receivers, restarts, and random histories."""

import datetime

import pytest

from pytest_flowhealth.alerts.channels.alertmanager import make_labels
from pytest_flowhealth.alerts.engine import AlertInfo, Engine, Observation, Timestamp, make_alert
from pytest_flowhealth.alerts.evaluation import evaluate_checks, make_runbook_link
from pytest_flowhealth.alerts.message import Origin
from pytest_flowhealth.alerts.routing import make_router
from pytest_flowhealth.alerts.state import Policy
from pytest_flowhealth.config.alerts import Alerts
from pytest_flowhealth.domain.alerting import Alerting
from pytest_flowhealth.domain.status import Outcome
from tests.kit.alerts import ORIGIN, RECEIVERS, START, Story, at, replay_random_history
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
    assert alert.runbook is None


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
    story = Story(RECEIVERS[:1], cooldown=604_800.0)
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
        story.engine.resolve_removed(["a.b"], "its rule is no more", at(now))
        story.round(now)

    assert story.engine.tracked["a.b"].subject.summary.count("no more") == 1


def test_message_has_the_newest_evidence_and_the_first_time() -> None:
    engine = Engine(ORIGIN, make_router(RECEIVERS[:1]))

    for now, value in ((0.0, 90.0), (10.0, 99.0)):
        subject = AlertInfo("highCPU", "rule", "system", "warning", f"at {value}", value=value)
        engine.observe([Observation(subject, True, Policy(held=10.0))], at(now))

    (message,) = engine.messages(at(10.0), lambda _: False)

    assert message.alerts[0].value == 99.0
    assert message.alerts[0].since == START
    assert message.alerts[0].fired == START + datetime.timedelta(seconds=10)


def test_begin_of_an_alert_is_the_same_when_it_fires_and_when_it_is_resolved() -> None:
    story = Story(RECEIVERS[:1])
    story.round(0, check("redis.connect", Outcome.PASS))
    (fired,) = story.round(10, check("redis.connect", Outcome.FAIL))
    story.engine.observe([], at(20))
    drift = datetime.timedelta(microseconds=37)
    moment = Timestamp(30.0, at(30).wall + drift)

    story.engine.observe(
        evaluate_checks([check("redis.connect", Outcome.PASS)], story.settings, over=True), moment
    )
    (over,) = story.engine.messages(moment, lambda _: False)

    assert (over.alerts[0].since, over.alerts[0].fired) == (at(10).wall, at(10).wall)
    assert (fired.alerts[0].since, fired.alerts[0].fired) == (at(10).wall, at(10).wall)


def test_resolved_alert_that_flaps_is_not_firing() -> None:
    story = Story(RECEIVERS[:1], cooldown=1.0, flap_changes=4)
    for now in range(0, 40, 20):
        story.round(now, check("redis.connect", Outcome.FAIL))
        story.round(now + 10, check("redis.connect", Outcome.PASS))

    tracked = story.engine.tracked["redis.connect"]

    assert (tracked.state.flapping, tracked.state.phase) == (True, "resolved")
    assert story.engine.firing() == []
    alert = make_alert(tracked, at(31))
    assert (alert.state, alert.resolved) == ("resolved", at(30).wall)


WIKI = "https://wiki.example.org/ops/runbook"


@pytest.mark.parametrize(
    ("base", "own", "link"),
    [
        (None, None, None),
        (None, "https://other.example.org/redis", "https://other.example.org/redis"),
        (None, "redis#down", None),
        (WIKI, None, f"{WIKI}#redisconnect"),
        (f"{WIKI}#all", None, f"{WIKI}#all"),
        (WIKI, "redis#down", "https://wiki.example.org/ops/redis#down"),
        (WIKI, "https://other.example.org/redis", "https://other.example.org/redis"),
    ],
)
def test_runbook_links_are_absolute_or_absent(
    base: str | None, own: str | None, link: str | None
) -> None:
    assert make_runbook_link(Alerts(runbook_url=base), "redis.connect[a]", own) == link


def test_messages_and_alertmanager_labels_tell_two_checkouts_apart() -> None:
    found = []
    for instance in ("host:/srv/production/shop", "host:/srv/staging/shop"):
        engine = Engine(Origin("host", "shop", instance), make_router(RECEIVERS[:1]))
        engine.observe(
            evaluate_checks([check("redis.connect", Outcome.FAIL)], Alerts(), over=True), at(0)
        )
        (message,) = engine.messages(at(0), lambda _: False)
        assert message.instance == instance
        found.append(make_labels(message.alerts[0], message.origin))

    assert [one["instance"] for one in found] == [
        "host:/srv/production/shop",
        "host:/srv/staging/shop",
    ]
