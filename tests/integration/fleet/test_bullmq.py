"""The source bullmq on real queues with real workers."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.fleet import metrics
from pytest_flowhealth.probes.fleet.sampling import read
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.sources import job_queue as source_module
from pytest_flowhealth.probes.fleet.sources.job_queue import JobQueue as Source
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records
from pytest_flowhealth.probes.fleet.utilisation import Usage
from pytest_flowhealth.probes.redis.address import parse_address
from tests.kit.bullmq import BullMQ
from tests.kit.redis import RedisServer
from tests.kit.runs import PASSWORD, run_components
from tests.kit.waiting import wait_for

SoMany = dict[str, int]


@pytest.fixture
def redis(breakable_redis: RedisServer) -> RedisServer:
    """Return the Redis of the queues."""
    return breakable_redis


def source(redis: RedisServer, queue: str | None = "jobs") -> Source:
    return Source(Records(parse_address(redis.url)), queue)


def until(bullmq: BullMQ, holds: Callable[[SoMany], bool]) -> None:
    """Wait until BullMQ's own counts of the queue `jobs` are as they should be."""
    wait_for(lambda: holds(bullmq.count("jobs")), message=lambda: bullmq.count("jobs"))


def percent(snapshot: Snapshot) -> float | None:
    done = metrics.completion(snapshot.tasks)
    return done.percent if done else None


def test_jobs_that_ended_in_the_window_and_their_workers_are_counted_without_a_write(
    bullmq: BullMQ, redis: RedisServer
) -> None:
    bullmq.work("jobs")
    bullmq.work("jobs", name="bob")
    bullmq.add("jobs", count=30)
    until(bullmq, lambda counts: counts["completed"] + counts["failed"] == 30)
    before = redis.dump()
    found = source(redis).read()
    assert redis.dump() == before
    assert percent(found) == 90.0
    assert (found.tasks.completed, found.tasks.failed) == (27, 3)
    assert found.agents.total == 2
    assert "bob" in {agent.id for agent in found.agents.members}
    assert len(found.tasks.durations) == 30
    assert found.bad == ()
    later = Source(
        Records(parse_address(redis.url)), "jobs", window=60.0, now=lambda: time.time() + 61
    )
    found = later.read()
    assert (found.tasks.completed, found.tasks.failed) == (0, 0)


def test_waiting_active_and_delayed_jobs_are_counted_as_bullmq_does(
    bullmq: BullMQ, redis: RedisServer
) -> None:
    bullmq.work("jobs", concurrency=3)
    bullmq.add("jobs", count=20, data={"ms": 60_000})
    until(bullmq, lambda counts: counts["active"] == 3)
    bullmq.add("jobs", count=4, delay=60_000)
    counts = bullmq.add("jobs", count=5, priority=3)
    found = source(redis).read()
    assert counts["active"] == found.tasks.active == 3
    assert found.tasks.waiting == counts["wait"] + counts["prioritized"] == 22
    assert found.tasks.delayed == counts["delayed"] == 4
    assert found.agents.busy == 1
    assert [job.held for job in found.tasks.working or ()] == [True, True, True]


def test_jobs_that_are_removed_when_they_end_are_counted_by_their_events_or_by_what_is_kept(
    bullmq: BullMQ, redis: RedisServer
) -> None:
    bullmq.work("jobs")
    bullmq.add("jobs", count=100, removeOnComplete=18)
    until(bullmq, lambda counts: (counts["failed"], counts["active"], counts["wait"]) == (10, 0, 0))
    found = source(redis).read()
    assert (found.tasks.completed, found.tasks.failed) == (90, 10)
    assert "events" in found.tasks.basis
    redis.command("DEL", "bull:jobs:events")
    found = source(redis).read()
    assert found.tasks.completed == 18
    # Only those since the oldest completed job that is kept.
    assert found.tasks.failed in (2, 3)
    assert "are kept" in found.tasks.basis


def test_workers_are_found_by_their_connections_and_a_killed_one_leaves_an_abandoned_job(
    bullmq: BullMQ, bullmq_folder: Path, redis: RedisServer
) -> None:
    with BullMQ(bullmq_folder) as other:
        other.open(redis.port)
        other.work("jobs", lockDuration=1_000)
        bullmq.add("jobs", count=1, data={"ms": 60_000})
        until(bullmq, lambda counts: counts["active"] == 1)
        bullmq.work("elsewhere")
        bullmq.work("jobs", lockDuration=1_000, stalledInterval=3_600_000)
        usage = read(source(redis), between=0.1).usage
    assert isinstance(usage, Usage)
    assert (usage.agents, usage.processes, usage.unseen) == (2, 2, 0)
    assert usage.megabytes > 20
    assert usage.cpu.percent >= 0

    bullmq.open(redis.port)
    wait_for(lambda: not redis.command("EXISTS", "bull:jobs:1:lock"))
    found = read(source(redis), between=0.0)
    working = found.last.tasks.working or ()
    assert metrics.abandoned(found.first.tasks.working or (), working) == ["1"]
    assert len(metrics.stuck(working, found.last.taken + 1.0, 1.0)) == 1
    assert found.last.agents.total == 0


def test_the_only_queue_need_not_be_named_and_of_several_all_are_told(
    bullmq: BullMQ, redis: RedisServer
) -> None:
    bullmq.pause("mail")
    bullmq.add("mail", count=2)
    found = source(redis, None).read()
    assert (found.tasks.waiting, found.facts["paused"]) == (2, True)
    bullmq.add("video", count=1)
    with pytest.raises(CheckFailed, match="mail, video"):
        source(redis, None).read()
    with pytest.raises(CheckFailed, match=r"no queue 'jobs'.*mail"):
        source(redis).read()


def test_keys_of_other_types_and_absurd_fields_are_told(bullmq: BullMQ, redis: RedisServer) -> None:
    bullmq.add("jobs")
    redis.command("SET", "bull:jobs:wait", "x")
    redis.command("SADD", "bull:jobs:events", "x")
    redis.command("RPUSH", "bull:jobs:active", "1", "2", "3", b"\xff\xfe")
    redis.command("HSET", "bull:jobs:1", "processedOn", "NaN")
    redis.command("HSET", "bull:jobs:2", "processedOn", "-5")
    redis.command("SET", "bull:jobs:3", "no hash")
    redis.command("ZADD", "bull:jobs:completed", "inf", "9")
    redis.command("HSET", "bull:jobs:9", "processedOn", "9" * 400, "finishedOn", "{")
    found = source(redis).read()
    assert found.tasks.waiting == 0
    assert found.tasks.active == 4
    assert found.tasks.durations == ()
    assert len(found.bad) == 4


def test_of_many_active_jobs_some_are_looked_at(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "MOST_ACTIVE", 10)
    redis.command("RPUSH", "bull:jobs:active", *range(3_000))
    found = source(redis).read()
    assert found.tasks.active == 3_000
    assert found.partial == ("only 10 of 3,000 active jobs were looked at",)


def test_the_whole_command_measures_a_queue_and_its_workers(
    bullmq: BullMQ, redis: RedisServer, tmp_path: Path
) -> None:
    bullmq.work("jobs")
    bullmq.work("jobs")
    bullmq.add("jobs", count=40)
    until(bullmq, lambda counts: (counts["completed"], counts["failed"]) == (36, 4))
    bullmq.add("jobs", count=2, data={"ms": 600_000})
    until(bullmq, lambda counts: counts["active"] == 2)
    bullmq.add("jobs", count=7)
    redis.command("ACL", "SETUSER", "default", "resetpass", f">{PASSWORD}")
    (tmp_path / "flowhealth.toml").write_text('[fleet]\nsource = "bullmq"\nqueue = "jobs"\n')

    url = redis.url_of(password=PASSWORD)
    limits = ("--health-threshold=fleet.utilisation=1000:2000",)
    run = run_components(tmp_path, "fleet", args=limits, env={"FLOWHEALTH_REDIS_URL": url})

    run.assert_fault("fleet.completion", 1, "completion")
    measurements = [one for check in run.health["checks"] for one in check["measurements"]]
    figures = {one["name"]: one["value"] for one in measurements if "value" in one}
    known = {"completion": 90.0, "queue": 7, "agents": 2, "busy": 100.0, "stuck": 0}
    assert {name: figures[name] for name in known} == known
    assert figures["memory_share"] > 0
    assert run.check("fleet.completion")["details"]["failed"] == 4
    assert run.check("fleet.queue")["details"]["active"] == 2
    score = run.check("fleet.score")["details"]
    assert {"completion", "utilisation", "queue", "stuck"} <= set(score["parts"])
    assert {"spawn", "silent", "swarms"} <= set(score["absent"])
    assert any("10 % of the tasks fail" in text for text in score["recommendations"])
    assert "recommendations" in run.out
