"""The source bullmq on real queues with real workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.errors import ProbeError, Unmeasured
from pytest_flowhealth.probes.fleet import figures
from pytest_flowhealth.probes.fleet.reading import read
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.sources.bullmq import BullMQ
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records
from pytest_flowhealth.probes.fleet.utilisation import Usage
from pytest_flowhealth.probes.redis.address import parse
from tests.kit.bullmq import BullMQApp, install, until
from tests.kit.redis import REDIS_SERVER, RedisServer

pytestmark = pytest.mark.skipif(not REDIS_SERVER, reason="redis-server is not installed")


@pytest.fixture(scope="module")
def bull(tmp_path_factory: pytest.TempPathFactory) -> BullMQApp:
    return install(tmp_path_factory.mktemp("bullmq"))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


def source(redis: RedisServer, queue: str | None = "jobs", **options: float) -> BullMQ:
    return BullMQ(Records(parse(redis.url)), queue, **options)  # type: ignore[arg-type]


def percent(snapshot: Snapshot) -> float | None:
    done = figures.completion(snapshot.tasks)
    return done.percent if done else None


def test_every_tenth_job_fails(bull: BullMQApp, redis: RedisServer) -> None:
    with bull.worker(redis.port, "jobs"), bull.worker(redis.port, "jobs", name="bob"):
        bull.queue(redis.port, "jobs", count=100)
        until(lambda: (bull.queue(redis.port, "jobs"))["wait"] == 0)
        until(
            lambda: sum(bull.queue(redis.port, "jobs")[k] for k in ("completed", "failed")) == 100
        )
        found = source(redis).read()
    assert percent(found) == 90.0
    assert (found.tasks.completed, found.tasks.failed) == (90, 10)
    assert found.agents.total == 2
    assert "bob" in {one.id for one in found.agents.members}
    assert len(found.tasks.durations) == 100
    assert found.bad == ()


def test_waiting_and_active_are_right(bull: BullMQApp, redis: RedisServer) -> None:
    with bull.worker(redis.port, "jobs", concurrency=3):
        counts = bull.queue(redis.port, "jobs", count=20, data={"ms": 60_000})
        until(lambda: bull.queue(redis.port, "jobs")["active"] == 3)
        counts = bull.queue(redis.port, "jobs", count=4, delay=60_000)
        counts = bull.queue(redis.port, "jobs", count=5, priority=3)
        found = source(redis).read()
    assert counts["active"] == found.tasks.active == 3
    assert found.tasks.waiting == counts["wait"] + counts["prioritized"] == 22
    assert found.tasks.delayed == counts["delayed"] == 4
    assert found.agents.busy == 1
    assert found.tasks.working is not None
    assert [one.held for one in found.tasks.working] == [True, True, True]


def test_jobs_that_are_removed_when_they_end_are_counted_by_their_events(
    bull: BullMQApp, redis: RedisServer
) -> None:
    with bull.worker(redis.port, "jobs"):
        bull.queue(redis.port, "jobs", count=50, removeOnComplete=True)
        until(lambda: bull.queue(redis.port, "jobs")["failed"] == 5)
        until(lambda: bull.queue(redis.port, "jobs")["active"] == 0)
        found = source(redis).read()
    assert (found.tasks.completed, found.tasks.failed) == (45, 5)
    assert "events" in found.tasks.basis


def test_where_fewer_completed_jobs_are_kept_only_the_time_of_both_counts(
    bull: BullMQApp, redis: RedisServer
) -> None:
    with bull.worker(redis.port, "jobs"):
        bull.queue(redis.port, "jobs", count=100, removeOnComplete=18)
        until(lambda: bull.queue(redis.port, "jobs")["failed"] == 10)
        until(lambda: bull.queue(redis.port, "jobs")["active"] == 0)
        assert percent(source(redis).read()) == 90.0
        redis.command("DEL", "bull:jobs:events")
        found = source(redis).read()
    assert found.tasks.completed == 18
    assert found.tasks.failed in (2, 3)
    assert "are kept" in found.tasks.basis


def test_only_the_window_counts(bull: BullMQApp, redis: RedisServer) -> None:
    with bull.worker(redis.port, "jobs"):
        bull.queue(redis.port, "jobs", count=10)
        until(lambda: bull.queue(redis.port, "jobs")["failed"] == 1)
    time.sleep(1.1)
    found = source(redis, window=1.0).read()
    assert (found.tasks.completed, found.tasks.failed) == (0, 0)
    assert source(redis).read().tasks.completed == 9


def test_a_worker_that_was_killed_leaves_abandoned_and_stuck_jobs(
    bull: BullMQApp, redis: RedisServer
) -> None:
    with bull.worker(redis.port, "jobs", lockDuration=1_000) as worker:
        bull.queue(redis.port, "jobs", count=1, data={"ms": 60_000})
        until(lambda: bull.queue(redis.port, "jobs")["active"] == 1)
        os.kill(worker.pid, signal.SIGKILL)
    time.sleep(1.5)
    found = read(source(redis), between=0.1)
    working = found.last.tasks.working
    assert working is not None
    assert figures.abandoned(found.first.tasks.working or (), working) == ["1"]
    assert len(figures.stuck(working, found.last.taken, 1.0)) == 1
    assert found.last.agents.total == 0


def test_the_workers_processes_are_found_by_their_connections(
    bull: BullMQApp, redis: RedisServer
) -> None:
    with bull.worker(redis.port, "jobs"), bull.worker(redis.port, "jobs"):
        found = read(source(redis), between=0.3)
    assert isinstance(found.usage, Usage)
    assert (found.usage.agents, found.usage.processes, found.usage.unseen) == (2, 2, 0)
    assert found.usage.megabytes > 20
    assert 0 <= found.usage.cpu.percent <= 100


def test_a_paused_queue_says_so(bull: BullMQApp, redis: RedisServer) -> None:
    bull.queue(redis.port, "jobs", count=7, paused=True)
    found = source(redis).read()
    assert found.facts["paused"] is True
    assert found.tasks.waiting == 7


def test_the_only_queue_need_not_be_named(bull: BullMQApp, redis: RedisServer) -> None:
    bull.queue(redis.port, "mail", count=2)
    assert source(redis, None).read().tasks.waiting == 2
    bull.queue(redis.port, "video", count=1)
    with pytest.raises(ProbeError, match="mail, video"):
        source(redis, None).read()


def test_a_queue_that_is_not_there_is_told_with_those_that_are(
    bull: BullMQApp, redis: RedisServer
) -> None:
    bull.queue(redis.port, "mail")
    with pytest.raises(ProbeError, match=r"no queue 'jobs'.*mail"):
        source(redis).read()


def test_reading_writes_nothing(bull: BullMQApp, redis: RedisServer) -> None:
    with bull.worker(redis.port, "jobs"):
        bull.queue(redis.port, "jobs", count=10)
        until(lambda: bull.queue(redis.port, "jobs")["failed"] == 1)
    keys = redis.keys()
    before = [redis.command("DUMP", key) for key in keys]
    source(redis).read()
    assert redis.keys() == keys
    assert [redis.command("DUMP", key) for key in keys] == before


def test_keys_of_other_types_and_absurd_fields_are_told(
    bull: BullMQApp, redis: RedisServer
) -> None:
    bull.queue(redis.port, "jobs")
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


def test_millions_of_jobs_are_bounded(bull: BullMQApp, redis: RedisServer) -> None:
    bull.queue(redis.port, "jobs")
    redis.command(
        "EVAL",
        "for i=1,300000 do redis.call('RPUSH',KEYS[1],i) redis.call('ZADD',KEYS[2],i,i) end",
        2,
        "bull:jobs:active",
        "bull:jobs:completed",
    )
    found = source(redis).read()
    assert found.tasks.active == 300_000
    assert found.partial == ("only 1,000 of 300,000 active jobs were looked at",)


def test_a_user_who_may_not_list_clients_still_reads_the_jobs(
    bull: BullMQApp, redis: RedisServer
) -> None:
    bull.queue(redis.port, "jobs", count=3)
    redis.command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+select")
    found = BullMQ(Records(parse(redis.url_of(user="reader", password="pw"))), "jobs").read()
    assert found.tasks.waiting == 3
    assert found.agents.total is None
    assert "CLIENT LIST" in found.never["agents"]


def test_a_user_without_rights_is_unmeasured(bull: BullMQApp, redis: RedisServer) -> None:
    bull.queue(redis.port, "jobs")
    redis.command("ACL", "SETUSER", "nobody", "on", ">pw", "~*", "+ping", "+select")
    with pytest.raises(Unmeasured):
        BullMQ(Records(parse(redis.url_of(user="nobody", password="pw"))), "jobs").read()


def test_a_redis_that_is_down_is_told() -> None:
    with pytest.raises(ProbeError, match="no Redis listens"):
        BullMQ(Records(parse("redis://127.0.0.1:1/0")), "jobs").read()
