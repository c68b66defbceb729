"""The component `redis` by the whole command: one run for each kind of outcome, and what it leaves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.redis import RedisServer, closed_port, echoing, proxy, tcp_server
from tests.kit.runs import PASSWORD, Run, run_components

AFTER_CONNECT = (
    *("redis.ping", "redis.roundtrip", "redis.command", "redis.throughput"),
    *("redis.memory", "redis.maxmemory", "redis.eviction", "redis.clients", "redis.persistence"),
    *("redis.replication", "redis.topology", "redis.slowlog", "redis.version"),
)
NOT_HERE = {"redis.eviction", "redis.maxmemory", "redis.replication", "redis.topology"}
"""Checks that do not apply to a single server without limits."""

COMMANDS = ("auth", "ping", "set", "get", "del", "info", "time", "slowlog|get")
"""All that is ever sent to a single server."""

Check = Callable[..., Run]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return a function that runs the checks of Redis against an address."""

    def run(url: str, *components: str, calm: bool = True, **env: str) -> Run:
        variables = {"FLOWHEALTH_REDIS_URL": url, "FLOWHEALTH_REDIS_TIMEOUT": "5 s", **env}
        return run_components(tmp_path, "redis", *components, env=variables, calm=calm)

    return run


def test_a_whole_server_is_healthy_and_only_our_keys_are_touched_by_the_documented_commands(
    breakable_redis: RedisServer, check: Check
) -> None:
    prefix = "another/{tag}:"
    breakable_redis.command("SET", "another/tag", "theirs")
    breakable_redis.command("RPUSH", "another/{tag}", "1", "2")
    before = breakable_redis.dump()
    breakable_redis.command("ACL", "LOG", "RESET")
    rights = [f"+{command}" for command in COMMANDS]
    url = breakable_redis.add_user("app", f"~{prefix}check:*", *rights, password=PASSWORD)

    run = check(url, FLOWHEALTH_REDIS_PREFIX=prefix)

    run.assert_healthy()
    assert {name for name, outcome in run.outcomes.items() if outcome == "skip"} == NOT_HERE
    _assert_figures(run)
    assert breakable_redis.command("ACL", "LOG") == []
    assert breakable_redis.dump() == before


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
    check: Check,
) -> None:
    run = check(f"redis://127.0.0.1:{closed_port()}/0", "system")

    run.assert_fault("redis.connect", 2, "no Redis listens at", blocked=AFTER_CONNECT)
    assert run.status_of("system") == "healthy"
    assert len(run.reasons) == 1


def test_a_slow_way_warns_of_the_connection_and_fails_the_commands(
    redis: RedisServer, check: Check
) -> None:
    limits = "redis.connect.p95=10:10000,redis.command.p95=5:20"
    with proxy(redis.port, 0.04) as port:
        url = f"redis://127.0.0.1:{port}/0"
        run = check(url, calm=False, FLOWHEALTH_THRESHOLDS=limits)

    run.assert_fault("redis.command", 2, "command.p95")
    assert run.outcomes["redis.connect"] == "warn"
    assert "connect.p95" in run.check("redis.connect")["message"]
    assert run.blocked == {}


def test_what_a_user_may_not_ask_is_unknown_or_skipped(
    breakable_redis: RedisServer, check: Check
) -> None:
    run = check(breakable_redis.add_user("reader", "~*", "+@read", "+ping", password=PASSWORD))

    assert run.outcomes["redis.roundtrip"] == "skip"
    assert "'reader' send SET" in run.check("redis.roundtrip")["message"]
    assert run.outcomes["redis.command"] == "pass"
    assert set(run.check("redis.command")["details"]["not_checked"]) == {"SET", "DEL"}
    # Nothing failed; but two thresholds need INFO, which may not be asked either.
    run.assert_fault("redis.memory", 3, "'reader' send INFO")
    unknown = {name for name, outcome in run.outcomes.items() if outcome == "unknown"}
    assert unknown == {"redis.memory", "redis.clients"}


def test_a_server_that_sends_the_password_back_is_no_redis_and_the_password_is_not_shown(
    check: Check,
) -> None:
    with tcp_server(echoing) as port:
        run = check(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")

    run.assert_fault("redis.connect", 2, "is no Redis", blocked=AFTER_CONNECT)


@pytest.mark.parametrize("name", ["FLOWHEALTH_REDIS_URL", "REDIS_URL"])
def test_what_is_no_address_is_reported_by_the_check(tmp_path: Path, name: str) -> None:
    (tmp_path / "package.json").write_text('{"name": "app", "dependencies": {"ioredis": "*"}}')
    run = run_components(tmp_path, "redis", env={name: f"redis://:{PASSWORD}@127.0.0.1:99999/"})

    run.assert_fault("redis.connect", 2, name, "no address", blocked=AFTER_CONNECT)
