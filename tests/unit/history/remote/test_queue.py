"""What waits: bounded, in order, over kills, among processes, on a full disk."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_flowhealth.history.remote.queue import Limits, Queue

WRITER = """
import itertools, sys
from pathlib import Path
from pytest_flowhealth.history.remote.queue import Queue
queue = Queue(Path(sys.argv[1]))
for number in itertools.count():
    queue.put(b"%d" % number * 1_000)
    print(number, flush=True)
"""


def drained(queue: Queue) -> list[bytes]:
    """Take everything out."""
    found = []
    while (one := queue.first()) is not None:
        found.append(one.body)
        queue.done(one.at)
    return found


def bodies(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_what_was_put_comes_back_in_order(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue")
    for body in bodies(5):
        queue.put(body)

    assert len(Queue(tmp_path / "queue")) == 5
    assert drained(queue) == bodies(5)
    assert list((tmp_path / "queue").iterdir()) == []


def test_a_clock_that_goes_back_keeps_the_order(tmp_path: Path) -> None:
    times = iter((9.0, 9.0, 5.0, 5.0, 1.0, *([1.0] * 99)))
    queue = Queue(tmp_path / "queue", Limits(age=1e9), clock=lambda: next(times))
    for body in bodies(3):
        queue.put(body)

    assert drained(queue) == bodies(3)


def test_its_size_is_bounded(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue", Limits(size=1_000))
    for number in range(10):
        queue.put(bytes([number]) * 300)

    assert (len(queue), queue.lost.count) == (3, 7)
    assert "7 requests from 20" in str(queue.lost)
    assert drained(queue)[0] == bytes([7]) * 300


def test_its_age_is_bounded(tmp_path: Path) -> None:
    now = 1_000_000.0
    queue = Queue(tmp_path / "queue", Limits(age=60), clock=lambda: now)
    queue.put(b"old")
    now += 61
    queue.put(b"new")

    assert drained(queue) == [b"new"]
    assert queue.lost.count == 1


def test_what_is_dropped_while_it_is_sent_takes_nothing_else_along(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue", Limits(size=700))
    queue.put(b"1" * 300)
    queue.put(b"2" * 300)
    sending = queue.first()
    assert sending is not None
    queue.put(b"3" * 300)  # the first one goes, for want of room
    queue.done(sending.at)

    assert drained(queue) == [b"2" * 300, b"3" * 300]


def test_without_a_disk_it_is_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    queue = Queue(tmp_path / "file" / "queue", Limits(held=2))
    for body in (b"1", b"2", b"3"):
        queue.put(body)

    assert queue.lost.count == 1
    assert queue.claim()
    assert drained(queue) == [b"2", b"3"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounts a small disk")
def test_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if subprocess.run(argv, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        queue = Queue(disk / "queue")
        queue.put(b"1" * 5_000)
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(10**6))
        queue.put(b"2" * 5_000)
        assert len(list((disk / "queue").iterdir())) == 1
        filler.unlink()
        queue.put(b"3" * 5_000)
        assert len(list((disk / "queue").iterdir())) == 3
        assert [body[:1] for body in drained(queue)] == [b"1", b"2", b"3"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_writer_that_is_killed_at_any_moment(tmp_path: Path) -> None:
    folder = tmp_path / "queue"
    expected: list[bytes] = []
    for _ in range(8):
        argv = [sys.executable, "-c", WRITER, str(folder)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(random.uniform(0, 0.1))
            writer.send_signal(signal.SIGKILL)
            told = [0, *map(int, writer.stdout.read().split())]
        found = drained(Queue(folder))
        expected = [b"%d" % number * 1_000 for number in range(len(found))]
        # All that was put, whole and in order; the last may not have been told any more.
        assert found == expected
        assert len(found) in (len(told), len(told) + 1)


def test_one_process_at_a_time_sends(tmp_path: Path) -> None:
    one, two = Queue(tmp_path / "queue"), Queue(tmp_path / "queue")
    assert one.claim()
    assert not two.claim()
    two.put(b"of two")
    assert drained(one) == [b"of two"]
    two.refresh()
    assert len(two) == 0
    one.release()
    assert two.claim()
    two.release()
