"""Keeping a run in a history, whatever is wrong with the file."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history import query
from pytest_flowhealth.history.database import connect, require_usable
from pytest_flowhealth.history.location import HistoryLocation, find_location
from pytest_flowhealth.history.recording import record_run
from tests.kit.records import entry, uids


def test_run_that_comes_twice_is_kept_once_with_its_samples(tmp_path: Path) -> None:
    path = tmp_path / "new/history.db"
    for _ in range(2):
        assert record_run(path, entry("r1", **{"redis.command": (1.0, 3.0, 2.0)})).kept

    assert uids(path) == {"r1"}
    with closing(connect(path, wait=1)) as file:
        found = query.read_past(file, "redis.command", "f")
    assert [(point.value, point.samples) for point in found] == [(2.0, (1.0, 3.0, 2.0))]


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 4_000]
)
def test_broken_file_is_moved_aside_and_the_run_is_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(content)

    kept = record_run(path, entry("r1"))

    assert kept.kept
    assert "broken" in (kept.problem or "")
    assert uids(path) == {"r1"}
    (aside,) = tmp_path.glob("history.db.corrupt-*")
    assert aside.read_bytes() == content


def test_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    record_run(path, entry("r1"))
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")

    for refused in (lambda: require_usable(path), lambda: connect(path, wait=1)):
        with pytest.raises(UsageError, match="newer version"):
            refused()

    assert uids(path) == {"r1"}


def test_file_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "places.db"
    table = "CREATE TABLE runs (mine TEXT)"
    with closing(sqlite3.connect(path)) as file:
        file.execute(table)

    kept = record_run(path, entry("r1"))

    assert not kept.kept
    assert "another program's" in (kept.problem or "")
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT sql FROM sqlite_master").fetchall() == [(table,)]


def test_folder_that_cannot_be_made_is_reported_and_nothing_waits(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    kept = record_run(tmp_path / "file/history.db", entry("r1"))

    assert (kept.kept, kept.waiting) == (False, False)
    assert kept.problem


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///.flowhealth/history.db", "/app/.flowhealth/history.db"),
        ("sqlite:////var/lib/h.db", "/var/lib/h.db"),
    ],
)
def test_address_names_a_relative_or_an_absolute_path(url: str, path: str) -> None:
    found = find_location(url, Path("/app"), Target(Path("/app")))
    assert found == HistoryLocation(Path(path))


@pytest.mark.parametrize("url", ["sqlite:///", "history.db", "postgres://h", ""])
def test_other_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="sqlite:///"):
        find_location(url, Path("/app"), Target(Path("/app")))
