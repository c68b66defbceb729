"""The source redis-swarm on a real Redis, filled as claude-flow-novice fills it."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis as library

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.fleet import metrics
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.sources import redis_reading, redis_swarm, swarm_events
from pytest_flowhealth.probes.fleet.sources.job_queue import JobQueue
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records
from pytest_flowhealth.probes.fleet.sources.redis_swarm import RedisSwarm
from pytest_flowhealth.probes.fleet.sources.swarm_keys import SwarmKeys
from pytest_flowhealth.probes.redis.address import parse_address
from tests.kit.redis import RedisServer, Sentinel, cluster
from tests.kit.waiting import wait_for


def now_ms() -> int:
    return int(time.time() * 1_000)


def register(redis: RedisServer, name: str, status: str = "active", **fields: Any) -> None:
    """Write what of SwarmRegistry.registerSwarm's records is read."""
    now = now_ms()
    metrics = {"tasksCompleted": 0, "tasksFailed": 0} | fields.pop("metrics", {})
    record = {"id": name, "status": status, "lastHeartbeat": now, "metrics": metrics, **fields}
    redis.command("SETEX", f"swarm:{name}", 86_400, json.dumps(record))
    redis.command("ZADD", "swarm:index", now, name)
    redis.command("SADD", f"swarm:status:{status}", name)


def read(url: str, *, listening: float = 0.0, **keys: str) -> Snapshot:
    return RedisSwarm(Records(parse_address(url)), SwarmKeys(keys), listening=listening).read()


def test_a_registry_is_read_with_its_archive_and_its_hashes_without_a_write(
    breakable_redis: RedisServer,
) -> None:
    redis, begin = breakable_redis, now_ms() - 60_000
    tasks = [{"id": "t1", "status": "in_progress", "startedAt": begin}]
    agents = [{"id": "a1", "status": "busy", "pid": 7}]
    metrics = {"tasksCompleted": 30, "tasksFailed": 2}
    register(redis, "one", agents=agents, tasks=tasks, metrics=metrics)
    register(redis, "two", "completed", metrics={"tasksCompleted": 60, "tasksFailed": 8})
    register(redis, "expired")
    redis.command("DEL", "swarm:expired")
    register(redis, "hashed", metrics={"tasksCompleted": 999})
    redis.command("HSET", "swarm:hashed:agents:dev", "status", "busy", "pid", "12", "host", "box")
    redis.command("HSET", "swarm:hashed:agents:dev", "spawnBegin", begin, "readyAt", begin + 1_500)
    ended = ("startedAt", begin, "completedAt", begin + 4_000)
    redis.command("HSET", "swarm:hashed:tasks:1", "status", "completed", *ended)
    record = {"status": "active", "archiveReason": "failed", "metrics": metrics}
    for age, name in ((60, "new"), (7_200, "old")):
        redis.command("SETEX", f"swarm:archive:{name}", 600, json.dumps(record))
        redis.command("ZADD", "swarm:archive:index", now_ms() - 1_000 * age, name)
    before = redis.dump()
    redis.command("CONFIG", "RESETSTAT")

    found = read(redis.url)

    sent = set(redis.calls())
    assert not sent & {"set", "del", "zadd", "sadd", "hset", "expire", "eval", "keys", "flushall"}
    assert redis.dump() == before
    assert (found.tasks.completed, found.tasks.failed) == (30 + 60 + 1 + 30, 2 + 8 + 2)
    assert (found.tasks.active, found.tasks.durations) == (1, (4.0,))
    assert {agent.id: agent.pid for agent in found.agents.members} == {"a1": 7, "dev": 12}
    assert found.spawn_times == (1_500.0,)
    success = {"one": None, "two": True, "hashed": None, "new": False}
    assert {swarm.id: swarm.success for swarm in found.swarms or ()} == success
    assert found.bad == ()


def test_events_are_listened_to(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_events, "MOST", 11)

    def send() -> None:
        wait_for(lambda: redis.command("PUBSUB", "NUMPAT"))
        released = {"type": "agent_released", "agentId": "b"}
        for number in range(10):
            result = {"success": number != 4, "duration": 1_500}
            message = json.dumps({**released, "result": result})
            redis.command("PUBLISH", "fleet:f1:events", message)
        redis.command("PUBLISH", "fleet:f1:events", b"\xff" * 100_000)

    sender = threading.Thread(target=send)
    sender.start()
    found = read(redis.url, listening=15.0)
    sender.join()
    assert (found.tasks.completed, found.tasks.failed) == (9, 1)
    assert "of events" in found.tasks.basis
    assert {one.id: one.state for one in found.agents.members} == {"b": "idle"}
    assert set(found.tasks.durations) == {1.5}
    assert len(found.bad) == 1
    assert found.facts["event_agent_released"] == 10
    wait_for(lambda: redis.command("PUBSUB", "NUMPAT") == 0)


def test_keys_of_other_types_and_huge_or_broken_records_do_no_harm(redis: RedisServer) -> None:
    redis.command("ZADD", "swarm:status:completed", 1, "z")
    redis.command("RPUSH", "swarm:status:failed", "z")
    redis.command("RPUSH", "swarm:list", "x")
    redis.command("SADD", "swarm:archive:index", "x")
    redis.command("SET", "swarm:good:agents:a", "x")
    register(redis, "good", metrics={"tasksCompleted": 9, "tasksFailed": 1})
    redis.command("SET", "swarm:huge", b"{" + b" " * 3_000_000 + b"}")
    redis.command("SET", "swarm:broken", b"\xff\xfe")
    redis.command("ZADD", "swarm:index", 1, "huge", 2, "broken", 3, "list")
    found = read(redis.url)
    assert any("larger than" in text for text in found.bad)
    assert any("no JSON" in text for text in found.bad)
    assert (len(found.swarms or ()), found.tasks.completed) == (1, 9)
    redis.command("SET", "swarm:index", "x")
    assert any("no sorted set" in text for text in read(redis.url).partial)


def test_of_many_keys_and_swarms_some_are_read_and_that_is_told(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_reading, "SCANNED", 1_000)
    monkeypatch.setattr(redis_swarm, "MOST_SWARMS", 50)
    fill = "for i=1,3000 do redis.call('SET','other:'..i,'x') redis.call('ZADD',KEYS[1],i,i) end"
    redis.command("EVAL", fill, 1, "swarm:index")
    found = read(redis.url)
    assert any("newest 50 swarms" in text for text in found.partial)
    assert any("not gone over to its end" in text for text in found.partial)


def test_other_keys_can_be_configured(redis: RedisServer) -> None:
    redis.command("ZADD", "app[1]:all", 1, "x")
    redis.command("SET", "app[1]:x:state", json.dumps({"status": "failed", "agents": []}))
    redis.command("HSET", "app[1]:x:worker:w1", "status", "busy")
    agent = "app[1]:{id}:worker:{agent}"
    found = read(redis.url, index="app[1]:all", swarm="app[1]:{id}:state", agent=agent)
    assert [(one.id, one.state) for one in found.swarms or ()] == [("x", "failed")]
    assert [one.id for one in found.agents.members] == ["w1"]
    assert metrics.swarm_success(found.swarms or ()).all == 1


def test_each_right_of_a_user_is_needed_for_what_the_documentation_says(
    breakable_redis: RedisServer,
) -> None:
    register(breakable_redis, "one", metrics={"tasksCompleted": 9})
    breakable_redis.command("HSET", "bull:jobs:meta", "version", "bullmq:6")
    breakable_redis.command("RPUSH", "bull:jobs:wait", 1, 2, 3)
    url = breakable_redis.add_user("app", "~*", "+ping", "+select")
    for source in (
        RedisSwarm(Records(parse_address(url)), SwarmKeys({})),
        JobQueue(Records(parse_address(url)), "jobs"),
    ):
        with pytest.raises(MeasurementUnavailable):
            source.read()

    url = breakable_redis.add_user("app", "~*", "+@read", "+select", "+scan")
    found = read(url, listening=0.1)
    assert found.tasks.completed == 9
    assert any("not listened to" in text for text in found.bad)
    found = JobQueue(Records(parse_address(url)), "jobs").read()
    assert (found.tasks.waiting, found.agents.total) == (3, None)
    assert "CLIENT LIST" in found.never["agents"]

    rights = ("~*", "&*", "+@read", "+select", "+psubscribe", "+client|list")
    url = breakable_redis.add_user("app", *rights)
    assert read(url, listening=0.1).bad == ()
    assert "agents" not in JobQueue(Records(parse_address(url)), "jobs").read().never


def test_a_redis_that_stalls_is_told(breakable_redis: RedisServer) -> None:
    breakable_redis.suspend()
    with pytest.raises(CheckFailed, match="no answer within"):
        RedisSwarm(Records(parse_address(breakable_redis.url), timeout=0.3), SwarmKeys({})).read()


def test_the_primary_behind_sentinels_is_read(breakable_redis: RedisServer, tmp_path: Path) -> None:
    register(breakable_redis, "one", metrics={"tasksCompleted": 9})
    with Sentinel(tmp_path / "sentinel", breakable_redis) as sentinel:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster"
        assert read(url).tasks.completed == 9


def test_of_a_cluster_a_queue_is_read_and_swarms_are_not(tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster") as nodes:
        client = library.RedisCluster(host="127.0.0.1", port=nodes[0].port)
        client.rpush("{bull}:jobs:wait", "1", "2")
        client.hset("{bull}:jobs:meta", "version", "bullmq:6")
        client.close()
        addresses = [parse_address(f"redis+cluster://127.0.0.1:{node.port}") for node in nodes]
        for address in addresses:
            found = JobQueue(Records(address), "jobs", prefix="{bull}").read()
            assert found.tasks.waiting == 2
        with pytest.raises(MeasurementUnavailable, match="Cluster"):
            RedisSwarm(Records(addresses[0]), SwarmKeys({})).read()
