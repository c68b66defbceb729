"""Ranges from samples and roll-ups, earlier runs, and what is removed when it is old."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.history import query
from pytest_flowhealth.history.database import connect
from pytest_flowhealth.history.store import add_run, add_samples, purge
from tests.kit.records import entry

T0 = 1_700_000_000 // 3_600 * 3_600
DAY = 86_400


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(tmp_path / "history.db", wait=5)
    yield connection
    connection.close()


def test_range_is_read_at_any_number_of_points(file: sqlite3.Connection) -> None:
    add_samples(file, {"cpu": [(T0 + second, float(second % 60)) for second in range(7_200)]}, "%")

    for points in (7_200, 600, 120, 60, 2, 1):
        found = query.read_series(file, "cpu", T0, T0 + 7_200, points)
        assert 0 < len(found) <= 1.5 * points + 1
        assert sum(one.count for one in found) == 7_200
        assert min(one.min for one in found) == 0
        assert max(one.max for one in found) == 59
        assert sum(one.mean * one.count for one in found) / 7_200 == pytest.approx(29.5)
        assert all(one.p95 is None or one.p95 == pytest.approx(56, rel=0.02) for one in found)
    assert query.read_series(file, "cpu", T0, T0, 10) == []
    assert query.read_series(file, "unknown", T0, T0 + 10, 10) == []


def test_samples_written_one_by_one_roll_up_as_if_written_together(
    file: sqlite3.Connection,
) -> None:
    for second in range(180):
        add_samples(file, {"cpu": [(T0 + second, float(second))]})
    found = query.read_series(file, "cpu", T0, T0 + 180, 3)
    assert [(one.at, one.count, one.min, one.max) for one in found] == [
        (T0, 60, 0, 59),
        (T0 + 60, 60, 60, 119),
        (T0 + 120, 60, 120, 179),
    ]


def test_earlier_runs_are_those_of_the_same_machine_newest_last(file: sqlite3.Connection) -> None:
    for number in range(5):
        add_run(file, entry(f"r{number}", T0 + number, m=(1.0 * number, 2.0 * number)))

    found = query.read_past(file, "m", "f", limit=3)
    assert [one.run for one in found] == ["r2", "r3", "r4"]
    assert [one.run for one in query.read_past(file, "m", "f", before="r2")] == ["r0", "r1"]
    assert query.read_past(file, "m", "another machine") == []
    assert [one.uid for one in query.list_runs(file, limit=2)] == ["r4", "r3"]
    latest = query.find_run(file, "latest")
    assert latest is not None
    assert latest.uid == "r4"
    assert query.find_run(file, "r%") is None
    assert query.read_run(file, "r3")["m"].samples == (3.0, 6.0)


def test_run_whose_verdict_changed_after_its_end_is_updated(file: sqlite3.Connection) -> None:
    first = entry("r1", T0, m=(1.0, 2.0))
    assert add_run(file, first)
    assert not add_run(file, msgspec.structs.replace(first, status="unknown"))

    assert [one.status for one in query.list_runs(file)] == ["unknown"]
    assert query.read_series(file, "m", T0, T0 + 60, 1)[0].count == 2


def test_purge_removes_what_is_old_and_keeps_baselines(file: sqlite3.Connection) -> None:
    now = T0 + 200 * DAY
    for age in (200, 95, 80, 2, 0):
        at = now - age * DAY - 10
        add_run(file, entry(f"run{age}", at, m=(1.0,)))
        add_samples(file, {"cpu": [(at, 1.0)]})
    file.execute("UPDATE runs SET baseline = 'kept' WHERE uid = 'run200'")

    assert purge(file, now=now) > 0

    assert {one.uid for one in query.list_runs(file)} == {"run200", "run80", "run2", "run0"}
    assert file.execute("SELECT count(*) FROM samples").fetchone() == (1,)
    assert file.execute("SELECT min(hour) FROM minutes").fetchone()[0] >= now - 91 * DAY
    measured = file.execute("SELECT DISTINCT uid FROM measurements JOIN runs ON runs.id = run")
    assert {uid for (uid,) in measured} == {"run200", "run80", "run2", "run0"}
    assert purge(file, now=now) == 0


def test_purge_removes_single_rows_when_steps_take_long(file: sqlite3.Connection) -> None:
    add_samples(file, {"cpu": [(T0 + second, 1.0) for second in range(10_000)]})
    ticks = iter(range(10**9))

    # Each step seems to take a second: so it becomes one row at a time.
    removed = purge(file, now=T0 + 90_000 + 86_400, clock=lambda: float(next(ticks)))
    assert removed >= 10_000
