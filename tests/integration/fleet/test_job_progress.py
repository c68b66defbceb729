"""Queues of each library whose work makes no progress: never green, and the cause is named."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.fleet import FleetSample
from pytest_flowhealth.probes.fleet.sampling import read
from pytest_flowhealth.probes.fleet.sources.bee_queue import BeeQueue
from pytest_flowhealth.probes.fleet.sources.job_queue import BULL, JobQueue
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records
from pytest_flowhealth.probes.redis.address import parse_address
from tests.kit.bullmq import BullMQ
from tests.kit.queues import LIBRARIES, Queues, install
from tests.kit.redis import RedisServer
from tests.kit.runs import Run, run_components
from tests.kit.sharing import shared_folder
from tests.kit.waiting import wait_for

Make = Callable[..., Queues]

ACTIVE = {"bull3": "bull:jobs:active", "bull": "bull:jobs:active", "bee-queue": "bq:jobs:active"}
BULLS = ("bull3", "bull")


@pytest.fixture
def redis(breakable_redis: RedisServer) -> RedisServer:
    return breakable_redis


@pytest.fixture(scope="session")
def queues_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "queues", install)


@pytest.fixture
def make(queues_folder: Path, redis: RedisServer) -> Iterator[Make]:
    """Return a function that starts a process with queues of a library."""
    started: list[Queues] = []

    def start(library: str, db: int = 0) -> Queues:
        started.append(Queues(queues_folder, library, redis.port, db))
        return started[-1]

    yield start
    for process in started:
        process.__exit__()


def sample(redis: RedisServer, library: str = "bullmq") -> FleetSample:
    records = Records(parse_address(redis.url))
    if library == "bee-queue":
        return read(BeeQueue(records, "jobs"), between=0.2)
    if library == "bullmq":
        return read(JobQueue(records, "jobs"), between=0.2)
    return read(JobQueue(records, "jobs", layout=BULL), between=0.2)


def until_active(redis: RedisServer, key: str, count: int) -> None:
    wait_for(lambda: redis.command("LLEN", key) == count)


@pytest.mark.parametrize("library", LIBRARIES)
def test_jobs_that_are_done_are_counted(redis: RedisServer, make: Make, library: str) -> None:
    queues = make(library)
    queues.work("jobs")
    queues.add("jobs", 20)
    queues.add("jobs", 5, data={"fail": True})

    def ended() -> bool:
        found = sample(redis, library).last.tasks
        return (found.completed or 0) + (found.failed or 0) == 25

    wait_for(ended)
    found = sample(redis, library)
    assert (found.last.tasks.completed, found.last.tasks.failed) == (20, 5)
    assert (found.untaken, found.overdue, found.last.bad) == ("", 0, ())


@pytest.mark.parametrize("library", BULLS)
def test_a_worker_is_busy_if_it_has_a_job_and_others_may_wait_behind_it(
    redis: RedisServer, make: Make, library: str
) -> None:
    queues = make(library)
    queues.work("jobs")
    queues.add("jobs", 4, data={"ms": 600_000})
    until_active(redis, ACTIVE[library], 1)
    found = sample(redis, library)
    assert (found.last.agents.total, found.last.agents.busy) == (1, 1)
    assert (found.last.tasks.waiting, found.untaken) == (3, "")
    make(library).work("idle")
    assert sample(redis, library).last.agents.total == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_jobs_without_a_worker_are_not_taken(redis: RedisServer, make: Make, library: str) -> None:
    make(library).add("jobs", 3)
    found = sample(redis, library)
    assert found.untaken.startswith("3 tasks wait, none was taken in ")
    assert found.last.agents.total == 0


@pytest.mark.parametrize("library", LIBRARIES)
def test_waiting_jobs_whose_data_are_gone_are_lost(
    redis: RedisServer, make: Make, library: str
) -> None:
    make(library).add("jobs", 3)
    assert sample(redis, library).lost == []
    words = ("HDEL", "bq:jobs:jobs", "2") if library == "bee-queue" else ("DEL", "bull:jobs:2")
    redis.command(*words)
    assert sample(redis, library).lost == ["2"]


@pytest.mark.parametrize("library", BULLS)
def test_jobs_behind_a_worker_that_was_killed_are_not_taken(
    redis: RedisServer, make: Make, library: str
) -> None:
    queues = make(library)
    queues.work("jobs", settings={"lockDuration": 2_000})
    queues.add("jobs", 3, data={"ms": 600_000})
    until_active(redis, ACTIVE[library], 1)
    queues.process.kill()
    # Until the lock of its job ends.
    wait_for(lambda: sample(redis, library).last.agents.total == 0)
    assert "and there is no agent" in sample(redis, library).untaken


@pytest.mark.parametrize("library", BULLS)
def test_a_queue_to_which_nothing_was_added_is_there_if_it_has_a_worker(
    redis: RedisServer, make: Make, library: str
) -> None:
    with pytest.raises(CheckFailed, match="there is no queue 'jobs'"):
        sample(redis, library)
    make(library).work("jobs")
    wait_for(lambda: "brpoplpush" in redis.calls())
    found = sample(redis, library)
    assert (found.last.agents.total, found.last.tasks.waiting, found.untaken) == (1, 0, "")


def test_a_queue_of_bee_queue_to_which_nothing_was_added_is_not_known(redis: RedisServer) -> None:
    with pytest.raises(MeasurementUnavailable, match="no job was added yet to a queue 'jobs'"):
        sample(redis, "bee-queue")


@pytest.mark.parametrize("library", BULLS)
def test_a_worker_in_another_database_is_none(redis: RedisServer, make: Make, library: str) -> None:
    make(library, db=1).work("jobs")
    make(library).add("jobs", 3)
    found = sample(redis, library)
    assert found.last.agents.total == 0
    assert "one in database 1 with the prefix bull" in found.untaken


@pytest.mark.parametrize("library", LIBRARIES)
def test_delayed_jobs_are_overdue_after_their_time(
    redis: RedisServer, make: Make, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bee-Queue adds a job whose time has come before it is saved as waiting, not as delayed.
    make(library).add("jobs", 2, delay=500)
    make(library).add("jobs", 3, delay=3_600_000)
    assert sample(redis, library).overdue == 0
    for module in ("job_queue", "bee_queue"):
        name = f"pytest_flowhealth.probes.fleet.sources.{module}.GRACE"
        monkeypatch.setattr(name, 0.0)
    wait_for(lambda: sample(redis, library).overdue == 2)
    assert sample(redis, library).last.tasks.delayed == 5


@pytest.mark.parametrize("library", BULLS)
def test_a_paused_queue_is_held_back(redis: RedisServer, make: Make, library: str) -> None:
    queues = make(library)
    queues.pause("jobs")
    queues.add("jobs", 3)
    found = sample(redis, library)
    assert found.last.tasks.held_back == "the queue is paused"
    assert (found.last.tasks.waiting, found.untaken, found.last.facts["paused"]) == (3, "", True)


def test_a_job_of_bee_queue_whose_worker_is_gone_is_abandoned(
    redis: RedisServer, make: Make
) -> None:
    queues = make("bee-queue")
    queues.work("jobs")
    queues.add("jobs", 1, data={"ms": 600_000})
    until_active(redis, "bq:jobs:active", 1)
    wait_for(lambda: redis.command("SCARD", "bq:jobs:stalling") == 1)
    assert sample(redis, "bee-queue").abandoned == []
    assert sample(redis, "bee-queue").last.agents.total is None
    queues.process.kill()
    wait_for(lambda: sample(redis, "bee-queue").last.agents.total == 0)
    redis.command("SADD", "bq:jobs:stalling", 1)
    wait_for(lambda: not redis.command("EXISTS", "bq:jobs:stallBlock"))
    assert sample(redis, "bee-queue").abandoned == ["1"]


class TestBullMQ:
    def test_a_worker_that_never_runs_takes_nothing(
        self, bullmq: BullMQ, redis: RedisServer
    ) -> None:
        bullmq.work("jobs", autorun=False)
        bullmq.add("jobs", count=3)
        found = sample(redis)
        assert (found.last.agents.total, found.last.agents.busy) == (1, 0)
        assert "although 1 of 1 agents have no task" in found.untaken

    def test_a_scheduler_whose_next_job_is_gone_is_lost(
        self, bullmq: BullMQ, redis: RedisServer
    ) -> None:
        bullmq.schedule("jobs", "ended", every=1, limit=1)
        bullmq.schedule("jobs", "nightly", every=1)
        wait_for(lambda: redis.command("ZCARD", "bull:jobs:repeat") == 2)
        assert sample(redis).lost_schedules == []
        redis.command("ZADD", "bull:jobs:repeat", 1_000, "nightly", 1_000, "ended")
        assert sample(redis).lost_schedules == ["nightly"]
        redis.command("HSET", "bull:jobs:repeat:nightly:1000", "name", "task")
        redis.command("DEL", "bull:jobs:wait", "bull:jobs:delayed")
        assert sample(redis).lost_schedules == ["nightly"]
        redis.command("ZADD", "bull:jobs:delayed", 1_000 * 0x1000, "repeat:nightly:1000")
        assert sample(redis).lost_schedules == []

    def test_workers_whose_connections_have_no_names_are_not_known(
        self, bullmq: BullMQ, redis: RedisServer
    ) -> None:
        redis.command("ACL", "SETUSER", "default", "-client|setname")
        bullmq.work("jobs")
        bullmq.add("jobs", count=3)
        wait_for(lambda: bullmq.count("jobs")["completed"] == 3)
        found = sample(redis)
        assert found.last.agents.total is None
        assert "have no names" in found.last.never["agents"]

    def test_the_limits_of_a_queue_hold_its_jobs_back(
        self, bullmq: BullMQ, redis: RedisServer
    ) -> None:
        bullmq.add("jobs", count=3)
        redis.command("SET", "bull:jobs:limiter", "9", "PX", 60_000)
        assert "rate limit" in sample(redis).last.tasks.held_back
        redis.command("DEL", "bull:jobs:limiter")
        redis.command("HSET", "bull:jobs:meta", "concurrency", "0")
        assert "concurrency of 0" in sample(redis).last.tasks.held_back

    def test_parents_whose_children_are_gone_or_failed_are_named(
        self, bullmq: BullMQ, redis: RedisServer
    ) -> None:
        for child in ("a", "b", "c"):
            bullmq.flow("jobs", child)
        gone, failed, _ = self._children(redis)
        assert sample(redis).orphaned == []
        redis.command("DEL", gone)
        redis.command(
            "ZADD", failed.rpartition(b":")[0] + b":failed", 1, failed.rpartition(b":")[2]
        )
        assert len(sample(redis).orphaned) == 2

    @staticmethod
    def _children(redis: RedisServer) -> list[bytes]:
        """Return the key of the only child of each parent."""
        parents = redis.command("ZRANGE", "bull:jobs:waiting-children", 0, -1)
        keys = [f"bull:jobs:{parent.decode()}:dependencies" for parent in parents]
        return [next(iter(redis.command("SMEMBERS", key))) for key in keys]

    def test_jobs_that_stalled_are_counted(
        self, bullmq: BullMQ, bullmq_folder: Path, redis: RedisServer
    ) -> None:
        with BullMQ(bullmq_folder) as other:
            other.open(redis.port)
            other.work("jobs", lockDuration=500, stalledInterval=200)
            bullmq.add("jobs", count=1, data={"ms": 60_000})
            until_active(redis, "bull:jobs:active", 1)
        bullmq.work("jobs", lockDuration=500, stalledInterval=200)
        wait_for(lambda: sample(redis).last.tasks.stalled == 1)


@pytest.mark.parametrize(("library", "source"), [("bull", "bull"), ("bee-queue", "bee-queue")])
def test_the_whole_command_says_what_makes_no_progress(
    redis: RedisServer, make: Make, tmp_path: Path, library: str, source: str
) -> None:
    make(library).add("jobs", 3)
    run = _run(redis, tmp_path, source)
    assert run.health["status"] == "unhealthy"
    assert run.outcomes["fleet.progress"] == "fail"
    assert "3 tasks wait, none was taken in" in run.check("fleet.progress")["message"]
    make(library).work("jobs")
    wait_for(lambda: sample(redis, library).last.tasks.waiting == 0)
    assert _run(redis, tmp_path, source).outcomes["fleet.progress"] == "pass"


def _run(redis: RedisServer, folder: Path, source: str) -> Run:
    (folder / "flowhealth.toml").write_text(f'[fleet]\nsource = "{source}"\n')
    limits = ("--health-threshold=fleet.utilisation=1000:2000",)
    return run_components(folder, "fleet", args=limits, env={"REDIS_URL": redis.url})
