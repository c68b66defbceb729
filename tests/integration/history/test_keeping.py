"""The history under faults: locked, killed, full, read-only, broken, newer. No run suffers from it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history import query, spool
from pytest_flowhealth.history.database import connect, path_of, require_usable
from pytest_flowhealth.history.keeping import asked, keep
from tests.history.conftest import Make

WRITER = """
import itertools, sys, time
from pathlib import Path
from pytest_flowhealth.history.database import connect
from pytest_flowhealth.history.store import add_samples
file = connect(Path(sys.argv[1]), wait=5)
print("writing", flush=True)
for number in itertools.count():
    add_samples(file, {f"m{one}": [(time.time(), number)] for one in range(12)})
    print(number, flush=True)
    time.sleep(0.01)
"""

HOLDER = """
import sqlite3, sys, time
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
file.execute("ROLLBACK")
"""


@contextmanager
def program(source: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the block is left."""
    argv = [sys.executable, "-c", source, *args]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def uids(path: Path) -> set[str]:
    """Return the runs in a history, as any reader sees them."""
    with closing(sqlite3.connect(path)) as file:
        return {uid for (uid,) in file.execute("SELECT uid FROM runs")}


def test_a_run_is_kept_once(tmp_path: Path, entry: Make) -> None:
    path = tmp_path / "new/history.db"
    for _ in range(2):
        assert keep(path, entry("r1", **{"redis.command": (1.0, 3.0, 2.0)})).kept
    assert uids(path) == {"r1"}
    with closing(connect(path, wait=1)) as file:
        found = query.past(file, "redis.command", "f")
    assert [(one.value, one.samples) for one in found] == [(2.0, (1.0, 3.0, 2.0))]


def test_another_process_holds_the_lock(tmp_path: Path, entry: Make) -> None:
    path = tmp_path / "history.db"
    keep(path, entry("r1"))
    with program(HOLDER, str(path), "8") as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        began = time.monotonic()
        kept = keep(path, entry("r2"), wait=0.3)
        assert time.monotonic() - began < 5
        assert (kept.kept, kept.waiting) == (False, True)
        assert "write lock" in (kept.problem or "")
        assert uids(path) == {"r1"}
        holder.wait()
    # Nobody runs anything more: the process that was left behind takes it in.
    end = time.monotonic() + 30
    while uids(path) != {"r1", "r2"}:
        assert time.monotonic() < end
        time.sleep(0.1)
    while spool.folder_of(path).exists():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_killed_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for _ in range(int(os.environ.get("FLOWHEALTH_TEST_KILLS", "15"))):
        with program(WRITER, str(path)) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "writing\n"
            time.sleep(random.uniform(0, 0.2))
            writer.send_signal(signal.SIGKILL)
            written = writer.stdout.read().split()
        with closing(connect(path, wait=5)) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            if written:
                last = file.execute("SELECT max(value) FROM samples").fetchone()[0]
                assert last >= int(written[-1])


def m1(file: sqlite3.Connection) -> list[query.Point] | None:
    """Ask for a range."""
    return query.series(file, "m1", 0, 2e9)


def test_many_write_and_read_at_once(tmp_path: Path, entry: Make) -> None:
    path = tmp_path / "history.db"
    keep(path, entry("first"))
    with program(WRITER, str(path)) as one, program(WRITER, str(path)) as two:
        for process in (one, two):
            assert process.stdout is not None
            process.stdout.readline()
        for number in range(10):
            kept = keep(path, entry(f"r{number}"), wait=5)
            assert kept.kept or kept.waiting
            assert asked(path, m1, None)[1] is None
    # Who had to wait too long for its turn is taken in by the next.
    assert keep(path, entry("last")).kept
    assert len(uids(path)) == 12


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 4_000]
)
def test_a_broken_file_is_moved_aside(tmp_path: Path, entry: Make, content: bytes) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(content)
    kept = keep(path, entry("r1"))
    assert kept.kept
    assert "broken" in (kept.problem or "")
    assert uids(path) == {"r1"}
    (aside,) = tmp_path.glob("history.db.corrupt-*")
    assert aside.read_bytes() == content


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path, entry: Make) -> None:
    path = tmp_path / "history.db"
    keep(path, entry("r1"))
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")
    for refused in (lambda: require_usable(path), lambda: connect(path, wait=1)):
        with pytest.raises(UsageError, match="newer version"):
            refused()
    assert uids(path) == {"r1"}


def test_a_file_of_another_program_is_left_as_it_is(tmp_path: Path, entry: Make) -> None:
    path = tmp_path / "places.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE runs (mine TEXT)")
    kept = keep(path, entry("r1"))
    assert not kept.kept
    assert "another program's" in (kept.problem or "")
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT sql FROM sqlite_master").fetchall() == [
            ("CREATE TABLE runs (mine TEXT)",)
        ]


def test_a_folder_that_may_not_be_written(tmp_path: Path, entry: Make) -> None:
    path = tmp_path / "file/history.db"
    (tmp_path / "file").write_text("no folder")
    kept = keep(path, entry("r1"))
    assert (kept.kept, kept.waiting) == (False, False)
    assert kept.problem


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounts a small disk")
def test_a_full_disk(tmp_path: Path, entry: Make) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=False
    )
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        path = disk / "history.db"
        assert keep(path, entry("r1")).kept
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(10**6))
        kept = keep(
            path, entry("r2", **{f"m{n}": tuple(map(float, range(999))) for n in range(30)})
        )
        assert not kept.kept
        assert "full" in (kept.problem or "") or "No space" in (kept.problem or "")
        filler.unlink()
        assert keep(path, entry("r3")).kept
        assert {"r1", "r3"} <= uids(path)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///.flowhealth/history.db", "/app/.flowhealth/history.db"),
        ("sqlite:////var/lib/h.db", "/var/lib/h.db"),
    ],
)
def test_addresses(url: str, path: str) -> None:
    assert path_of(url, Path("/app")) == Path(path)


@pytest.mark.parametrize("url", ["sqlite:///", "history.db", "postgres://h", ""])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="sqlite:///"):
        path_of(url, Path("/app"))
