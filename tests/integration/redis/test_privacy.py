"""No key of another's is touched, and none of ours is left: the server itself tells what it did."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.app import App
from tests.kit.redis import RedisServer
from tests.kit.runs import RunHealth, environment

ONLY = ("--health-component", "redis")
KEYLESS = {
    *("client", "hello", "ping", "info", "select", "auth", "quit", "command", "time", "role"),
    "slowlog",
}
OF_ONE_KEY = {"set", "get", "del", "unlink", "exists", "expire", "pexpire", "ttl", "getdel"}


class Monitor:
    """What a server was asked, by its own MONITOR; lines as `TIME [DB ADDRESS] "WORD" ...`."""

    def __init__(self, server: RedisServer) -> None:
        self._link = socket.create_connection(("127.0.0.1", server.port))
        self._link.sendall(b"MONITOR\r\n")
        self._heard = self._link.makefile("rb")
        assert self._heard.readline() == b"+OK\r\n"

    def commands(self, server: RedisServer) -> Iterator[list[str]]:
        """Yield each command since the last call, lower-cased name first."""
        server.command("ECHO", "enough")
        for line in self._heard:
            words = [word.strip('"') for word in line.decode().split("] ", 1)[1].split()]
            if words[0].lower() == "echo":
                return
            yield [words[0].lower(), *words[1:]]

    def close(self) -> None:
        """End it."""
        self._heard.close()
        self._link.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Start a Redis with keys of another's, some of which look like ours."""
    with RedisServer(tmp_path / "redis") as server:
        server.command("SET", "flowhealth", "theirs")
        server.command("SET", "shop:orders", "theirs")
        server.command("RPUSH", "flowhealth-other:list", "1", "2")
        yield server


@pytest.fixture
def monitor(server: RedisServer) -> Iterator[Monitor]:
    """Listen to what the server is asked."""
    monitor = Monitor(server)
    yield monitor
    monitor.close()


@pytest.mark.parametrize("prefix", ["flowhealth:", "another/{tag}:"])
def test_touches_its_own_keys_only(
    app: App, run_health: RunHealth, server: RedisServer, monitor: Monitor, prefix: str
) -> None:
    before = server.keys()
    list(monitor.commands(server))  # what this test asked itself
    env = {"FLOWHEALTH_REDIS_URL": server.url, "FLOWHEALTH_REDIS_PREFIX": prefix}

    run_health(app, env=env).assert_healthy()

    asked = list(monitor.commands(server))
    keys = {words[1] for words in asked if words[0] in OF_ONE_KEY}
    assert {words[0] for words in asked} <= KEYLESS | OF_ONE_KEY
    assert keys
    assert {key for key in keys if not key.startswith(prefix)} == set()
    assert server.keys() == before
    for words in asked:
        if words[0] == "set":
            assert {"ex", "px"} & {word.lower() for word in words}


def test_two_runs_have_two_keys(
    app: App, run_health: RunHealth, server: RedisServer, monitor: Monitor
) -> None:
    for _ in range(2):
        run_health(app, *ONLY, env={"FLOWHEALTH_REDIS_URL": server.url}).assert_healthy()

    written = [words[1] for words in monitor.commands(server) if words[0] == "set"]
    # In each run one for the round trip, one for the commands, one for the pipelines.
    assert len(set(written)) == 2 * 3
    assert len(written) < 2 * 3_000


def test_killed_in_the_middle(app: App, server: RedisServer) -> None:
    """The key that is there when it is killed goes by itself, and the report says unknown."""
    before = server.keys()
    # Without a DEL that works, the key is still there whenever the signal arrives.
    server.command("ACL", "SETUSER", "default", "-del", "-unlink", "-getdel")
    env = {"FLOWHEALTH_REDIS_URL": server.url}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--health", *ONLY, "-p", "no:cacheprovider"],
        cwd=app.folder,
        env=environment(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (left := set(server.keys()) - set(before)) and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    for key in left:
        assert key.startswith(b"flowhealth:")
        assert 0 < server.command("PTTL", key) <= 15_000
    assert left
    while set(server.keys()) - set(before):
        time.sleep(0.1)
    assert server.keys() == before


def test_server_that_does_not_delete(app: App, run_health: RunHealth, server: RedisServer) -> None:
    """The keys stay then, but not for long; that DEL could not be looked at is told."""
    before = server.keys()
    server.command("ACL", "SETUSER", "default", "-del", "-unlink", "-getdel")

    run = run_health(app, *ONLY, env={"FLOWHEALTH_REDIS_URL": server.url})

    run.assert_healthy()
    assert set(run.check("redis.roundtrip")["details"]["not_looked_at"]) == {"DEL"}
    left = set(server.keys()) - set(before)
    assert {server.command("PTTL", key) <= 15_000 for key in left} <= {True}
    assert {server.command("PTTL", key) > 0 for key in left} <= {True}
