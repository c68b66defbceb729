"""Alerts made by hand, an engine that is told of rounds, and random histories with a judge."""

import datetime
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.alerts.channels.webhook import sign
from pytest_flowhealth.alerts.engine import Engine, Timestamp, TrackedAlert
from pytest_flowhealth.alerts.evaluation import evaluate_checks
from pytest_flowhealth.alerts.message import Alert, Kind, Message, Origin
from pytest_flowhealth.alerts.routing import make_router
from pytest_flowhealth.config.alerts import Alerts, Receiver
from pytest_flowhealth.domain.alerting import Alerting
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.status import Outcome
from tests.kit.records import check

START = datetime.datetime(2026, 1, 1, 12, 0, 0, tzinfo=datetime.UTC)
ORIGIN = Origin("host", "shop", "host:shop")
ALERT = Alert(
    name="redis.connect",
    kind="check",
    component="redis",
    severity="critical",
    state="firing",
    summary="no Redis listens at 127.0.0.1:6379",
    since=START,
    fired=START,
    remedy="redis-server --daemonize yes",
    blocked=("redis.ping", "redis.memory"),
    runbook="docs/runbook.md#redisconnect",
)
MESSAGE = Message("abc123", "firing", "ops", "redis", START, "host", "shop", (ALERT,), "host:shop")
RECEIVERS = (
    Receiver(name="ops", type="webhook", url="http://127.0.0.1/"),
    Receiver(name="redis", type="webhook", url="http://127.0.0.1/", components=("redis",)),
    Receiver(name="night", type="webhook", url="http://127.0.0.1/", severities=("critical",)),
)

LATER_RECEIVERS = (
    RECEIVERS[0],
    msgspec.structs.replace(RECEIVERS[1], remind=600.0),
    msgspec.structs.replace(RECEIVERS[2], escalate=300.0),
)
"""Receivers of which one is reminded, and one notified only of what nobody acknowledges."""


def message(
    name: str, receiver: str = "ops", group: str = "redis", kind: Kind = "firing"
) -> Message:
    """Return a message with the id `name` about one alert of a component."""
    alert = msgspec.structs.replace(ALERT, name=f"{group}.connect", component=group)
    return Message(name, kind, receiver, group, START, "host", "shop", (alert,), "host:shop")


def at(now: float) -> Timestamp:
    """Return a moment, `now` seconds after `START`."""
    return Timestamp(now, START + datetime.timedelta(seconds=now))


class Story:
    """An engine that is told of rounds."""

    def __init__(self, receivers: Sequence[Receiver] = RECEIVERS, **settings: object) -> None:
        self.settings = Alerts(**settings)  # type: ignore[arg-type]
        self.engine = Engine(ORIGIN, make_router(receivers))

    def round(self, now: float, *checks: CheckResult, silenced: str = "") -> list[Message]:
        """Report the checks of a round, and return the messages that follow from it."""
        self.engine.observe(evaluate_checks(checks, self.settings, over=True), at(now))
        self.engine.tick(at(now))
        return self.engine.messages(at(now), lambda subject: subject.name == silenced)


class Kept:
    """What a store has of an engine: only what the engine says has changed is written."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}

    def write(self, engine: Engine) -> None:
        """Store what has changed."""
        for name in engine.changed:
            tracked = engine.tracked.get(name)
            if tracked is None:
                self.rows.pop(name, None)
            else:
                self.rows[name] = msgspec.msgpack.encode(tracked)
        engine.changed.clear()

    def restarted(self, engine: Engine) -> Engine:
        """Return the engine as it is after a restart."""
        kept = {
            name: msgspec.msgpack.decode(row, type=TrackedAlert) for name, row in self.rows.items()
        }
        return Engine(engine.origin, engine.listeners, kept)


COOLDOWN = 120.0
RANDOM_ROUNDS, CALM_ROUNDS = 18, 4
ALERTING = {"redis.b": Alerting(after=60.0, on=("fail",))}
OUTCOMES = (Outcome.PASS, Outcome.FAIL, Outcome.FAIL, Outcome.UNKNOWN, Outcome.SKIP)


class Judge:
    """Compares messages with what was observed: one receiver and alert at a time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._open: set[tuple[str, str]] = set()
        self._last: dict[tuple[str, str], float] = {}
        self._held: dict[str, float | None] = {}

    def observe(self, now: float, checks: Sequence[CheckResult]) -> None:
        """Note since when each check has failed."""
        for result in checks:
            on = ALERTING.get(result.id, Alerting()).on
            if result.outcome.value in on:
                if self._held.get(result.id) is None:
                    self._held[result.id] = now
            elif result.outcome is Outcome.PASS:
                self._held[result.id] = None

    def judge(self, now: float, messages: Sequence[Message]) -> None:
        """Assert what is promised of messages."""
        for sent in messages:
            assert len({alert.name for alert in sent.alerts}) == len(sent.alerts)
            for alert in sent.alerts:
                key, held = (sent.receiver, alert.name), self._held.get(alert.name)
                where = (self._seed, now, key, sent.kind)
                if sent.kind == "resolved":
                    assert key in self._open, where
                    assert held is None, where
                    self._open.discard(key)
                    continue
                assert now - self._last.get(key, -1e9) >= COOLDOWN, where
                if sent.kind == "firing":
                    assert key not in self._open, where
                    after = ALERTING.get(alert.name, Alerting()).after
                    assert held is not None, where
                    assert now - held >= after, where
                self._last[key] = now
                self._open.add(key)

    def end(self) -> None:
        """Assert that every receiver that got `firing` also got `resolved`."""
        assert not self._open, (self._seed, self._open)


def replay_random_history(seed: int) -> None:
    """Play a random history, once without and once with restarts, and judge its messages."""
    chance = random.Random(seed)
    straight, again = (Story(LATER_RECEIVERS, cooldown=120.0) for _ in range(2))
    judge, kept, now = Judge(seed), Kept(), 0.0
    for number in range(RANDOM_ROUNDS + CALM_ROUNDS):
        calm = number >= RANDOM_ROUNDS
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
        sent = straight.round(now, *checks, silenced=silenced)
        kept.write(again.engine)
        if chance.random() < 0.3:
            again.engine = kept.restarted(again.engine)
        after_restart = again.round(now, *checks, silenced=silenced)
        assert [*map(_without_id, sent)] == [*map(_without_id, after_restart)], seed
        judge.observe(now, checks)
        judge.judge(now, sent)
    judge.end()


def _without_id(sent: Message) -> Message:
    return msgspec.structs.replace(sent, id="")


DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the specification's examples
SIGNED_BODY = '{"id": "ä"}'.encode()
SIGNED = {"right": (0.0, SIGNED_BODY), "changed": (0.0, b"other"), "old": (3_600.0, SIGNED_BODY)}
"""The age of a signature in seconds and what was signed; only "right" is valid for `SIGNED_BODY`."""


def documented(language: str, word: str = "verified") -> str:
    """Return the example of docs/alerts.md in a language that contains `word`."""
    examples = re.findall(rf"```{language}\n(.*?)```", DOCUMENTATION, re.DOTALL)
    return str(next(example for example in examples if word in example))


def signed_headers(case: str) -> dict[str, str]:
    """Return the headers of a case of `SIGNED`, whose timestamp is taken now."""
    age, body = SIGNED[case]
    at = datetime.datetime.fromtimestamp(int(time.time() - age), datetime.UTC)
    return {
        "webhook-id": "m1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": sign(SECRET, "m1", at, body),
    }
