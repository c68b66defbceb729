"""What a server tells of itself, read with care, and the slow log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.probes.redis.info import Info, Memory
from pytest_flowhealth.probes.redis.probe import RedisProbe
from tests.kit import redis as servers
from tests.kit.redis import RedisServer, free_port

needs_redis = pytest.mark.skipif(servers.REDIS_SERVER is None, reason="needs redis-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def test_fields() -> None:
    info = Info.of(
        b"# Memory\r\nused:12\r\nratio:1.5\r\nloading:1\r\nslave0:ip=::1,lag=0\r\nno\r\n"
    )
    assert info.whole("used") == 12
    assert info.real("ratio") == 1.5
    assert info.yes("loading")
    assert info.parts("slave0") == {"ip": "::1", "lag": "0"}
    assert (info.text("none"), info.whole("ratio"), info.real("slave0")) == (None, None, None)


@given(st.binary() | st.none() | st.lists(st.integers()))
def test_any_answer_is_read(reply: object) -> None:
    info = Info.of(reply)
    for name in ("", "a", "used_memory"):
        info.text(name), info.whole(name), info.real(name), info.parts(name)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "x", ""])
def test_a_number_is_finite(text: str) -> None:
    assert Info({"a": text}).real("a") is None


@pytest.mark.parametrize(
    ("maxmemory", "policy", "share"),
    [
        (200, "noeviction", 40.0),
        (200, None, 40.0),
        (200, "allkeys-lru", None),
        (0, "noeviction", None),
        (None, "noeviction", None),
    ],
)
def test_the_share_at_which_writes_are_refused(
    maxmemory: int | None, policy: str | None, share: float | None
) -> None:
    assert Memory(100, 100, 100, maxmemory, policy, 20, 1.0).share == share


@needs_redis
def test_a_server(server: RedisServer) -> None:
    (state,) = RedisProbe(server.url).state()
    assert state.place == f"127.0.0.1:{server.port}"
    assert state.memory.used
    assert state.memory.policy == "noeviction"
    assert state.clients.most == 10_000
    assert state.persistence.rdb_status == "ok"
    assert not state.persistence.aof
    assert (state.replication.primary, state.replication.replicas) == ("", ())


@needs_redis
def test_a_replica_and_its_primary(server: RedisServer, tmp_path: Path) -> None:
    arguments = ("--replicaof", "127.0.0.1", str(server.port))
    with RedisServer(tmp_path / "r", *arguments) as replica:
        replica.until_said(b"master_link_status:up", "INFO replication")
        (theirs,) = RedisProbe(replica.url).state()
        assert theirs.replication.primary == f"127.0.0.1:{server.port}"
        assert theirs.replication.link == "up"
        (ours,) = RedisProbe(server.url).state()
        while not ours.replication.replicas or ours.replication.replicas[0].state != "online":
            time.sleep(0.05)
            (ours,) = RedisProbe(server.url).state()
        assert ours.replication.replicas[0].place == f"127.0.0.1:{replica.port}"


@needs_redis
def test_a_replica_with_a_broken_link(tmp_path: Path) -> None:
    arguments = ("--replicaof", "127.0.0.1", str(free_port()))
    with RedisServer(tmp_path / "r", *arguments) as replica:
        (state,) = RedisProbe(replica.url).state()
        assert state.replication.link == "down"


@needs_redis
def test_the_slow_log(server: RedisServer) -> None:
    server.command("CONFIG", "SET", "slowlog-log-slower-than", 5_000)
    server.command("SLOWLOG", "RESET")
    probe = RedisProbe(server.url)
    server.command("DEBUG", "SLEEP", "0.02") if _debug(server) else _slow(server)
    (entry, *_) = [one for one in probe.slow_log(60) if one.command in {"DEBUG", "EVAL"}]
    assert entry.milliseconds >= 5
    assert 0 <= entry.age <= 60
    assert "s3cret" not in repr(entry)
    time.sleep(1.1)
    assert [one for one in probe.slow_log(0) if one.command in {"DEBUG", "EVAL"}] == []


def _debug(server: RedisServer) -> bool:
    return b"ERR" not in server.raw("DEBUG SLEEP 0")


def _slow(server: RedisServer) -> None:
    server.command(
        "EVAL", "local i = 0; while i < 3e6 do i = i + 1 end; return ARGV[1]", 0, "s3cret"
    )
