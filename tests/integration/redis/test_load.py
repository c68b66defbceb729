"""The load on a real Redis: how much it is, what it measures, and what becomes of it when it breaks."""

import itertools
import socket
import threading

import pytest

from pytest_flowhealth.domain.statistics import compute
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.redis.probe import RedisProbe
from tests.kit.redis import RedisServer, proxy, tcp_server
from tests.kit.waiting import wait_for

LOADS = ("command_latency", "throughput")
TRIED = (b"+PONG\r\n", b"+OK\r\n", b"$-1\r\n", b":0\r\n")
"""Answers to PING, SET, GET and DEL, each of which is tried once before the load."""


def test_as_many_commands_are_sent_as_documented(breakable_redis: RedisServer) -> None:
    taken = RedisProbe(breakable_redis.url).command_latency(2_000, seconds=60)
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


def test_as_many_pipelined_commands_and_connections_are_made_as_documented(
    breakable_redis: RedisServer,
) -> None:
    probe = RedisProbe(breakable_redis.url)
    done = probe.throughput(20_000, seconds=60)
    sent = breakable_redis.calls()
    assert done.commands == 20_100
    assert (sent["set"], sent["get"]) == (2_010 + 1, 18_090 + 1)
    assert 0 < done.waiting < done.seconds
    assert done.mix == ("SET", "GET")
    assert done.sent < 2_000_000
    assert breakable_redis.keys() == []

    breakable_redis.command("CONFIG", "RESETSTAT")
    assert len(probe.connect_latency(50, seconds=60)) == 50
    assert breakable_redis.calls()["ping"] == 50
    assert breakable_redis.command("INFO", "stats")["total_connections_received"] == 50


def test_a_far_server_ends_the_load_early_with_enough_samples(redis: RedisServer) -> None:
    with proxy(redis.port, 0.02) as port:
        probe = RedisProbe(f"redis://127.0.0.1:{port}/0")
        taken = probe.command_latency()
        samples = probe.connect_latency()
    assert 20 <= len(taken.samples) < 100
    assert compute("p95", taken.samples) >= 20
    assert 20 <= len(samples) < 100
    assert min(samples) >= 20


def test_a_pause_of_the_server_is_in_the_samples() -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        for number, answer in enumerate(itertools.cycle(TRIED)):
            if not connection.recv(4096):
                return
            over.wait(0.3 if number == 100 else 0)
            connection.sendall(answer)

    with tcp_server(talk) as port:
        taken = RedisProbe(f"redis://127.0.0.1:{port}/0").command_latency(120, seconds=60)
    assert max(taken.samples) >= 300


@pytest.mark.parametrize(
    ("load", "answers", "says"),
    [
        ("command_latency", [b"?!\r\n"], "is no Redis"),
        ("command_latency", [b"+odd\r\n"], "it answered PING with b'odd'"),
        ("throughput", [b"+odd\r\n"], "it answered SET with b'odd'"),
        ("throughput", [b"?!\r\n"], "is no Redis"),
        ("command_latency", [b"+PONG\r\n", b"+O"], "closed the connection after 1 answers"),
        ("throughput", [b"+OK\r\n$"], "closed the connection after 1 answers"),
    ],
)
def test_half_an_answer_or_garbage_midway_is_told(
    load: str, answers: list[bytes], says: str
) -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        for answer in (*TRIED, *answers):
            connection.recv(1 << 20)
            connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        over.wait()

    with tcp_server(talk) as port, pytest.raises(CheckFailed, match=says):
        getattr(RedisProbe(f"redis://127.0.0.1:{port}/0"), load)()


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
            getattr(RedisProbe(breakable_redis.url, timeout=0.5), load)(10**9, seconds=60)
    finally:
        actor.join()


def test_commands_that_a_user_may_not_send_are_left_out_and_named(
    breakable_redis: RedisServer,
) -> None:
    probe = RedisProbe(breakable_redis.add_user("app", "+ping", "+get", "~*"))
    taken, done = probe.command_latency(120, seconds=60), probe.throughput(120, seconds=60)
    assert set(taken.by_command) == {"PING", "GET"}
    assert set(taken.refused) == set(done.refused) == {"SET", "DEL"}
    assert "'app' send SET" in taken.refused["SET"]
    assert done.mix == ("GET",)
    breakable_redis.add_user("app")
    for load in LOADS:
        with pytest.raises(MeasurementUnavailable, match="no command is taken from us"):
            getattr(probe, load)()
