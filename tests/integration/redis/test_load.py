"""The load on a real Redis: how much it is, what it measures, and what becomes of it when it breaks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pytest_flowhealth.domain.statistics import compute
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.redis import load as redis_load
from pytest_flowhealth.probes.redis.load import Budget
from pytest_flowhealth.probes.redis.probe import RedisProbe
from tests.kit import redis as servers
from tests.kit.redis import RedisServer, Way, proxy, tcp_server
from tests.kit.waiting import wait_for

LONG = Budget(count=10**9, seconds=60.0, least=1, longest=60.0)
"""A load that goes on until something ends it."""

LITTLE = Budget(count=120, seconds=60.0, least=120, longest=60.0)
LOADS = ("command_latency", "throughput")


@contextmanager
def far(redis: RedisServer, way: Way, **named: float) -> Iterator[RedisProbe]:
    """Make a probe with something on the way to the server."""
    with proxy(redis.port, way) as port:
        yield RedisProbe(f"redis://127.0.0.1:{port}/0", **named)  # type: ignore[arg-type]


def test_as_many_commands_are_sent_as_documented(breakable_redis: RedisServer) -> None:
    taken = RedisProbe(breakable_redis.url).command_latency(
        Budget(count=redis_load.COMMAND.count, seconds=60.0, least=2_000, longest=60.0)
    )
    assert len(taken.samples) == len(taken.client) == 2_000
    assert {name: len(samples) for name, samples in taken.by_command.items()} == dict.fromkeys(
        ("PING", "SET", "GET", "DEL"), 500
    )
    assert min(taken.samples) > 0
    assert min(taken.client) > 0
    assert taken.refused == {}
    sent = breakable_redis.calls()
    # Each is tried once before, and the key is deleted in the end.
    assert {name: sent[name] for name in ("ping", "set", "get", "del")} == {
        **dict.fromkeys(("ping", "set", "get"), 501),
        "del": 502,
    }
    assert 100_000 < taken.sent < 150_000
    assert 20_000 < taken.received < 30_000
    assert breakable_redis.keys() == []


def test_as_many_pipelined_commands_are_sent_as_documented(breakable_redis: RedisServer) -> None:
    budget = Budget(count=20_000, seconds=60.0, least=20_000, longest=60.0)
    done = RedisProbe(breakable_redis.url).throughput(budget)
    sent = breakable_redis.calls()
    assert done.commands == 20_100
    assert (sent["set"], sent["get"]) == (2_010 + 1, 18_090 + 1)
    assert 0 < done.waiting < done.seconds
    assert done.mix == ("SET", "GET")
    assert done.before is not None
    assert done.after is not None
    assert done.sent < 2_000_000
    assert breakable_redis.keys() == []


def test_as_many_connections_are_made_as_documented(breakable_redis: RedisServer) -> None:
    budget = Budget(count=50, seconds=60.0, least=50, longest=60.0)
    before = breakable_redis.command("INFO", "stats")["total_connections_received"]
    assert len(RedisProbe(breakable_redis.url).connect(budget)) == 50
    assert breakable_redis.calls()["ping"] == 50
    after = breakable_redis.command("INFO", "stats")["total_connections_received"]
    assert after - before == 50


def test_a_far_server_ends_the_load_early_with_enough_samples(redis: RedisServer) -> None:
    with far(redis, Way(delay=0.02)) as probe:
        taken = probe.command_latency()
        samples = probe.connect()
    assert 20 <= len(taken.samples) < 100
    assert compute("p95", taken.samples) >= 20
    assert 20 <= len(samples) < 100
    assert min(samples) >= 20


def test_a_pause_of_the_server_is_in_the_samples(redis: RedisServer) -> None:
    with far(redis, Way(stalls=100, for_=0.3)) as probe:
        assert max(probe.command_latency(LITTLE).samples) >= 300


def test_a_server_that_stalls_midway_is_told_with_its_answers(redis: RedisServer) -> None:
    with (
        far(redis, Way(stalls=100), timeout=0.5) as probe,
        pytest.raises(CheckFailed, match=r"no answer within 0\.5 s after 9\d answers"),
    ):
        probe.command_latency()


@pytest.mark.parametrize("load", LOADS)
def test_half_an_answer_midway_is_told(redis: RedisServer, load: str) -> None:
    with (
        far(redis, Way(cut=50)) as probe,
        pytest.raises(CheckFailed, match=r"closed the connection after [\d,]+ answers"),
    ):
        getattr(probe, load)(LONG)


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize(
    ("event", "says"), [("stop", "closed the connection"), ("suspend", r"no answer within 0\.5 s")]
)
def test_a_server_that_is_killed_or_stopped_midway_is_told_with_its_answers(
    breakable_redis: RedisServer, load: str, event: str, says: str
) -> None:
    def act() -> None:
        wait_for(lambda: breakable_redis.calls().get("get", 0) > 100)
        getattr(breakable_redis, event)()

    actor = threading.Thread(target=act)
    actor.start()
    try:
        with pytest.raises(CheckFailed, match=rf"{says} after [\d,]+ answers"):
            getattr(RedisProbe(breakable_redis.url, timeout=0.5), load)(LONG)
    finally:
        actor.join()


@pytest.mark.parametrize("load", LOADS)
def test_a_server_that_turns_into_something_else_is_no_redis(load: str) -> None:
    def talk(connection: object, over: threading.Event) -> None:
        one, answers = connection, [b"+PONG\r\n", b"+OK\r\n", b"$-1\r\n", b":0\r\n"]
        while not over.is_set() and one.recv(1 << 20):  # type: ignore[attr-defined]
            one.sendall(answers.pop(0) if answers else b"?!\r\n")  # type: ignore[attr-defined]

    with tcp_server(talk) as port, pytest.raises(CheckFailed, match=r"is no Redis|not what"):
        getattr(RedisProbe(f"redis://127.0.0.1:{port}/0"), load)()


@pytest.mark.parametrize("talk", [servers.silent, servers.dripping])
@pytest.mark.parametrize("load", LOADS)
def test_a_load_without_a_whole_answer_ends_in_time(talk: Callable[..., None], load: str) -> None:
    budget = Budget(count=1, seconds=0.1, least=1, longest=0.1)
    with tcp_server(talk) as port:
        probe = RedisProbe(f"redis://127.0.0.1:{port}/0", timeout=0.2)
        with pytest.raises(CheckFailed, match=r"no answer within 0\.2 s"):
            getattr(probe, load)(budget)


def test_commands_that_a_user_may_not_send_are_left_out_and_named(
    breakable_redis: RedisServer,
) -> None:
    probe = RedisProbe(breakable_redis.add_user("app", "+ping", "+get", "~*"))
    taken, done = probe.command_latency(LITTLE), probe.throughput(LITTLE)
    assert set(taken.by_command) == {"PING", "GET"}
    assert set(taken.refused) == set(done.refused) == {"SET", "DEL"}
    assert "'app' send SET" in taken.refused["SET"]
    assert (done.mix, done.before) == (("GET",), None)
    breakable_redis.add_user("app", "+ping")
    assert set(probe.command_latency(LITTLE).by_command) == {"PING"}
    assert probe.throughput(LITTLE).mix == ("PING",)
    breakable_redis.add_user("app")
    for load in LOADS:
        with pytest.raises(MeasurementUnavailable, match="no command is taken from us"):
            getattr(probe, load)()
