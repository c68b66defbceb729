"""The component `redis` by the whole command: one run for each kind of outcome, and what it leaves."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.redis import (
    RedisServer,
    Way,
    closed_port,
    echoing,
    proxy,
    tcp_server,
)
from tests.kit.runs import PASSWORD, Run, environment, run_components
from tests.kit.waiting import wait_for

AFTER_CONNECT = (
    *("redis.ping", "redis.roundtrip", "redis.command", "redis.throughput"),
    *("redis.memory", "redis.maxmemory", "redis.clients", "redis.persistence"),
    *("redis.replication", "redis.topology", "redis.slowlog", "redis.version"),
)
NOT_HERE = {"redis.maxmemory", "redis.replication", "redis.topology"}
"""Checks that do not apply to a single server without limits."""

KEYLESS = {"client", "hello", "ping", "info", "select", "auth", "quit", "time", "role", "slowlog"}
OF_ONE_KEY = {"set", "get", "del", "unlink", "exists", "expire", "pexpire", "ttl", "getdel"}


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Run]:
    """Return a function that runs the checks of Redis against an address."""

    def run(url: str, *components: str, calm: bool = True, **env: str) -> Run:
        variables = {"FLOWHEALTH_REDIS_URL": url, "FLOWHEALTH_REDIS_TIMEOUT": "5 s", **env}
        return run_components(tmp_path, "redis", *components, env=variables, calm=calm)

    return run


class Monitor:
    """What a server is asked, by its own MONITOR: lines as `TIME [DB ADDRESS] "WORD" ...`."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._link = socket.create_connection(("127.0.0.1", server.port))
        self._link.sendall(b"MONITOR\r\n")
        self._lines = self._link.makefile("rb")
        assert self._lines.readline() == b"+OK\r\n"

    def commands(self) -> Iterator[list[str]]:
        """Yield each command so far, lower-cased name first, and end."""
        self._server.command("ECHO", "enough")
        for line in self._lines:
            words = shlex.split(line.decode().split("] ", 1)[1])
            if words[0].lower() == "echo":
                break
            yield [words[0].lower(), *words[1:]]
        self._lines.close()
        self._link.close()


def test_a_whole_server_is_healthy_and_only_keys_of_ours_are_touched(
    redis: RedisServer, check: Callable[..., Run]
) -> None:
    prefix = "another/{tag}:"
    redis.command("SET", "another/tag", "theirs")
    redis.command("RPUSH", "another/{tag}", "1", "2")
    before = redis.dump()
    monitor = Monitor(redis)

    run = check(redis.url, FLOWHEALTH_REDIS_PREFIX=prefix)

    asked = list(monitor.commands())
    run.assert_healthy()
    assert {name for name, outcome in run.outcomes.items() if outcome == "skip"} == NOT_HERE
    _assert_figures(run)
    keys = {words[1] for words in asked if words[0] in OF_ONE_KEY}
    assert {words[0] for words in asked} <= KEYLESS | OF_ONE_KEY
    # One for the round trip, one for the commands, one for the pipelines.
    assert len(keys) == 3
    assert {key for key in keys if not key.startswith(f"{prefix}check:")} == set()
    assert all({"EX", "PX"} & {*words} for words in asked if words[0] == "set")
    assert redis.dump() == before


def _assert_figures(run: Run) -> None:
    measurements = [one for check in run.health["checks"] for one in check["measurements"]]
    found = {one["name"]: one.get("value", one.get("stats")) for one in measurements}
    assert min(found[name]["count"] for name in ("connect", "command")) >= 20
    command = found["command"]
    assert 0 < command["median"] <= command["p95"] <= command["max"]
    assert found["throughput"] > 0
    assert 0 < found["memory"] < 100
    details = run.check("redis.command")["details"]
    assert set(details["commands"]) == {"PING", "SET", "GET", "DEL"}
    assert all(one["p50_ms"] <= one["p95_ms"] for one in details["commands"].values())
    assert details["client_ms"] > 0
    assert run.shows("redis.command.p95")


def test_a_server_that_is_down_is_the_root_cause_and_other_components_are_as_they_were(
    check: Callable[..., Run],
) -> None:
    run = check(f"redis://127.0.0.1:{closed_port()}/0", "system")

    run.assert_fault("redis.connect", 2, "no Redis listens at", blocked=AFTER_CONNECT)
    assert run.status_of("system") == "healthy"
    assert len(run.reasons) == 1


def test_a_slow_way_warns_of_the_connection_and_fails_the_commands(
    redis: RedisServer, check: Callable[..., Run]
) -> None:
    limits = "redis.connect.p95=10:10000,redis.command.p95=5:20"
    with proxy(redis.port, Way(delay=0.04)) as port:
        url = f"redis://127.0.0.1:{port}/0"
        run = check(url, calm=False, FLOWHEALTH_THRESHOLDS=limits)

    run.assert_fault("redis.command", 2, "command.p95")
    assert run.outcomes["redis.connect"] == "warn"
    assert "connect.p95" in run.check("redis.connect")["message"]
    assert run.blocked == {}


def test_what_a_user_may_not_ask_is_unknown_or_skipped(
    breakable_redis: RedisServer, check: Callable[..., Run]
) -> None:
    run = check(breakable_redis.add_user("reader", "~*", "+@read", "+ping", password=PASSWORD))

    assert run.outcomes["redis.roundtrip"] == "skip"
    assert "'reader' send SET" in run.check("redis.roundtrip")["message"]
    assert run.outcomes["redis.command"] == "pass"
    assert set(run.check("redis.command")["details"]["not_looked_at"]) == {"SET", "DEL"}
    # Nothing failed; but two thresholds need INFO, which may not be asked either.
    run.assert_fault("redis.memory", 3, "'reader' send INFO")
    unknown = {name for name, outcome in run.outcomes.items() if outcome == "unknown"}
    assert unknown == {"redis.memory", "redis.clients"}


def test_a_server_that_sends_the_password_back_is_no_redis_and_the_password_is_not_shown(
    check: Callable[..., Run],
) -> None:
    with tcp_server(echoing) as port:
        run = check(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")

    run.assert_fault("redis.connect", 2, "is no Redis", blocked=AFTER_CONNECT)


def test_what_is_no_address_is_told_with_its_setting(check: Callable[..., Run]) -> None:
    run = check("redis://127.0.0.1:99999/")

    assert run.exit_code == 4
    assert "redis.url" in run.text


def test_a_server_that_is_killed_midway_fails_the_commands_and_not_the_connection(
    breakable_redis: RedisServer, check: Callable[..., Run]
) -> None:
    breakable_redis.configure(notify_keyspace_events="KEA")
    with socket.create_connection(("127.0.0.1", breakable_redis.port)) as link:
        link.sendall(b"PSUBSCRIBE __keyspace@0__:flowhealth:*\r\n")
        link.recv(4096)

        def kill() -> None:
            for _ in range(20):
                link.recv(4096)
            breakable_redis.stop()

        killer = threading.Thread(target=kill)
        killer.start()
        run = check(breakable_redis.url)
        killer.join()

    assert run.exit_code == 2, run.text
    assert run.outcomes["redis.connect"] == "pass"
    assert run.outcomes["redis.command"] == "fail"
    assert "closed the connection after" in run.check("redis.command")["message"]


def test_a_run_that_is_killed_midway_leaves_a_key_that_expires_and_a_report_of_unknown(
    tmp_path: Path, breakable_redis: RedisServer
) -> None:
    # Without a DEL that works, the key is still there whenever the signal arrives.
    breakable_redis.command("ACL", "SETUSER", "default", "-del", "-unlink", "-getdel")
    (tmp_path / "package.json").write_text('{"name": "app"}')
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "--health",
            "--health-component=redis",
            "-p",
            "no:cacheprovider",
        ],
        cwd=tmp_path,
        env=environment({"FLOWHEALTH_REDIS_URL": breakable_redis.url}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    left = wait_for(breakable_redis.keys)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    for key in left:
        assert key.startswith(b"flowhealth:check:")
        assert breakable_redis.command("PTTL", key) <= 10_000
        assert breakable_redis.command("PTTL", key) != -1
    report = json.loads((tmp_path / ".flowhealth/report.json").read_text())
    assert report["health"]["status"] == "unknown"
