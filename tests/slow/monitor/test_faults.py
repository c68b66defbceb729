"""Further faults under a real monitor; tests/integration/monitor has one of each class."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.kit.monitor import CALM_REDIS, OWN, OWN_ONLY, Monitor, is_gone, own_project
from tests.kit.redis import RedisServer, free_port
from tests.kit.webhook import receiving

REDIS = ("--health-component", "redis")
FIRING, RESOLVED = ("firing", "own.switch"), ("resolved", "own.switch")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Monitor]:
    with receiving() as hook, own_project(tmp_path / "own", hook, more=CALM_REDIS) as monitor:
        yield monitor


def test_redis_that_stands_still_alerts_and_resolves(own: Monitor, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        own.add_environment(FLOWHEALTH_REDIS_URL=redis.url)
        own.start(*REDIS)
        own.rounds(1)
        redis.suspend()
        own.until(own.told)
        redis.resume()
        own.until(lambda: len(own.told()) == 2)

    assert [kind for kind, _ in own.told()] == ["firing", "resolved"]


def test_redis_killed_and_back_across_a_killed_monitor_is_one_firing_and_one_resolved(
    own: Monitor, tmp_path: Path
) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        own.add_environment(FLOWHEALTH_REDIS_URL=redis.url)
        own.start(*REDIS)
        own.rounds(1)
        redis.stop()
        own.until(own.told)
        own.end(signal.SIGKILL)
        redis.start()
        own.start(*REDIS)
        own.until(lambda: len(own.told()) == 2)
        own.rounds(1)

    assert own.told() == [("firing", "redis.connect"), ("resolved", "redis.connect")]


def test_redis_that_never_listened_alerts_once(own: Monitor) -> None:
    own.add_environment(FLOWHEALTH_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    own.start(*REDIS)
    own.until(own.told)
    own.rounds(2)

    assert own.told() == [("firing", "redis.connect")]


def test_locked_history_stops_no_round_and_gets_them_later(own: Monitor) -> None:
    own.start(*OWN_ONLY)
    own.rounds(1)
    own.until(lambda: own.rows("SELECT count(*) FROM runs") != [(0,)])
    with contextlib.closing(sqlite3.connect(own.history, isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout = 10000")
        other.execute("BEGIN EXCLUSIVE")
        rounds = own.rounds(3)
        other.execute("ROLLBACK")
    own.until(lambda: own.rows("SELECT count(*) FROM runs")[0][0] >= len(rounds))

    assert "write lock" in str(own.events("problem"))
    assert own.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_full_disk_loses_no_alert_and_no_round(own: Monitor) -> None:
    folder = own.history.parent
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(folder)]
    if subprocess.run(argv, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        own.start(*OWN_ONLY)
        own.rounds(1)
        with contextlib.suppress(OSError), (folder / "ballast").open("wb") as file:
            while True:
                file.write(b"x" * 4_096)
                file.flush()
        own.mode("broken")
        own.until(own.told)
        rounds = own.rounds(4)
        (folder / "ballast").unlink()
        own.until(lambda: own.rows("SELECT count(*) FROM runs")[0][0] >= len(rounds))
        own.mode("ok")
        own.until_told(FIRING, RESOLVED)

        assert "disk is full" in str(own.events("problem"))
    finally:
        own.end(signal.SIGKILL)
        subprocess.run(["umount", folder], check=True)


def test_removed_history_is_written_anew_with_the_alerts_that_fire(own: Monitor) -> None:
    own.mode("broken")
    own.start(*OWN_ONLY)
    own.until_told(FIRING)
    for path in own.history.parent.glob("history.db*"):
        if not path.name.endswith(".monitor"):
            path.unlink()
    own.rounds(2)
    own.until(lambda: own.history.is_file() and own.rows("SELECT name FROM alerts"))

    assert ("own.switch",) in own.rows("SELECT name FROM alerts")
    assert own.told() == [FIRING]


def test_round_past_its_limit_is_ended_with_its_children_and_counted(own: Monitor) -> None:
    own.add_environment(FLOWHEALTH_MONITOR_LIMIT="6 s")
    own.start(*OWN_ONLY)
    own.rounds(1)
    own.mode("hang")
    detached = own.hung_child()
    own.until(lambda: ("firing", "monitor.round") in own.told())
    own.mode("ok")
    own.until(lambda: ("resolved", "monitor.round") in own.told())

    assert "longer than its limit of 6 s" in own.alert("monitor.round")["summary"]
    assert is_gone(detached)
    assert own.events("round")[-1]["late"] >= 1


def test_file_of_checks_that_breaks_alerts_until_it_is_mended(own: Monitor) -> None:
    own.start(*OWN_ONLY)
    own.rounds(1)
    file = own.project / "health" / "test_own.py"
    file.write_text("import nothing_of_that_name\n")
    own.until(own.told)
    file.write_text(OWN)
    own.until(lambda: len(own.told()) == 2)

    assert own.told() == [("firing", "monitor.round"), ("resolved", "monitor.round")]


def test_rounds_with_two_workers_find_the_failing_check(own: Monitor) -> None:
    own.mode("broken")
    own.start(*OWN_ONLY, "-n", "2")
    own.until(own.told)

    assert own.told() == [FIRING]


def test_sigint_ends_it_within_five_seconds_whatever_runs(own: Monitor) -> None:
    own.mode("hang")
    own.start(*OWN_ONLY)
    family: list[psutil.Process | int] = [own.hung_child(), own.child()]
    began = time.monotonic()

    assert own.end(signal.SIGINT) == 0

    assert time.monotonic() - began < 5.0
    assert [process for process in family if not is_gone(process)] == []
