"""The source redis-swarm on a real Redis, filled as claude-flow-novice fills it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import ProbeError, Unmeasured
from pytest_flowhealth.probes.fleet import figures
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.sources.bullmq import BullMQ
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records
from pytest_flowhealth.probes.fleet.sources.redis_swarm import RedisSwarm
from pytest_flowhealth.probes.fleet.sources.swarm_keys import Keys
from pytest_flowhealth.probes.redis.address import parse
from tests.kit.redis import REDIS_SERVER, RedisServer, Sentinel, cluster

pytestmark = pytest.mark.skipif(not REDIS_SERVER, reason="redis-server is not installed")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


def now_ms() -> int:
    return int(time.time() * 1_000)


def register(redis: RedisServer, name: str, status: str = "active", **fields: Any) -> None:
    """Write what SwarmRegistry.registerSwarm writes."""
    now = now_ms()
    metrics = {"tasksCompleted": 0, "tasksFailed": 0, "agentsSpawned": 0, "errors": 0}
    record = {
        "id": name,
        "objective": "x",
        "status": status,
        "agents": [],
        "tasks": [],
        "createdAt": now,
        "lastActivity": now,
        "lastHeartbeat": now,
        **fields,
        "metrics": metrics | fields.get("metrics", {}),
    }
    redis.command("SETEX", f"swarm:{name}", 86_400, json.dumps(record))
    redis.command("ZADD", "swarm:index", now, name)
    redis.command("SADD", f"swarm:status:{status}", name)


def read(redis: RedisServer, *, listening: float = 0.0, **keys: str) -> Snapshot:
    records = Records(parse(redis.url))
    return RedisSwarm(records, Keys(keys), listening=listening).read()


def test_an_empty_registry_is_nothing_and_no_guess(redis: RedisServer) -> None:
    found = read(redis)
    assert found.swarms == ()
    assert (found.agents.total, found.tasks.completed, found.tasks.waiting) == (0, 0, 0)
    assert found.bad == ()


def test_swarms_their_metrics_agents_and_tasks_are_added_up(redis: RedisServer) -> None:
    tasks = [{"id": "t1", "status": "in_progress", "startedAt": now_ms() - 5_000}]
    tasks += [{"id": "t2", "status": "pending"}, {"id": "t3", "status": "queued"}]
    agents = [{"id": "a1", "status": "busy", "pid": 7}, {"id": "a2", "status": "idle"}, "a3"]
    register(
        redis,
        "one",
        agents=agents,
        tasks=tasks,
        metrics={"tasksCompleted": 30, "tasksFailed": 2, "agentsSpawned": 3, "errors": 4},
    )
    register(redis, "two", "completed", metrics={"tasksCompleted": 60, "tasksFailed": 8})
    found = read(redis)
    assert (found.tasks.completed, found.tasks.failed) == (90, 10)
    assert (found.tasks.active, found.tasks.waiting) == (1, 2)
    assert found.agents.total == 3
    assert found.agents.members[0].pid == 7
    assert found.facts["errors"] == 4
    assert {one.state for one in found.swarms or ()} == {"active", "completed"}
    assert found.tasks.working is not None
    assert found.tasks.working[0].since is not None


def test_the_documented_hashes_are_read(redis: RedisServer) -> None:
    register(redis, "one", metrics={"tasksCompleted": 999})
    begin = now_ms() - 60_000
    redis.command("HSET", "swarm:one:agents:dev", "status", "busy", "pid", "12", "host", "box")
    redis.command("HSET", "swarm:one:agents:dev", "spawnBegin", begin, "readyAt", begin + 1_500)
    redis.command("HSET", "swarm:one:agents:test", "status", "terminated")
    for number in range(20):
        redis.command(
            *(
                "HSET",
                f"swarm:one:tasks:{number}",
                "status",
                "failed" if number < 2 else "completed",
            ),
            *("startedAt", begin, "completedAt", begin + 4_000),
        )
    redis.command("HSET", "swarm:one:tasks:w", "status", "pending")
    found = read(redis)
    assert (found.tasks.completed, found.tasks.failed, found.tasks.waiting) == (18, 2, 1)
    assert set(found.tasks.durations) == {4.0}
    assert [one.id for one in found.agents.members] == ["dev"]
    assert found.spawn_times == (1_500.0,)


def test_archived_swarms_count_within_the_window(redis: RedisServer) -> None:
    for age, name in ((60, "new"), (7_200, "old")):
        record = {
            "status": "active",
            "archiveReason": "failed",
            "metrics": {"tasksCompleted": 5, "tasksFailed": 1},
        }
        redis.command("SETEX", f"swarm:archive:{name}", 600, json.dumps(record))
        redis.command("ZADD", "swarm:archive:index", now_ms() - 1_000 * age, name)
    found = read(redis)
    assert (found.tasks.completed, found.tasks.failed) == (5, 1)
    assert [one.success for one in found.swarms or ()] == [False]


def test_swarms_without_a_sign_of_life_in_the_window_do_not_count(redis: RedisServer) -> None:
    old = now_ms() - 7_200_000
    register(redis, "old", lastHeartbeat=old, metrics={"tasksCompleted": 50})
    register(redis, "ended", "completed", lastHeartbeat=old, metrics={"tasksCompleted": 50})
    found = read(redis)
    assert found.tasks.completed == 0
    assert [one.id for one in found.swarms or ()] == ["old"]
    assert [one.id for one in figures.silent(found, 300)] == ["old"]


def test_an_index_that_outlives_its_records_is_no_error(redis: RedisServer) -> None:
    register(redis, "one")
    redis.command("DEL", "swarm:one")
    found = read(redis)
    assert (found.swarms, found.bad) == ((), ())


def publish(redis: RedisServer, *messages: object) -> None:
    for message in messages:
        text = message if isinstance(message, bytes) else json.dumps(message)
        redis.command("PUBLISH", "fleet:f1:events", text)


def test_events_are_listened_to_for_a_while(redis: RedisServer) -> None:
    def send() -> None:
        until = time.monotonic() + 5
        while not redis.command("PUBSUB", "NUMPAT") and time.monotonic() < until:
            time.sleep(0.01)
        now = now_ms()
        publish(redis, {"type": "agent_registered", "agentId": "a", "timestamp": now})
        publish(redis, {"type": "agent_allocated", "agentId": "a"}, {"type": "pool_scaled"})
        for number in range(10):
            result = {"success": number != 4, "duration": 1_500}
            publish(redis, {"type": "agent_released", "agentId": "b", "result": result})
        publish(
            redis, b"no json", [1], {"type": {"x": 1}}, b'{"type": "agent_released", "result": 5}'
        )
        publish(redis, b"\xff" * 100_000)

    sender = threading.Thread(target=send)
    sender.start()
    found = read(redis, listening=1.5)
    sender.join()
    assert (found.tasks.completed, found.tasks.failed) == (9, 1)
    assert "of events" in found.tasks.basis
    assert {one.id: one.state for one in found.agents.members} == {"a": "busy", "b": "idle"}
    assert set(found.tasks.durations) == {1.5}
    assert len(found.bad) == 4
    assert found.facts["event_agent_released"] == 11
    assert redis.command("PUBSUB", "NUMPAT") == 0


HOSTILE = [
    b"no json",
    b"\xff\xfe",
    b"[]",
    b"null",
    b"{",
    b'{"metrics": 5}',
    b'{"metrics": {"tasksCompleted": NaN, "tasksFailed": 1}}',
    b'{"metrics": {"tasksCompleted": -3, "tasksFailed": 1}}',
    b'{"metrics": {"tasksCompleted": 1e308, "tasksFailed": 1}}',
    b'{"metrics": {"tasksCompleted": "many", "tasksFailed": 1}}',
    b'{"metrics": {"tasksCompleted": 1.5, "tasksFailed": 1}}',
    b'{"metrics": {"tasksCompleted": true, "tasksFailed": [1]}}',
    b'{"agents": [null, 5, {"id": {"a": 1}, "pid": -4, "status": ["busy"]}]}',
    b'{"status": {"a": 1}}',
    b'{"confidence": 17}',
    b'{"lastHeartbeat": 9e99}',
    b'{"tasks": [{"status": 5, "startedAt": "never"}]}',
    b"[" * 50_000,
]


@pytest.mark.parametrize("record", HOSTILE, ids=[one[:40].decode("latin-1") for one in HOSTILE])
def test_hostile_records_are_told_and_nothing_is_made_of_them(
    record: bytes, redis: RedisServer
) -> None:
    register(redis, "good", metrics={"tasksCompleted": 9, "tasksFailed": 1})
    redis.command("ZADD", "swarm:index", 1, "bad")
    redis.command("SET", "swarm:bad", record)
    found = read(redis)
    assert (found.tasks.completed, found.tasks.failed) == (9, 1)
    assert found.bad


def test_keys_of_other_types_do_no_harm(redis: RedisServer) -> None:
    redis.command("SET", "swarm:index", "x")
    redis.command("ZADD", "swarm:status:active", 1, "z")
    redis.command("RPUSH", "swarm:status:failed", "z")
    redis.command("SADD", "swarm:status:completed", "s", "l")
    redis.command("RPUSH", "swarm:l", "x")
    redis.command("SADD", "swarm:archive:index", "x")
    redis.command("SET", "swarm:s:agents:a", "x")
    found = read(redis)
    assert found.agents.total in (0, None)
    assert any("no sorted set" in text for text in found.partial)


def test_a_huge_record_is_not_read_whole(redis: RedisServer) -> None:
    register(redis, "good")
    redis.command("SET", "swarm:huge", b"{" + b" " * 3_000_000 + b"}")
    redis.command("ZADD", "swarm:index", 1, "huge")
    found = read(redis)
    assert any("larger than" in text for text in found.bad)
    assert len(found.swarms or ()) == 1


def test_millions_of_keys_and_swarms_are_bounded_and_told(redis: RedisServer) -> None:
    redis.command(
        "EVAL",
        "for i=1,250000 do redis.call('SET','other:'..i,'x') redis.call('ZADD',KEYS[1],i,'s'..i) end",
        1,
        "swarm:index",
    )
    before = time.monotonic()
    found = read(redis)
    assert time.monotonic() - before < 60
    assert any("newest 1,000 swarms" in text for text in found.partial)
    assert any("not gone over to its end" in text for text in found.partial)


def test_reading_writes_nothing_and_sends_no_keys(redis: RedisServer) -> None:
    register(redis, "one", metrics={"tasksCompleted": 9})
    keys = redis.keys()
    before = [redis.command("DUMP", key) for key in keys]
    redis.command("CONFIG", "RESETSTAT")
    read(redis)
    stats = redis.command("INFO", "commandstats")
    sent = {name.removeprefix("cmdstat_") for name in stats}
    writes = {"set", "del", "zadd", "sadd", "hset", "expire", "eval", "keys", "flushall"}
    assert not sent & writes, sent
    assert redis.keys() == keys
    assert [redis.command("DUMP", key) for key in keys] == before


def test_other_keys_can_be_configured(redis: RedisServer) -> None:
    redis.command("ZADD", "app[1]:all", 1, "x")
    redis.command("SET", "app[1]:x:state", json.dumps({"status": "failed", "agents": []}))
    redis.command("HSET", "app[1]:x:worker:w1", "status", "busy")
    found = read(
        redis,
        index="app[1]:all",
        swarm="app[1]:{id}:state",
        agent="app[1]:{id}:worker:{agent}",
    )
    assert [(one.id, one.state) for one in found.swarms or ()] == [("x", "failed")]
    assert [one.id for one in found.agents.members] == ["w1"]
    assert figures.swarm_success(found.swarms or ()).all == 1


@pytest.mark.parametrize("keys", [{"nonsense": "x"}, {"swarm": "swarm"}, {"agent": "a:{id}"}])
def test_keys_that_can_not_be_meant_are_told(keys: dict[str, str]) -> None:
    with pytest.raises(ProbeError, match=r"fleet\.keys"):
        Keys(keys)


def test_a_user_who_may_not_read_is_unmeasured(redis: RedisServer) -> None:
    redis.command("ACL", "SETUSER", "nobody", "on", ">pw", "~*", "+ping", "+select")
    records = Records(parse(redis.url_of(user="nobody", password="pw")))
    with pytest.raises(Unmeasured):
        RedisSwarm(records, Keys({}), listening=0).read()


def test_a_user_who_may_not_subscribe_reads_the_records(redis: RedisServer) -> None:
    register(redis, "one", metrics={"tasksCompleted": 9})
    redis.command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+select", "+scan")
    records = Records(parse(redis.url_of(user="reader", password="pw")))
    found = RedisSwarm(records, Keys({}), listening=0.2).read()
    assert found.tasks.completed == 9
    assert any("not listened to" in text for text in found.bad)


def test_a_redis_that_is_down_or_stalls_is_told(redis: RedisServer) -> None:
    with pytest.raises(ProbeError, match="no Redis listens"):
        RedisSwarm(Records(parse("redis://127.0.0.1:1/0")), Keys({})).read()
    redis.suspend()
    try:
        with pytest.raises(ProbeError, match="no answer within"):
            RedisSwarm(Records(parse(redis.url), timeout=0.5), Keys({})).read()
    finally:
        redis.resume()


def test_the_user_of_the_documentation_may_read_all(redis: RedisServer) -> None:
    register(redis, "one", metrics={"tasksCompleted": 9})
    rights = ("~*", "&*", "+@read", "+select", "+psubscribe", "+client|list")
    redis.command("ACL", "SETUSER", "flowhealth", "on", ">pw", *rights)
    address = parse(redis.url_of(user="flowhealth", password="pw"))
    assert RedisSwarm(Records(address), Keys({}), listening=0.1).read().bad == ()
    redis.command("HSET", "bull:jobs:meta", "version", "bullmq:6")
    assert "agents" not in BullMQ(Records(address), "jobs").read().never


def test_the_primary_behind_sentinels_is_read(redis: RedisServer, tmp_path: Path) -> None:
    register(redis, "one", metrics={"tasksCompleted": 9})
    with Sentinel(tmp_path / "sentinel", redis) as sentinel:
        address = parse(f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster")
        assert RedisSwarm(Records(address), Keys({}), listening=0).read().tasks.completed == 9


def test_of_a_cluster_a_queue_is_read_and_swarms_are_not(tmp_path: Path) -> None:
    import redis as library

    with cluster(tmp_path / "cluster") as nodes:
        client = library.RedisCluster(host="127.0.0.1", port=nodes[0].port)
        for key in ("wait", "meta"):
            client.delete(f"{{bull}}:jobs:{key}")
        client.rpush("{bull}:jobs:wait", "1", "2")
        client.hset("{bull}:jobs:meta", "version", "bullmq:6")
        client.close()
        addresses = [parse(f"redis+cluster://127.0.0.1:{node.port}") for node in nodes]
        for address in addresses:
            found = BullMQ(Records(address), "jobs", prefix="{bull}").read()
            assert found.tasks.waiting == 2
        with pytest.raises(Unmeasured, match="Cluster"):
            RedisSwarm(Records(addresses[0]), Keys({})).read()
