"""The history and the queue with several processes, kills and a full disk."""

import sqlite3
from contextlib import closing
from pathlib import Path

from pytest_flowhealth.history import query, spool
from pytest_flowhealth.history.recording import query_history, record_run
from pytest_flowhealth.history.remote.request_queue import RequestQueue
from tests.kit.disks import fill, small_disk
from tests.kit.records import entry, uids
from tests.kit.waiting import wait_for
from tests.kit.writers import (
    assert_kills_lose_no_requests,
    assert_kills_lose_no_samples,
    drained,
    write_samples,
    writing,
)


def read_m1(file: sqlite3.Connection) -> list[query.Point] | None:
    return query.read_series(file, "m1", 0, 2e9)


def test_run_waits_for_a_lock_and_is_taken_in_without_a_further_run(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    record_run(path, entry("r1"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        kept = record_run(path, entry("r2"), wait=0.1)
        assert (kept.kept, kept.waiting) == (False, True)
        assert "write lock" in (kept.problem or "")
        assert uids(path) == {"r1"}

    wait_for(lambda: uids(path) == {"r1", "r2"})
    wait_for(lambda: not spool.get_spool_folder(path).exists())


def test_killed_writers_lose_nothing_that_was_stored(tmp_path: Path) -> None:
    assert_kills_lose_no_samples(tmp_path / "history.db", kills=4)
    assert_kills_lose_no_requests(tmp_path / "queue", kills=3)


def test_two_writers_and_a_reader_share_a_history(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    record_run(path, entry("first"))
    with writing(write_samples, path), writing(write_samples, path):
        for number in range(5):
            kept = record_run(path, entry(f"r{number}"), wait=5)
            assert kept.kept or kept.waiting
            assert query_history(path, read_m1, None)[1] is None

    # A run that waited too long for its turn is taken in by the next one.
    assert record_run(path, entry("last")).kept
    wait_for(lambda: len(uids(path)) == 7)


def test_full_disk_is_reported_and_runs_are_kept_again_after_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 300) as disk:
        path = disk / "history.db"
        assert record_run(path, entry("r1")).kept
        filler = fill(disk)
        many = {f"n{number}": tuple(map(float, range(999))) for number in range(30)}

        kept = record_run(path, entry("r2", **many))

        assert not kept.kept
        assert "full" in (kept.problem or "") or "No space" in (kept.problem or "")
        filler.unlink()
        assert record_run(path, entry("r3")).kept
        assert {"r1", "r3"} <= uids(path)


def test_queue_on_a_full_disk_keeps_the_order(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 200) as disk:
        queue = RequestQueue(disk / "queue")
        queue.put(b"1" * 5_000)
        filler = fill(disk)
        queue.put(b"2" * 5_000)
        assert len(list((disk / "queue").iterdir())) == 1
        filler.unlink()
        queue.put(b"3" * 5_000)

        assert len(list((disk / "queue").iterdir())) == 3
        assert [body[:1] for body in drained(queue)] == [b"1", b"2", b"3"]
