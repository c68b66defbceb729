"""The fleet, by the real command: real BullMQ, real swarm records, programs that start well and badly."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.app import App
from tests.kit.bullmq import RUN, BullMQApp, install, marked, until
from tests.kit.redis import REDIS_SERVER, RedisServer, free_port
from tests.kit.runs import PASSWORD, Run, RunHealth

pytestmark = pytest.mark.skipif(not REDIS_SERVER, reason="redis-server is not installed")

FLEET = ("--health-component", "fleet")
CALM = ("--health-threshold", "fleet.utilisation=1000:2000")
REST = (
    *("fleet.completion", "fleet.utilisation", "fleet.agents", "fleet.queue"),
    *("fleet.stuck", "fleet.silent", "fleet.swarms", "fleet.score"),
)
"""The checks that require fleet.source."""


@pytest.fixture(scope="module")
def bull(tmp_path_factory: pytest.TempPathFactory) -> BullMQApp:
    return install(tmp_path_factory.mktemp("bullmq") / "queues")


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Start a Redis of the test's own."""
    with RedisServer(tmp_path / "own-redis") as server:
        yield server


@pytest.fixture
def check(app: App, run_health: RunHealth) -> Callable[..., Run]:
    """Return a function that runs the fleet's checks with a configuration and a Redis."""

    def run(configuration: str, url: str = "redis://127.0.0.1:1/0", *more: str) -> Run:
        app.configure(f"\n{configuration}\n")
        env = {"FLOWHEALTH_REDIS_URL": url, "FLOWHEALTH_REDIS_TIMEOUT": "5 s"}
        return run_health(app, *FLEET, *CALM, *more, env=env, calm=False)

    return run


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process that the command started is left."""
    word = secrets.token_hex(8)
    monkeypatch.setenv(RUN, word)
    yield
    assert marked(word) == []


def figure(run: Run, check_id: str, name: str) -> Any:
    """Return a measurement's value, or its statistics."""
    found = {one["name"]: one for one in run.check(check_id)["measurements"]}
    return found[name].get("value", found[name].get("stats"))


def spawn(command: list[str], **keys: object) -> str:
    """Return the configuration of a start."""
    lines = [f"command = {json.dumps(command)}"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in keys.items()]
    return "\n".join(["[fleet.spawn]", *lines])


def test_bullmq_with_workers_that_fail_every_tenth_job(
    bull: BullMQApp, own_redis: RedisServer, check: Callable[..., Run]
) -> None:
    port = own_redis.port
    with bull.worker(port, "jobs"), bull.worker(port, "jobs"):
        bull.queue(port, "jobs", count=200)
        until(lambda: bull.queue(port, "jobs")["failed"] == 20)
        bull.queue(port, "jobs", count=2, data={"ms": 600_000})
        until(lambda: bull.queue(port, "jobs")["active"] == 2)
        counts = bull.queue(port, "jobs", count=7)
        run = check('[fleet]\nsource = "bullmq"\nqueue = "jobs"', own_redis.url)
    assert figure(run, "fleet.completion", "completion") == 90.0
    assert run.outcomes["fleet.completion"] == "warn"
    assert run.check("fleet.completion")["details"]["failed"] == 20
    assert figure(run, "fleet.queue", "queue") == counts["wait"] == 7
    assert run.check("fleet.queue")["details"]["active"] == counts["active"] == 2
    assert figure(run, "fleet.agents", "agents") == 2
    assert figure(run, "fleet.utilisation", "busy") == 100.0
    assert figure(run, "fleet.utilisation", "memory_share") > 0
    assert figure(run, "fleet.stuck", "stuck") == 0
    score = run.check("fleet.score")["details"]
    assert {"completion", "utilisation", "queue", "stuck"} <= set(score["parts"])
    assert {"spawn", "silent", "swarms"} <= set(score["absent"])
    assert any("10 % of the tasks fail" in text for text in score["recommendations"])
    assert "recommendations" in run.out
    assert run.exit_code == 1


@pytest.mark.accuracy
def test_a_start_that_sleeps_a_second_takes_a_second(check: Callable[..., Run]) -> None:
    run = check(spawn(["sh", "-c", "sleep 1; echo ready; sleep 60"]))
    taken = figure(run, "fleet.spawn", "spawn")
    for _ in range(2):  # The machine is shared: the whole measurement again.
        if taken["median"] > 1_100:
            taken = figure(check(""), "fleet.spawn", "spawn")
    assert taken["count"] == 5
    assert taken["min"] >= 1_000
    assert taken["median"] <= 1_100
    assert run.outcomes["fleet.spawn"] == "pass"
    assert run.outcomes["fleet.source"] == "skip"


DETACHING = (
    "import os, time\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)"
)
NEVER = "import time; print('almost', flush=True); time.sleep(60)"
DYING = "import sys; print('no model', file=sys.stderr); sys.exit(7)"
FLOODING = "while True: print('x' * 1000)"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (NEVER, "2 of 2 starts failed: it was not ready in time"),
        (DYING, "5 of 5 starts failed: it ended with exit code 7 before it was ready"),
        (FLOODING, "2 of 2 starts failed: it was not ready in time"),
        ("import os; os.kill(os.getpid(), 11)", "5 of 5 starts failed: it ended by signal 11"),
        (DETACHING.replace("print('ready', flush=True)\n", ""), "had left others running"),
    ],
    ids=["never ready", "dies", "floods", "crashes", "forks away"],
)
def test_starts_that_fail_are_ended_counted_and_told(
    code: str, says: str, check: Callable[..., Run]
) -> None:
    run = check(spawn(["python3", "-c", code], timeout="1 s"))
    run.assert_fault("fleet.spawn", 2, says)
    assert len(json.dumps(run.check("fleet.spawn"))) < 10_000


def test_one_that_forks_away_and_is_ready_passes_and_is_ended(check: Callable[..., Run]) -> None:
    run = check(spawn(["python3", "-c", DETACHING], count=2))
    assert run.outcomes["fleet.spawn"] == "pass"
    assert "2 processes" in run.check("fleet.spawn")["details"]["detached"]


def test_a_program_that_is_not_there_is_told(check: Callable[..., Run]) -> None:
    run = check(spawn(["no-such-agent"]))
    run.assert_fault("fleet.spawn", 2, "`no-such-agent` can't be started")


@pytest.mark.parametrize("source", ["redis-swarm", "bullmq"])
def test_a_redis_that_is_down_is_the_root_cause(source: str, check: Callable[..., Run]) -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0"
    run = check(f'[fleet]\nsource = "{source}"', url)
    run.assert_fault("fleet.source", 2, "no Redis listens at 127.0.0.1", blocked=REST)


@pytest.mark.parametrize("source", ["http", "prometheus"])
def test_a_server_that_is_down_is_the_root_cause(source: str, check: Callable[..., Run]) -> None:
    text = f'[fleet]\nsource = "{source}"\nurl = "http://127.0.0.1:{free_port()}/x"\n'
    run = check(text + 'fields = { agents = "workers" }')
    run.assert_fault("fleet.source", 2, "can't be reached: Connection refused", blocked=REST)


def test_a_program_that_fails_is_the_root_cause(check: Callable[..., Run]) -> None:
    run = check('[fleet]\nsource = "command"\ncommand = ["sh", "-c", "echo down >&2; exit 3"]')
    run.assert_fault("fleet.source", 2, "ended with exit code 3: down", blocked=REST)


def test_without_a_fleet_every_check_is_skipped_with_one_reason(check: Callable[..., Run]) -> None:
    run = check("")
    assert set(run.outcomes.values()) == {"skip"}
    assert "no fleet is configured" in run.check("fleet.source")["message"]
    assert set(run.blocked.values()) == {"fleet.source"}
    assert "no fleet is configured" in run.check("fleet.spawn")["message"]
    assert run.health["status"] == "unknown"


def swarm(redis: RedisServer, name: str, record: bytes | dict[str, Any]) -> None:
    text = record if isinstance(record, bytes) else json.dumps(record)
    redis.command("SET", f"swarm:{name}", text)
    redis.command("ZADD", "swarm:index", int(time.time() * 1_000), name)


def test_the_preset_reads_swarms_and_hostile_records_are_told(
    app: App, own_redis: RedisServer, check: Callable[..., Run]
) -> None:
    app.manifest(name="claude-flow-novice")
    now = int(time.time() * 1_000)
    agents = [{"id": "a", "status": "busy", "health": {}, "lastActive": now}]
    metrics = {"tasksCompleted": 96, "tasksFailed": 4}
    record = {"status": "active", "agents": agents, "tasks": [], "metrics": metrics}
    swarm(own_redis, "good", {**record, "lastHeartbeat": now})
    for number in range(50):
        swarm(own_redis, f"bad{number}", b"\x1b[31m no JSON")
    swarm(own_redis, "wrong", b'{"metrics": {"tasksCompleted": -1, "tasksFailed": "NaN"}}')
    run = check("", own_redis.url)
    assert figure(run, "fleet.completion", "completion") == 96.0
    assert run.outcomes["fleet.source"] == "warn"
    told = run.check("fleet.source")["details"]["unusable"]
    assert len(told) == 11
    assert "more" in told[-1]
    assert "\x1b" not in run.out
    assert run.outcomes["fleet.utilisation"] == "skip"
    assert "process ids" in run.check("fleet.utilisation")["message"]
    assert run.check("fleet.swarms")["message"] == "0 swarms ended, fewer than 5"


def test_few_tasks_are_not_100_percent(own_redis: RedisServer, check: Callable[..., Run]) -> None:
    swarm(own_redis, "s", {"status": "active", "metrics": {"tasksCompleted": 19, "tasksFailed": 0}})
    run = check('[fleet]\nsource = "redis-swarm"', own_redis.url)
    assert run.outcomes["fleet.completion"] == "skip"
    assert "19 tasks ended, fewer than" in run.check("fleet.completion")["message"]


def test_silent_agents_and_tasks_without_an_agent_are_told(check: Callable[..., Run]) -> None:
    then = time.time() - 3_600
    told = {
        "agents": [{"id": "quiet", "state": "idle", "heartbeat": then}],
        "tasks": {"waiting": 3, "active": 1, "working": [{"id": "long", "since": then}]},
    }
    command = ["echo", json.dumps(told)]
    run = check(f'[fleet]\nsource = "command"\ncommand = {json.dumps(command)}')
    assert run.outcomes["fleet.silent"] == "fail"
    assert "quiet" in run.check("fleet.silent")["details"]["silent"]
    assert run.outcomes["fleet.stuck"] == "warn"
    assert "long" in run.check("fleet.stuck")["details"]["stuck"]


def test_tasks_that_wait_for_nobody_fail(check: Callable[..., Run]) -> None:
    command = ["echo", json.dumps({"agents": 0, "tasks": {"waiting": 3}})]
    run = check(f'[fleet]\nsource = "command"\ncommand = {json.dumps(command)}')
    assert run.outcomes["fleet.agents"] == "fail"
    assert run.check("fleet.agents")["message"].startswith("3 tasks wait, and there is no agent")


@pytest.mark.accuracy
def test_two_runs_on_an_idle_fleet_agree(
    bull: BullMQApp, own_redis: RedisServer, check: Callable[..., Run]
) -> None:
    with bull.worker(own_redis.port, "jobs"):
        bull.queue(own_redis.port, "jobs", count=40)
        until(lambda: bull.queue(own_redis.port, "jobs")["failed"] == 4)
        until(lambda: bull.queue(own_redis.port, "jobs")["active"] == 0)
        runs = [
            check('[fleet]\nsource = "bullmq"\nqueue = "jobs"', own_redis.url),
            check("", own_redis.url),
        ]
    for check_id, name in (
        *(("fleet.completion", "completion"), ("fleet.queue", "queue")),
        *(("fleet.agents", "agents"), ("fleet.stuck", "stuck")),
    ):
        assert len({figure(run, check_id, name) for run in runs}) == 1
    scores = [figure(run, "fleet.score", "score") for run in runs]
    assert abs(scores[0] - scores[1]) < 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[fleet]\nsource = "guess"', "fleet.source"),
        ('[fleet]\nurl = "ftp://x"', "fleet.url"),
        ("[fleet.spawn]\ncommand = []", "fleet.spawn.command"),
        ('[fleet.spawn]\nready = "stdout:x"', "fleet.spawn.command"),
        ('[fleet.spawn]\ncommand = ["x"]\nready = "port:99999"', "fleet.spawn.ready"),
        ('[fleet.spawn]\ncommand = ["x"]\ncount = 0', "fleet.spawn.count"),
        ('[fleet]\nwindow = "soon"', "fleet.window"),
    ],
)
def test_what_can_not_be_meant_is_a_usage_error(
    text: str, says: str, check: Callable[..., Run]
) -> None:
    run = check(text)
    assert run.exit_code == 4
    assert says in run.text
