"""Things break under a real monitor: design 11's promises hold."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.kit.monitor import Monitor, project
from tests.kit.redis import RedisServer, free_port
from tests.kit.webhook import Server, receiving

REDIS = ("--health-component", "redis")
OWN = """
import pytest
from pathlib import Path

@pytest.mark.health("own", timeout=60)
def test_switch(health):
    import time
    mode = Path("mode").read_text().strip()
    if mode == "hang":
        import subprocess
        subprocess.Popen(["sleep", "3600"], start_new_session=True)
        Path("hangs").touch()
        time.sleep(50)
    health.measure("figure", 1.0 if mode == "ok" else 9.0, unit="1")
    assert mode == "ok", f"the switch is at {mode}"
"""


@pytest.fixture
def hook() -> Iterator[Server]:
    with receiving() as found:
        yield found


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as found:
        yield found


@pytest.fixture
def shop(tmp_path: Path, hook: Server, redis: RedisServer) -> Iterator[Monitor]:
    env = {"FLOWHEALTH_REDIS_URL": redis.url}
    with project(tmp_path / "shop", hook, env) as found:
        yield found


@pytest.fixture
def own(tmp_path: Path, hook: Server) -> Iterator[Monitor]:
    """A project with one check of its own, which does what the file `mode` says."""
    more = 'checks = ["health/"]\n[monitor]\nlimit = "6 s"\n'
    with project(tmp_path / "own", hook, {}, more) as found:
        (found.project / "health").mkdir()
        (found.project / "health" / "test_own.py").write_text(OWN)
        (found.project / "mode").write_text("ok")
        yield found


OWN_ONLY = ("--health-component", "own")


def test_redis_killed_and_back(shop: Monitor, redis: RedisServer) -> None:
    shop.start(*REDIS)
    shop.rounds(1)
    redis.stop()
    killed = time.monotonic()
    shop.until(shop.told)
    took = time.monotonic() - killed
    redis.start()
    shop.until(lambda: len(shop.told()) == 2)
    shop.rounds(1)

    assert shop.told() == [("firing", "redis.connect"), ("resolved", "redis.connect")]
    alert = shop.alert("redis.connect")
    assert {"redis.ping", "redis.command", "redis.memory"} <= set(alert["blocked"])
    assert "redis-server" in alert["remedy"]
    assert took < 30  # how long exactly depends on the machine: benchmarks/monitor.py says it
    assert shop.end() == 0


def test_redis_is_looked_at_when_it_goes_or_comes_back(shop: Monitor, redis: RedisServer) -> None:
    shop.start(*REDIS, interval="1h")
    shop.rounds(1)
    time.sleep(2.0)
    redis.stop()
    shop.until(shop.told)
    redis.start()
    shop.until(lambda: len(shop.told()) == 2)

    assert shop.told() == [("firing", "redis.connect"), ("resolved", "redis.connect")]
    assert len(shop.events("round")) <= 4


def test_the_monitor_is_killed_in_between(shop: Monitor, redis: RedisServer) -> None:
    shop.start(*REDIS)
    shop.rounds(1)
    redis.stop()
    shop.until(shop.told)
    shop.end(signal.SIGKILL)
    redis.start()
    shop.start(*REDIS)
    shop.until(lambda: len(shop.told()) == 2)
    shop.rounds(1)

    assert shop.told() == [("firing", "redis.connect"), ("resolved", "redis.connect")]


def test_redis_stands_still(shop: Monitor, redis: RedisServer) -> None:
    shop.start(*REDIS)
    shop.rounds(1)
    redis.suspend()
    shop.until(shop.told)
    redis.resume()
    shop.until(lambda: len(shop.told()) == 2)

    assert [kind for kind, _ in shop.told()] == ["firing", "resolved"]


def test_a_receiver_that_is_down_is_told_later(
    shop: Monitor, hook: Server, redis: RedisServer
) -> None:
    hook.answers = [*[(500, dict[str, str]())] * 3, (204, {})]
    redis.stop()
    shop.start(*REDIS)
    shop.until(lambda: len(hook.requests) >= 4)
    shop.until(lambda: shop.rows("SELECT count(*) FROM outbox") == [(0,)])

    assert len({headers["X-FlowHealth-Id"] for _, headers, _ in hook.requests}) == 1


def test_the_history_is_locked(shop: Monitor) -> None:
    shop.start(*REDIS)
    shop.rounds(1)
    shop.until(lambda: shop.rows("SELECT count(*) FROM runs") == [(1,)])
    with contextlib.closing(sqlite3.connect(shop.history, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        told = shop.rounds(3)
        other.execute("ROLLBACK")
    shop.until(lambda: shop.rows("SELECT count(*) FROM runs")[0][0] >= len(told))

    assert "write lock" in str(shop.events("problem"))
    assert shop.rows("PRAGMA integrity_check") == [("ok",)]


def test_the_history_is_broken(shop: Monitor, redis: RedisServer) -> None:
    shop.start(*REDIS)
    shop.rounds(1)
    redis.stop()
    shop.until(shop.told)
    with shop.history.open("r+b") as file:
        file.write(b"garbage" * 2_000)
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{shop.history}{end}").write_bytes(b"")
    shop.rounds(4)
    redis.start()
    shop.until(lambda: len(shop.told()) == 2)
    shop.rounds(1)

    assert [kind for kind, _ in shop.told()] == ["firing", "resolved"]
    assert list(shop.history.parent.glob("history.db.corrupt-*"))
    shop.until(lambda: shop.rows("SELECT count(*) FROM runs")[0][0] >= 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_the_disk_is_full(shop: Monitor, redis: RedisServer) -> None:
    folder = shop.history.parent
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "none", folder], check=False
    ).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        shop.start(*REDIS)
        shop.rounds(1)
        with contextlib.suppress(OSError), (folder / "ballast").open("wb") as file:
            while True:
                file.write(b"x" * 4_096)
                file.flush()
        redis.stop()
        shop.until(shop.told)
        told = shop.rounds(4)
        (folder / "ballast").unlink()
        shop.until(lambda: shop.rows("SELECT count(*) FROM runs")[0][0] >= len(told))
        redis.start()
        shop.until(lambda: len(shop.told()) == 2)

        assert "disk is full" in str(shop.events("problem"))
        assert [kind for kind, _ in shop.told()] == ["firing", "resolved"]
        shop.end()
    finally:
        shop.end(signal.SIGKILL)
        subprocess.run(["umount", folder], check=True)


def test_a_round_is_killed(own: Monitor) -> None:
    own.start(*OWN_ONLY)
    own.rounds(1)
    own.child().kill()
    own.until(own.told)
    own.rounds(2)
    own.until(lambda: len(own.told()) == 2)

    assert own.told() == [("firing", "monitor.round"), ("resolved", "monitor.round")]
    assert "signal 9" in own.alert("monitor.round")["summary"]
    assert "unknown" in {one["status"] for one in own.events("round")}


def test_a_round_takes_too_long(own: Monitor) -> None:
    own.start(*OWN_ONLY)
    own.rounds(1)
    (own.project / "mode").write_text("hang")
    own.until(own.told)
    (own.project / "mode").write_text("ok")
    own.until(lambda: len(own.told()) == 2)

    assert own.told()[0] == ("firing", "monitor.round")
    assert "longer than its limit of 6 s" in own.alert("monitor.round")["summary"]
    left = [
        one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "3600"]
    ]
    assert left == []
    assert own.events("round")[-1]["late"] >= 1


def test_a_check_of_ones_own_alerts_with_what_it_said(own: Monitor) -> None:
    own.start(*OWN_ONLY)
    own.rounds(1)
    (own.project / "mode").write_text("broken")
    own.until(own.told)
    (own.project / "mode").write_text("ok")
    own.until(lambda: len(own.told()) == 2)

    assert own.told() == [("firing", "own.switch"), ("resolved", "own.switch")]
    assert "the switch is at broken" in own.alert("own.switch")["summary"]


def test_the_configuration_is_read_again(own: Monitor) -> None:
    own.start(*OWN_ONLY)
    own.rounds(1)
    toml = own.project / "flowhealth.toml"
    good = toml.read_text()
    toml.write_text(good + "\nnonsense = [")
    own.send(signal.SIGHUP)
    own.until(lambda: own.events("problem"))
    own.rounds(2)
    assert "stays as it was" in own.events("problem")[0]["text"]
    assert own.events("round")[-1]["status"] == "healthy"

    rule = '\n[[rules]]\nname = "mine"\nmetric = "own.figure"\nabove = 0.5\n'
    toml.write_text(good + rule)
    own.send(signal.SIGHUP)
    own.until(own.told)
    assert own.told() == [("firing", "mine")]

    toml.write_text(good)
    own.send(signal.SIGHUP)
    own.until(lambda: len(own.told()) == 2)
    assert own.told()[1] == ("resolved", "mine")


def test_two_monitors_on_one_history(own: Monitor, tmp_path: Path, hook: Server) -> None:
    own.start(*OWN_ONLY)
    own.rounds(1)
    with project(tmp_path / "second", hook, {}) as other:
        other.history = own.history
        other.start(*REDIS)
        assert other.process is not None
        assert other.process.wait(30) == 4
        assert f"another monitor (process {own.process.pid})" in other.text  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_five_seconds_whatever_runs(own: Monitor, number: signal.Signals) -> None:
    (own.project / "mode").write_text("hang")
    own.start(*OWN_ONLY)
    own.until((own.project / "hangs").exists)
    child = own.child()
    family = [child, *child.children(recursive=True)]
    began = time.monotonic()

    assert own.end(number) == 0

    assert time.monotonic() - began < 5.0
    assert [one for one in family if one.is_running() and one.status() != "zombie"] == []


def test_many_rounds_leave_nothing_behind(own: Monitor) -> None:
    own.start(*OWN_ONLY, interval="1s")
    own.rounds(2)
    assert own.process is not None
    parent = psutil.Process(own.process.pid)
    before = parent.num_fds()
    own.rounds(4)
    own.until(lambda: not own.children())

    assert parent.num_fds() <= before + 1
    assert own.events("round")[-1]["status"] == "healthy"


def test_silence_and_acknowledge_by_command(own: Monitor) -> None:
    (own.project / "mode").write_text("broken")
    own.start(*OWN_ONLY)
    own.until(own.told)
    words = ["--health-history", f"sqlite:///{own.history}"]

    def pytest_says(*more: str) -> str:
        done = subprocess.run(
            ["python", "-m", "pytest", *more, *words],
            cwd=own.project,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
        return done.stdout + done.stderr

    assert "acknowledged: own.switch" in pytest_says("--health-acknowledge", "own.switch")
    assert "does not fire" in pytest_says("--health-acknowledge", "own.other")
    assert "silenced until" in pytest_says("--health-silence", "own.*=1h")
    own.until(lambda: "acknowledged" in pytest_says("--health-rules"))


def test_nothing_listens_where_redis_should_be(tmp_path: Path, hook: Server) -> None:
    env = {"FLOWHEALTH_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with project(tmp_path / "shop", hook, env) as shop:
        shop.start(*REDIS)
        shop.until(shop.told)
        shop.rounds(2)
        assert shop.told() == [("firing", "redis.connect")]


def test_rounds_by_several_workers(own: Monitor) -> None:
    own.add_environment(FLOWHEALTH_MONITOR_LIMIT="60 s")
    own.start(*OWN_ONLY, "-n", "2", interval="3s")
    own.rounds(2)
    (own.project / "mode").write_text("broken")
    own.until(own.told)

    assert own.told() == [("firing", "own.switch")]


def test_a_file_of_checks_that_breaks_and_is_mended(own: Monitor) -> None:
    own.start(*OWN_ONLY)
    own.rounds(1)
    file = own.project / "health" / "test_own.py"
    file.write_text("import nothing_of_that_name\n")
    own.until(own.told)
    file.write_text(OWN)
    own.until(lambda: len(own.told()) == 2)

    assert own.told() == [("firing", "monitor.round"), ("resolved", "monitor.round")]


def test_the_history_is_removed(own: Monitor) -> None:
    (own.project / "mode").write_text("broken")
    own.start(*OWN_ONLY)
    own.until(own.told)
    for path in own.history.parent.glob("history.db*"):
        if not path.name.endswith(".monitor"):
            path.unlink()
    own.rounds(2)
    own.until(lambda: own.history.is_file() and own.rows("SELECT name FROM alerts"))

    assert ("own.switch",) in own.rows("SELECT name FROM alerts")
    assert own.told() == [("firing", "own.switch")]


def test_systemd_is_told(own: Monitor, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        own.add_environment(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="5000000")
        own.start(*OWN_ONLY)
        heard = [systemd.recv(100) for _ in range(3)]
        own.end()
        while b"STOPPING=1" not in heard:
            heard.append(systemd.recv(100))

    assert heard[0] == b"READY=1"
    assert b"WATCHDOG=1" in heard
