"""Reports in the history: counted by kind, without what went well, and removed in time."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.fernet import Fernet

from pytest_flowhealth.history.recording import open_history
from pytest_flowhealth.history.store import Retention, purge
from pytest_flowhealth.install_reports import store
from pytest_flowhealth.install_reports.encryption import ContextCipher
from pytest_flowhealth.install_reports.fingerprint import fingerprint
from pytest_flowhealth.install_reports.ingest import make_stored_report, scrub_report
from pytest_flowhealth.install_reports.report import InstallReport
from pytest_flowhealth.install_reports.scrub import Scrubber

CIPHER = ContextCipher(Fernet.generate_key().decode())


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with open_history(tmp_path / "history.db") as found:
        yield found


def failure(number: int, at: float, **changes: object) -> store.StoredReport:
    known = InstallReport(
        package="shop",
        version="1.0.0",
        node=f"{18 + number % 2}.0.0",
        os="linux",
        arch="x64",
        outcome="failure",
        error=f"exit code {number}",
    )
    report = msgspec.structs.replace(known, **changes)
    return make_stored_report(
        scrub_report(report, Scrubber()), store.make_id(), at, bytes([number % 3]), CIPHER
    )


def test_failures_are_counted_by_kind(file: sqlite3.Connection) -> None:
    store.add(file, [failure(number, 1_000.0 + number) for number in range(10)])
    store.add(file, [failure(1, 500.0, error="no rights"), failure(1, 501.0, outcome="success")])
    first, second = store.kinds(file)
    assert first.fingerprint == fingerprint("exit code 1", "install", "shop")
    assert (first.error, first.count, first.first, first.last) == ("exit code 9", 10, 1_000, 1_009)
    assert first.nodes == (("18.0.0", 5), ("19.0.0", 5))
    assert (first.versions, first.platforms) == ((("1.0.0", 10),), (("linux-x64", 10),))
    assert first.sources == 3
    assert (second.error, second.count) == ("no rights", 1)
    assert [one.count for one in store.kinds(file, since=1_005.0)] == [5]
    assert store.kinds(file, since=2_000.0) == []


def test_a_success_is_stored_without_texts(file: sqlite3.Connection) -> None:
    store.add(file, [failure(1, 1.0, outcome="success", error="x", context="y")])
    assert file.execute("SELECT error, kind, context FROM reports").fetchall() == [("", None, None)]


def test_old_reports_are_overwritten_in_the_file(file: sqlite3.Connection, tmp_path: Path) -> None:
    now = time.time()
    old = [failure(number, now - 91 * 86_400, error=f"obsolete{number}") for number in range(500)]
    store.add(file, [*old, failure(1, now - 89 * 86_400)])
    purge(file, now=now)
    assert file.execute("SELECT count(*) FROM reports").fetchone() == (1,)
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = (tmp_path / "history.db").read_bytes()
    assert b"obsolete" not in content
    purge(file, Retention(reports=86_400.0), now=now)
    assert file.execute("SELECT count(*) FROM reports").fetchone() == (0,)
