"""The application's Redis broken in every way: redis.connect, or what really fails, is the root cause."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.app import App
from tests.kit.redis import (
    HTTP_400,
    RedisServer,
    Way,
    closing,
    dripping,
    echoing,
    free_port,
    proxy,
    saying,
    silent,
    tcp_server,
)
from tests.kit.runs import PASSWORD, Run, RunHealth

AFTER_CONNECT = (
    *("redis.ping", "redis.roundtrip", "redis.command", "redis.throughput"),
    *("redis.memory", "redis.maxmemory", "redis.clients", "redis.persistence"),
    *("redis.replication", "redis.topology", "redis.slowlog", "redis.version"),
)
ONLY = ("--health-component", "redis")


@pytest.fixture
def check(app: App, run_health: RunHealth) -> Callable[..., Run]:
    """Return a function that runs the checks of Redis against an address."""

    def run(url: str, *args: str, timeout: str = "1 s") -> Run:
        env = {"FLOWHEALTH_REDIS_URL": url, "FLOWHEALTH_REDIS_TIMEOUT": timeout}
        return run_health(app, *(args or ONLY), env=env)

    return run


def test_down(app: App, run_health: RunHealth) -> None:
    """In the whole run: the other components are as they were."""
    run = run_health(app, env={"FLOWHEALTH_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})

    run.assert_fault("redis.connect", 2, "no Redis listens at", blocked=AFTER_CONNECT)
    others = {name for name in run.health["components"] if name != "redis"}
    assert {run.status_of(name) for name in others} == {"healthy"}
    assert len(run.reasons) == 1


def test_suspended(tmp_path: Path, check: Callable[..., Run]) -> None:
    with RedisServer(tmp_path / "redis") as server:
        server.suspend()
        run = check(server.url)

    run.assert_fault("redis.connect", 2, "no answer within 1 s", blocked=AFTER_CONNECT)


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (silent, "no answer within 1 s"),
        (dripping, "no answer within 1 s"),
        (saying(HTTP_400), "127.0.0.1"),
        (saying(b"\x00\xff\x1b[31m\r\n" * 50), "127.0.0.1"),
        (saying(b"*99999999\r\n"), "127.0.0.1"),
        (echoing, "127.0.0.1"),
        (closing, "closed"),
    ],
    ids=["silent", "dripping", "http", "binary", "endless", "echo", "closing"],
)
def test_no_redis_at_all(
    check: Callable[..., Run],
    talk: Callable[[socket.socket, threading.Event], None],
    says: str,
) -> None:
    with tcp_server(talk) as port:
        run = check(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")

    run.assert_fault("redis.connect", 2, says, blocked=AFTER_CONNECT)


@pytest.mark.parametrize(("milliseconds", "code"), [(40, 1), (250, 2)], ids=["warns", "fails"])
def test_slow(
    app: App, run_health: RunHealth, redis: RedisServer, milliseconds: int, code: int
) -> None:
    with proxy(redis.port, Way(delay=milliseconds / 1_000)) as port:
        # The load of this machine must not make the one into the other.
        env = {
            "FLOWHEALTH_REDIS_URL": f"redis://127.0.0.1:{port}/0",
            "FLOWHEALTH_THRESHOLDS": f"redis.connect.p95=10:{10_000 if code == 1 else 100},redis.command.p95=1000:9000",
        }
        run = run_health(app, *ONLY, env=env, calm=False)

    run.assert_fault("redis.connect", code, "connect")
    assert run.blocked == ({} if code == 1 else dict.fromkeys(AFTER_CONNECT, "redis.connect"))


@pytest.mark.parametrize(
    ("given", "asked"), [("wrong", PASSWORD), (None, PASSWORD)], ids=["wrong", "none"]
)
def test_password(tmp_path: Path, check: Callable[..., Run], given: str | None, asked: str) -> None:
    with RedisServer(tmp_path / "redis", password=asked) as server:
        run = check(server.url_of(password=given))

    run.assert_fault("redis.connect", 2, "password", blocked=AFTER_CONNECT)


def test_password_that_nobody_asked_for(redis: RedisServer, check: Callable[..., Run]) -> None:
    """Redis takes a client without a password, and refuses one with it."""
    run = check(redis.url_of(password=PASSWORD))

    run.assert_fault("redis.connect", 2, "password", blocked=AFTER_CONNECT)


def test_full(tmp_path: Path, check: Callable[..., Run]) -> None:
    arguments = ("--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
    with RedisServer(tmp_path / "redis", *arguments) as server:
        server.fill()
        run = check(server.url)

    run.assert_fault("redis.roundtrip", 2, "maxmemory")
    assert run.outcomes["redis.connect"] == "pass"


def test_too_many_clients(tmp_path: Path, check: Callable[..., Run]) -> None:
    with (
        RedisServer(tmp_path / "redis", "--maxclients", "1") as server,
        socket.create_connection(("127.0.0.1", server.port)) as other,
    ):
        other.sendall(b"PING\r\n")
        other.recv(16)
        run = check(server.url)

    run.assert_fault("redis.connect", 2, "client", blocked=AFTER_CONNECT)


def test_read_only_replica(tmp_path: Path, redis: RedisServer, check: Callable[..., Run]) -> None:
    arguments = ("--replicaof", "127.0.0.1", str(redis.port))
    with RedisServer(tmp_path / "redis", *arguments) as server:
        run = check(server.url)

    run.assert_fault("redis.roundtrip", 2, "read-only replica")


def test_user_who_may_not_write(tmp_path: Path, check: Callable[..., Run]) -> None:
    with RedisServer(tmp_path / "redis") as server:
        server.command("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+@read", "+ping")
        run = check(server.url_of(user="reader", password=PASSWORD))

    # Nothing failed; but two thresholds need INFO, which may not be asked either.
    assert run.outcomes["redis.roundtrip"] == "skip"
    assert "'reader' send SET" in run.check("redis.roundtrip")["message"]
    assert run.outcomes["redis.command"] == "pass"
    assert set(run.check("redis.command")["details"]["not_looked_at"]) == {"SET", "DEL"}
    run.assert_fault("redis.memory", 3, "'reader' send INFO")
    assert {name for name, outcome in run.outcomes.items() if outcome == "unknown"} == {
        *("redis.memory", "redis.clients")
    }


def test_tls_on_a_plain_port(redis: RedisServer, check: Callable[..., Run]) -> None:
    run = check(redis.url_of(scheme="rediss"))

    run.assert_fault("redis.connect", 2, blocked=AFTER_CONNECT)


def test_database_that_is_not_there(redis: RedisServer, check: Callable[..., Run]) -> None:
    run = check(redis.url_of(db=99))

    run.assert_fault("redis.connect", 2, "99", blocked=AFTER_CONNECT)


def test_host_that_is_not_there(check: Callable[..., Run]) -> None:
    run = check(f"redis://:{PASSWORD}@no-such-host.invalid:6379/0")

    run.assert_fault("redis.connect", 2, "no-such-host.invalid", blocked=AFTER_CONNECT)


def test_socket_that_is_not_there(check: Callable[..., Run]) -> None:
    run = check("unix:///no/such.sock")

    run.assert_fault("redis.connect", 2, "/no/such.sock", blocked=AFTER_CONNECT)


@pytest.mark.parametrize(
    "url",
    ["localhost:6379", "http://127.0.0.1/", "redis://127.0.0.1:99999/", "redis://[::1", "nonsense"],
)
def test_address_that_is_none(check: Callable[..., Run], url: str) -> None:
    run = check(url)

    assert run.exit_code in {2, 3, 4}, run.text
    assert "redis.url" in run.text


def test_under_xdist(check: Callable[..., Run]) -> None:
    run = check(f"redis://127.0.0.1:{free_port()}/0", *ONLY, "-n", "2")

    # What needs no server to know that it does not apply may have said so before, on the other worker.
    after = set(AFTER_CONNECT) - {"redis.topology"}
    run.assert_fault("redis.connect", 2, "no Redis listens at", blocked=after)
    assert run.outcomes["redis.topology"] == "skip"
    assert len(run.reasons) == 1
