"""The checks of Redis, judged on what a server tells and on what was measured."""

from pathlib import Path
from typing import Any

import pytest

from checks import test_redis as checks
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.redis.info import SlowCommand
from pytest_flowhealth.probes.redis.load import Latency, Throughput
from pytest_flowhealth.probes.redis.probe import MAX_TIMEOUT, RedisProbe, RoundTrip
from pytest_flowhealth.probes.redis.topology import NodeView
from tests.kit.checks import assert_outcome, run_check
from tests.kit.redis_replies import state

DENIED = MeasurementUnavailable("Redis does not let user 'app' send INFO", remedy="allow it")
URL = "redis://127.0.0.1:1/0"
WELL = Latency((1.0,) * 40, {"PING": (1.0,) * 40}, (0.1,) * 40, {}, 10, 5)
QUICK = Throughput(20_000, 1.0, 0.5, ("SET", "GET"), {}, 10, 5)


def judge(
    folder: Path, name: str, env: dict[str, str] | None = None, **answers: Any
) -> CheckResult:
    """Run one check of a target whose Redis is never asked."""
    environment = {"FLOWHEALTH_REDIS_URL": URL, **(env or {})}
    return run_check(getattr(checks, f"test_{name}"), folder, env=environment, **answers)


def load(connect: Any = (1.0,) * 20, command: Any = WELL, throughput: Any = QUICK) -> checks.Load:
    """Return what a load measured; an error is raised by the check that needs the figure."""
    return checks.Load(connect, command, throughput)


LOST = CheckFailed("closed the connection after 40 answers")
SLUGGISH = Throughput(3_000, 1.0, 0.5, ("GET",), {"SET": "no"}, 1, 1)
SLOWLY = Latency((60.0,) * 40, {"PING": (60.0,) * 40}, (0.1,) * 40, {"DEL": "no"}, 10, 5)


@pytest.mark.parametrize(
    ("check", "measured", "outcome", "says"),
    [
        ("connect", {"connect": (1.0,) * 18 + (40.0,) * 3}, "warn", "connect.p95"),
        ("connect", {"connect": (250.0,) * 20}, "fail", "connect.p95"),
        ("connect", {"connect": (1.0,) * 19}, "unknown", "p95 needs at least 20"),
        ("connect", {"command": LOST}, "pass", ""),
        ("command", {"command": SLOWLY}, "fail", "command.p95"),
        ("command", {"command": LOST}, "fail", "after 40 answers"),
        ("throughput", {"throughput": LOST}, "fail", "after 40 answers"),
        ("throughput", {"throughput": SLUGGISH}, "warn", "throughput"),
    ],
)
def test_each_figure_of_the_load_is_judged_by_itself(
    tmp_path: Path, check: str, measured: dict[str, Any], outcome: str, says: str
) -> None:
    assert_outcome(judge(tmp_path, check, redis_load=load(**measured)), outcome, says)


GB = 1_000_000_000
PRIMARY: dict[str, Any] = {"role": "slave", "master_host": "10.0.0.1", "master_port": 7}
REPLICA: dict[str, Any] = {**PRIMARY, "master_link_status": "up"}
LOST_LINK = {**PRIMARY, "master_link_status": "down", "master_link_down_since_seconds": 1_234}
FILLED = {**PRIMARY, "master_link_status": "down", "master_sync_in_progress": 1}


VOLATILE = {"maxmemory_policy": "volatile-lru"}


def keys(keys: int, expires: int) -> dict[str, Any]:
    return {"db0": {"keys": keys, "expires": expires, "avg_ttl": 0}}


def with_replica(state: str, lag: int) -> dict[str, Any]:
    return {"connected_slaves": 1, "slave0": {"ip": "h", "port": 7, "state": state, "lag": lag}}


@pytest.mark.parametrize(
    ("check", "fields", "outcome", "says"),
    [
        ("memory", {"used_memory": 110_000_000}, "warn", "memory"),
        ("memory", {"used_memory": None}, "unknown", "INFO does not tell it"),
        ("memory", {"used_memory_rss": GB}, "warn", "holds 1,000 MB for 50 MB of data"),
        (
            "memory",
            {"used_memory_rss": GB},
            "warn",
            "(redis-cli -h 127.0.0.1 -p 6379 MEMORY PURGE)",
        ),
        ("memory", {"used_memory": GB, "used_memory_rss": GB // 2}, "warn", "swapped to disk"),
        ("maxmemory", {"maxmemory": GB, "maxmemory_policy": "allkeys-lru"}, "skip", "evicts keys"),
        ("maxmemory", {"maxmemory": GB}, "pass", ""),
        ("maxmemory", {"maxmemory": 57_471_264}, "warn", "maxmemory"),
        ("maxmemory", {"maxmemory": 50_000_000}, "fail", "maxmemory"),
        ("maxmemory", {"maxmemory": 50_000_000, **VOLATILE, **keys(100, 0)}, "fail", "maxmemory"),
        ("maxmemory", {"maxmemory": 50_000_000, **VOLATILE, **keys(100, 9)}, "fail", "maxmemory"),
        ("maxmemory", {"maxmemory": 50_000_000, **VOLATILE, **keys(100, 50)}, "skip", "makes room"),
        ("clients", {"connected_clients": 85}, "warn", "clients_share"),
        ("clients", {"connected_clients": 99}, "fail", "clients_share"),
        ("clients", {"maxclients": None}, "skip", "does not tell its maxclients"),
        ("persistence", {"loading": 1}, "fail", "still loading"),
        ("persistence", {"rdb_last_bgsave_status": "err"}, "fail", "could not save its last"),
        ("persistence", {"aof_last_write_status": "err"}, "fail", "append-only file"),
        ("persistence", {"aof_last_bgrewrite_status": "err"}, "warn", "could not rewrite"),
        ("replication", REPLICA, "pass", ""),
        ("replication", LOST_LINK, "fail", "has no link to 10.0.0.1:7 for 1,234 s"),
        ("replication", FILLED, "warn", "is being filled from 10.0.0.1:7"),
        ("replication", with_replica("online", 10), "pass", ""),
        ("replication", with_replica("online", 11), "warn", "h:7 of 127.0.0.1:6379 is 11 s behind"),
        ("replication", with_replica("wait_bgsave", 0), "warn", "is not online: wait_bgsave"),
        ("version", {"redis_version": "6.2.0"}, "pass", ""),
        ("version", {"redis_version": "5.0.14"}, "warn", "Redis 5.0.14 is older than 6.2"),
    ],
)
def test_what_a_server_tells_is_judged(
    tmp_path: Path, check: str, fields: dict[str, Any], outcome: str, says: str
) -> None:
    assert_outcome(judge(tmp_path, check, redis_state=(state(**fields),)), outcome, says)


def test_a_primary_where_a_replica_is_meant_warns(tmp_path: Path) -> None:
    meant = {"FLOWHEALTH_REDIS_REPLICA": "true"}
    ours = state(**with_replica("online", 0))
    assert_outcome(judge(tmp_path, "replication", meant, redis_state=(ours,)), "warn", "a primary")
    theirs = state(**REPLICA)
    assert_outcome(judge(tmp_path, "replication", meant, redis_state=(theirs,)), "pass")


@pytest.mark.parametrize(
    ("check", "answers", "outcome", "says"),
    [
        ("memory", {"redis_state": DENIED}, "unknown", "'app' send INFO"),
        ("maxmemory", {"redis_state": DENIED}, "skip", "'app' send INFO"),
        ("topology", {"redis_state": DENIED, "redis_views": ()}, "skip", "'app' send INFO"),
        ("clients", {"redis_state": DENIED}, "unknown", "'app' send INFO"),
        ("persistence", {"redis_state": DENIED}, "skip", "'app' send INFO"),
        ("replication", {"redis_state": DENIED}, "skip", "'app' send INFO"),
        ("version", {"redis_state": DENIED}, "skip", "'app' send INFO"),
        ("slowlog", {"redis_slow": DENIED}, "skip", "'app' send INFO"),
        (
            "slowlog",
            {"redis_slow": (SlowCommand("h:1", "KEYS", 20.0, 5.0),) * 11},
            "warn",
            "slow_command",
        ),
        ("topology", {"redis_state": (state(),), "redis_views": ()}, "skip", "names one server"),
    ],
)
def test_what_may_not_be_asked_is_never_a_pass(
    tmp_path: Path, check: str, answers: dict[str, Any], outcome: str, says: str
) -> None:
    assert_outcome(judge(tmp_path, check, **answers), outcome, says)


SENTINELS = {"FLOWHEALTH_REDIS_URL": "redis+sentinel://a,b/mymaster"}


@pytest.mark.parametrize(
    ("seen", "outcome", "says"),
    [
        ((NodeView("a", primary="h:1"), NodeView("b", primary="h:1")), "pass", ""),
        ((NodeView("a", primary="h:1"), NodeView("b", problem="down")), "warn", "b: down"),
        ((NodeView("a", problem="x"), NodeView("b", problem="y")), "fail", "a: x; b: y"),
        (
            (NodeView("a", primary="h:1"), NodeView("b", primary="h:2")),
            "fail",
            "different primaries",
        ),
    ],
)
def test_sentinels_must_agree_and_one_may_be_down(
    tmp_path: Path, seen: tuple[NodeView, ...], outcome: str, says: str
) -> None:
    assert_outcome(
        judge(tmp_path, "topology", SENTINELS, redis_state=(), redis_views=seen), outcome, says
    )


@pytest.mark.parametrize(
    ("refused", "replica", "outcome", "says"),
    [
        ({}, "false", "pass", ""),
        ({"DEL": "no right"}, "false", "pass", ""),
        ({"SET": "no right to send SET"}, "false", "skip", "not checked: no right to send SET"),
        ({}, "true", "skip", "nothing is written to a replica"),
    ],
)
def test_a_round_trip_that_is_not_allowed_is_no_failure(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: dict[str, str],
    replica: str,
    outcome: str,
    says: str,
) -> None:
    monkeypatch.setattr(RedisProbe, "roundtrip", lambda _: RoundTrip(refused))
    result = judge(tmp_path, "roundtrip", {"FLOWHEALTH_REDIS_REPLICA": replica})
    assert_outcome(result, outcome, says)
    if outcome == "pass":
        assert result.details == ({"not_checked": refused} if refused else {})


def test_the_probe_follows_the_configuration(tmp_path: Path) -> None:
    from pytest_flowhealth.config.load import load_target

    env = {"REDIS_URL": URL, "REDIS_PREFIX": "x:", "REDIS_REPLICA": "true", "REDIS_TIMEOUT": "9 h"}
    variables = {f"FLOWHEALTH_{name}": value for name, value in env.items()}
    probe = RedisProbe.from_target(load_target(tmp_path, variables, tmp_path))
    assert (probe.address.place, probe.prefix) == ("127.0.0.1:1", "x:")
    assert (probe.writes, probe.timeout) == (False, MAX_TIMEOUT)


@pytest.mark.parametrize(
    ("fields", "outcome", "says"),
    [
        ({}, "pass", ""),
        ({"maxmemory_policy": "allkeys-lru"}, "pass", ""),  # without a limit nothing is evicted
        ({"maxmemory": GB, "maxmemory_policy": "allkeys-lru"}, "warn", "requires noeviction"),
        ({"maxmemory": GB, **VOLATILE, "evicted_keys": 7}, "warn", "7 keys were evicted"),
        (
            {"maxmemory": GB, "maxmemory_policy": "allkeys-lfu", "evicted_keys": 7},
            "fail",
            "7 keys were evicted",
        ),
    ],
)
def test_a_policy_that_may_evict_jobs_is_reported(
    tmp_path: Path, fields: dict[str, Any], outcome: str, says: str
) -> None:
    answers: dict[str, Any] = {"redis_state": (state(**fields),)}
    without = judge(tmp_path, "eviction", **answers)
    assert_outcome(without, "skip", "uses no queue library")
    (tmp_path / "package.json").write_text('{"name": "app", "dependencies": {"bullmq": "^5"}}')
    assert_outcome(judge(tmp_path, "eviction", **answers), outcome, says)


@pytest.mark.parametrize(
    ("fields", "outcome", "says"),
    [
        ({"cluster_enabled": 1, "redis_mode": "cluster"}, "warn", "is a node of a cluster"),
        ({"redis_mode": "sentinel"}, "fail", "is a Sentinel"),
        ({"redis_mode": "cluster", "cluster_enabled": 0}, "skip", "names one server"),
    ],
)
def test_a_plain_address_of_a_cluster_or_a_sentinel_is_reported(
    tmp_path: Path, fields: dict[str, Any], outcome: str, says: str
) -> None:
    answers: dict[str, Any] = {"redis_state": (state(**fields),), "redis_views": ()}
    assert_outcome(judge(tmp_path, "topology", **answers), outcome, says)
