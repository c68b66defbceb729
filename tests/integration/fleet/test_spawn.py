"""Real programs, started and ended: quick, slow, dying, flooding and forking away."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pytest_flowhealth.errors import ProbeError
from pytest_flowhealth.probes.descendants import MARK
from pytest_flowhealth.probes.fleet.ready import sign_of
from pytest_flowhealth.probes.fleet.spawn import Program, Start, starts, summary
from pytest_flowhealth.probes.redis.address import parse
from tests.kit.bullmq import RUN, marked
from tests.kit.redis import REDIS_SERVER, RedisServer, free_port

READY = "import time; print('agent ready', flush=True); time.sleep(60)"

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


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process that the test started is left, whatever it did."""
    word = secrets.token_hex(8)
    monkeypatch.setenv(RUN, word)
    yield
    assert marked(word) == []


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def run(
    code: str,
    folder: Path,
    *,
    ready: str = "stdout:ready",
    count: int = 1,
    timeout: float = 10.0,
    url: str = "redis://127.0.0.1:1/0",
) -> tuple[Start, ...]:
    return starts(
        Program((sys.executable, "-c", code), folder),
        lambda word: sign_of(ready, lambda: parse(url), 2.0, word),
        count=count,
        timeout=timeout,
    )


def again(measure: Callable[[], bool]) -> bool:
    """Measure up to three times: the machine is shared."""
    return any(measure() for _ in range(3))


@pytest.mark.accuracy
def test_a_second_before_the_ready_line_is_a_second(tmp_path: Path) -> None:
    program = ("sh", "-c", "sleep 1; echo ready; sleep 60")

    def measure() -> bool:
        done = starts(
            Program(program, tmp_path),
            lambda word: sign_of("stdout:ready", lambda: parse(""), 1.0, word),
            count=3,
        )
        times = [one.milliseconds or 0.0 for one in done]
        assert all(one >= 1_000 for one in times)
        return all(one <= 1_100 for one in times)

    assert again(measure)


def test_five_starts_are_five_samples(tmp_path: Path) -> None:
    done = run(READY, tmp_path, count=5)
    assert len(done) == 5
    assert all(one.milliseconds and not one.problem for one in done)
    assert summary(done) == ""
    assert done[0].last_lines == ("agent ready",)


@pytest.mark.parametrize("line", ["already there", "readyish", "unready"])
def test_the_text_must_be_a_word(line: str, tmp_path: Path) -> None:
    done = run(f"import time; print({line!r}, flush=True); time.sleep(60)", tmp_path, timeout=0.5)
    assert done[0].timed_out


def test_one_that_never_gets_ready_is_ended_and_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    done = run(
        "import time; print('starting', flush=True); time.sleep(60)", tmp_path, count=5, timeout=0.7
    )
    assert len(done) == 2
    assert summary(done).startswith("2 of 2 starts failed: it was not ready in time")
    assert "its last line: starting" in summary(done)


def test_one_that_dies_tells_its_exit_code_and_last_line(tmp_path: Path) -> None:
    code = "import sys; print('no REDIS_URL', file=sys.stderr); sys.exit(3)"
    done = run(code, tmp_path, count=3)
    assert len(done) == 3
    assert {one.exit_code for one in done} == {3}
    assert summary(done) == (
        "3 of 3 starts failed: it ended with exit code 3 before it was ready; "
        "its last line: no REDIS_URL"
    )


def test_one_that_a_signal_ends_tells_it(tmp_path: Path) -> None:
    done = run("import os; os.kill(os.getpid(), 9)", tmp_path)
    assert done[0].problem == "it ended by signal 9 before it was ready"


def test_one_that_ends_well_without_a_sign_failed(tmp_path: Path) -> None:
    done = run("print('bye')", tmp_path)
    assert done[0].problem == "it ended with exit code 0 before it was ready"
    assert done[0].milliseconds is None


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


def test_an_endless_flood_is_ended(tmp_path: Path) -> None:
    done = run("while True: print('y' * 100)", tmp_path, timeout=1.0)
    assert done[0].timed_out
    assert done[0].output > 0


@pytest.mark.parametrize("parent", ["os._exit(0)", "time.sleep(60)"])
def test_one_that_forks_away_is_found_and_ended(parent: str, tmp_path: Path) -> None:
    done = run(DOUBLE_FORK.format(parent=parent, child=""), tmp_path)
    assert done[0].milliseconds is not None
    assert done[0].detached == 1
    assert done[0].left == 0


def test_one_that_forks_away_and_never_gets_ready_is_ended_and_told(tmp_path: Path) -> None:
    code = DOUBLE_FORK.format(parent="os._exit(0)", child="time.sleep(60)")
    done = run(code, tmp_path, timeout=1.0)
    assert "had left others running" in done[0].problem
    assert done[0].detached == 1


def test_one_that_clears_its_environment_is_found_by_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={{}}, start_new_session=True)
open({str(file)!r}, "w").write(str(child.pid))
print("ready", flush=True)
time.sleep(60)
"""
    run(code, tmp_path)
    assert ended(int(file.read_text()))


def test_one_that_ignores_sigterm_is_killed_and_counted(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); " + READY
    done = run(code, tmp_path)
    assert (done[0].killed, done[0].left) == (1, 0)


def test_one_that_is_stopped_is_ended(tmp_path: Path) -> None:
    code = "import os; print('ready', flush=True); os.kill(os.getpid(), 19)"
    assert run(code, tmp_path)[0].left == 0


def test_children_that_start_children_are_all_ended(tmp_path: Path) -> None:
    code = """
import os, time
for _ in range(4): os.fork()
print("ready", flush=True)
time.sleep(60)
"""
    assert run(code, tmp_path)[0].left == 0


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    class Interrupting:
        def __call__(self) -> float:
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return time.monotonic()

    from pytest_flowhealth.probes.fleet.spawn import start

    sign = sign_of("stdout:never", lambda: parse(""), 1.0, "w")
    with pytest.raises(KeyboardInterrupt):
        start(Program((sys.executable, "-c", READY), tmp_path), sign, "word", 5.0, Interrupting())


@pytest.mark.parametrize("argv", [("no-such-program-at-all",), (os.devnull,), ("a\0b",)])
def test_what_can_not_be_started_is_told(argv: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="can't be started"):
        starts(
            Program(argv, tmp_path), lambda word: sign_of("stdout:x", lambda: parse(""), 1.0, word)
        )


def test_a_port_is_a_sign(tmp_path: Path) -> None:
    port = free_port()
    code = f"import socket, time; time.sleep(.3); s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    done = run(code, tmp_path, ready=f"port:{port}", count=2)
    assert all((one.milliseconds or 0) > 300 for one in done)


def test_a_port_that_is_taken_can_not_be_a_sign(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ProbeError, match=f"listens at port {port} already"):
            run(READY, tmp_path, ready=f"port:{port}")


@pytest.mark.skipif(not REDIS_SERVER, reason="redis-server is not installed")
class TestRedisSigns:
    @pytest.fixture
    def redis(self, tmp_path: Path) -> Iterator[RedisServer]:
        with RedisServer(tmp_path / "redis") as server:
            yield server

    def send(self, redis: RedisServer, *words: str) -> str:
        return f"""
import os, socket, time
time.sleep(.3)
words = [word.replace("$", os.environ["{MARK}"]) for word in {words!r}]
link = socket.create_connection(("127.0.0.1", {redis.port}))
link.sendall((" ".join(words) + "\\r\\n").encode())
time.sleep(60)
"""

    @pytest.mark.parametrize(
        ("ready", "words"),
        [
            ("redis:agents:{spawn}", ("SET", "agents:$", "1")),
            ("redis:agent", ("SET", "agent", "$")),
            ("redis:list", ("RPUSH", "list", "$")),
            ("redis:hash", ("HSET", "hash", "$", "1")),
            ("event:agents", ("PUBLISH", "agents", "$")),
        ],
    )
    def test_a_key_or_a_message_is_a_sign(
        self, ready: str, words: tuple[str, ...], redis: RedisServer, tmp_path: Path
    ) -> None:
        done = run(self.send(redis, *words), tmp_path, ready=ready, count=2, url=redis.url)
        assert all((one.milliseconds or 0) > 300 for one in done), done

    def test_a_key_that_is_there_already_is_no_sign(
        self, redis: RedisServer, tmp_path: Path
    ) -> None:
        redis.command("SET", "agent", "old")
        done = run(READY, tmp_path, ready="redis:agent", timeout=1.0, url=redis.url)
        assert done[0].timed_out

    def test_a_redis_that_is_down_is_told_before_anything_starts(self, tmp_path: Path) -> None:
        with pytest.raises(ProbeError, match="no Redis listens"):
            run(READY, tmp_path, ready="redis:agent")
