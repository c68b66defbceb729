"""Real programs, started and ended: quick, slow, dying, flooding and forking away."""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.descendants import MARK
from pytest_flowhealth.probes.fleet.readiness import make_signal
from pytest_flowhealth.probes.fleet.spawn import (
    AgentProgram,
    AgentStart,
    describe_failed_starts,
    start_agent,
    start_agents,
)
from pytest_flowhealth.probes.redis.address import parse_address
from tests.kit.redis import RedisServer, closed_port, free_port
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.usefixtures("nothing_left")

READY = "echo agent ready; sleep 60"

DOUBLE_FORK = """
import os, sys, time
if os.fork():
    {parent}
os.setsid()
if os.fork():
    os._exit(0)
{child}
print('agent ready', flush=True)
time.sleep(60)
"""


def run(
    code: str,
    folder: Path,
    *,
    ready: str = "stdout:ready",
    count: int = 1,
    timeout: float = 30.0,
    url: str = "redis://127.0.0.1:1/0",
) -> tuple[AgentStart, ...]:
    """Start Python, or a shell where the code imports nothing."""
    program = sys.executable if "import" in code else "sh"
    return start_agents(
        AgentProgram((program, "-c", code), folder),
        lambda word: make_signal(ready, lambda: parse_address(url), 2.0, word),
        count=count,
        timeout=timeout,
    )


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_each_start_that_gets_ready_is_a_sample(tmp_path: Path) -> None:
    done = run(READY, tmp_path, count=3)
    assert len(done) == 3
    assert all(one.milliseconds and not one.problem for one in done)
    assert describe_failed_starts(done) == ""
    assert done[0].last_lines == ("agent ready",)


@pytest.mark.parametrize(("code", "line"), [("echo starting; sleep 60", "starting"), ("yes", "y")])
def test_a_program_that_never_gets_ready_is_ended_and_not_tried_for_ever(
    code: str, line: str, tmp_path: Path
) -> None:
    done = run(code, tmp_path, count=5, timeout=0.4)
    assert [start.timed_out for start in done] == [True, True]
    assert describe_failed_starts(done).startswith("2 of 2 starts failed: it was not ready in time")
    assert f"its last line: {line}" in describe_failed_starts(done)


@pytest.mark.parametrize(
    ("code", "exit_code", "says", "cause"),
    [
        ("echo no URL >&2; exit 3", 3, "it ended with exit code 3", "no URL"),
        ("echo no URL; kill -9 $$", -9, "it ended by signal 9", "killed by SIGKILL"),
        ("echo no URL", 0, "it ended with exit code 0", "no URL"),
    ],
)
def test_a_program_that_ends_without_a_sign_is_told_with_its_end(
    code: str, exit_code: int, says: str, cause: str, tmp_path: Path
) -> None:
    done = run(code, tmp_path, count=2)
    assert {(start.exit_code, start.milliseconds) for start in done} == {(exit_code, None)}
    reason = f"{says} before it was ready: {cause}"
    assert describe_failed_starts(done).startswith(f"2 of 2 starts failed: {reason}")


def test_the_error_of_a_node_program_is_its_cause_and_not_the_line_below(tmp_path: Path) -> None:
    (tmp_path / "agent.mjs").write_text("throw new Error('NOPE_URL is not set')")
    done = run("exec node agent.mjs", tmp_path, count=1)
    assert done[0].last_lines[-1].startswith("Node.js v")
    assert done[0].cause == "Error: NOPE_URL is not set"


@pytest.mark.parametrize("newline", ["\\n", ""])
def test_a_flood_is_read_bounded_and_told(newline: str, tmp_path: Path) -> None:
    code = f"""
import sys, time
for _ in range(2000): sys.stdout.write('x' * 10_000 + '{newline}')
sys.stdout.write('\\nready\\n'); sys.stdout.flush(); time.sleep(60)
"""
    done = run(code, tmp_path, timeout=60)
    assert done[0].milliseconds is not None
    assert done[0].output > 20_000_000
    assert max(map(len, done[0].last_lines)) < 300


@pytest.mark.parametrize("parent", ["os._exit(0)", "time.sleep(60)"])
def test_a_program_that_forks_away_is_found_and_ended(parent: str, tmp_path: Path) -> None:
    done = run(DOUBLE_FORK.format(parent=parent, child=""), tmp_path)
    assert done[0].milliseconds is not None
    assert (done[0].detached, done[0].left) == (1, 0)


def test_a_program_that_forks_away_and_never_gets_ready_is_ended_and_told(tmp_path: Path) -> None:
    code = DOUBLE_FORK.format(parent="os._exit(0)", child="time.sleep(60)")
    done = run(code, tmp_path, timeout=1.0)
    assert "had left others running" in done[0].problem
    assert done[0].detached == 1


def test_a_program_that_clears_its_environment_is_found_by_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = f"""
import subprocess, time
child = subprocess.Popen(["sleep", "60"], env={{}}, start_new_session=True)
open({str(file)!r}, "w").write(str(child.pid))
print("ready", flush=True)
time.sleep(60)
"""
    run(code, tmp_path)
    assert ended(int(file.read_text()))


@pytest.mark.parametrize(
    ("code", "killed"),
    [
        (f"trap '' TERM; {READY}", 1),
        ("echo ready; kill -STOP $$", 0),
        ("for _ in 1 2 3 4; do (sleep 60; true) & done; echo ready; wait", 0),
    ],
    ids=["ignores SIGTERM", "stopped", "children of children"],
)
def test_all_that_was_started_is_ended(code: str, killed: int, tmp_path: Path) -> None:
    (done,) = run(code, tmp_path)
    assert done.left == 0
    assert done.killed >= killed


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    calls = iter((time.monotonic, time.monotonic))

    def clock() -> float:
        now = next(calls, None)
        if now is None:
            raise KeyboardInterrupt
        return now()

    sign = make_signal("stdout:never", lambda: parse_address(""), 1.0, "w")
    with pytest.raises(KeyboardInterrupt):
        start_agent(AgentProgram(("sh", "-c", READY), tmp_path), sign, "word", 5.0, clock)


@pytest.mark.parametrize("argv", [("no-such-program-at-all",), (os.devnull,), ("a\0b",)])
def test_what_can_not_be_started_is_told(argv: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="can't be started"):
        start_agents(
            AgentProgram(argv, tmp_path),
            lambda word: make_signal("stdout:x", lambda: parse_address(""), 1.0, word),
        )


def test_a_port_is_a_sign_unless_it_is_taken_already(tmp_path: Path) -> None:
    port = free_port()
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    (done,) = run(code, tmp_path, ready=f"port:{port}")
    assert done.milliseconds
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(CheckFailed, match=f"listens at port {port} already"),
    ):
        run(READY, tmp_path, ready=f"port:{port}")


Send = Callable[[RedisServer], object]


@pytest.mark.parametrize(
    ("ready", "send"),
    [
        ("redis:agents:{spawn}", lambda redis: redis.command("SET", "agents:word", "1")),
        ("redis:agent", lambda redis: redis.command("SET", "agent", "new")),
        ("redis:list", lambda redis: redis.command("RPUSH", "list", "1")),
        ("redis:hash", lambda redis: redis.command("HSET", "hash", "word", "1")),
        ("event:agents", lambda redis: redis.command("PUBLISH", "agents", "1")),
    ],
)
def test_a_key_or_a_message_is_a_sign(ready: str, send: Send, redis: RedisServer) -> None:
    redis.command("SET", "agent", "old")
    sign = make_signal(ready, lambda: parse_address(redis.url), 5.0, "word")
    sign.prepare(60.0)
    try:
        # A message to nobody is lost; what has been there before is no sign.
        assert not sign.wake.wait(0.05)
        begin = time.monotonic()
        send(redis)
        assert sign.wake.wait(60.0)
        assert sign.at is not None
        assert sign.at >= begin
    finally:
        sign.end()


def test_a_started_program_finds_its_own_word_in_its_environment(
    redis: RedisServer, tmp_path: Path
) -> None:
    code = f"""
import os, socket, time
link = socket.create_connection(("127.0.0.1", {redis.port}))
link.sendall(b"SET agents:" + os.environ["{MARK}"].encode() + b" 1\\r\\n")
time.sleep(60)
"""
    done = run(code, tmp_path, ready="redis:agents:{spawn}", count=2, url=redis.url)
    assert all(one.milliseconds for one in done), done
    assert len(redis.keys()) == 2
    wait_for(lambda: b"sub=1" not in redis.raw("CLIENT LIST"))


def test_a_redis_that_is_down_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="no Redis listens"):
        run(READY, tmp_path, ready="redis:agent", url=f"redis://127.0.0.1:{closed_port()}/0")
