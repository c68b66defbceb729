"""The thread that writes the history: changes are made one after the other, and only for who waits."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.history.store import Retention
from pytest_flowhealth.monitor import history_writer
from pytest_flowhealth.monitor.history_writer import HistoryWriter


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[HistoryWriter]:
    found = HistoryWriter(tmp_path / "kept" / "history.db", Retention())
    yield found
    found.close()


def count_runs(file: sqlite3.Connection) -> int:
    count: int = file.execute("SELECT count(*) FROM runs").fetchone()[0]
    return count


def test_change_makes_the_history_and_its_error_is_raised_where_it_is_awaited(
    writer: HistoryWriter,
) -> None:
    assert asyncio.run(writer.change(count_runs)) == 0
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        asyncio.run(writer.change(lambda file: file.execute("SELECT * FROM no_table")))
    assert asyncio.run(writer.change(count_runs)) == 0


def test_change_is_refused_where_the_history_hangs(
    writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_writer, "CHANGE_TIMEOUT", 0.05)
    release = threading.Event()
    try:
        with pytest.raises(OSError, match="it has not answered for 0 s"):
            asyncio.run(writer.change(lambda _: release.wait()))
    finally:
        release.set()


def test_change_that_nobody_waits_for_any_more_is_not_made(writer: HistoryWriter) -> None:
    release, made = threading.Event(), list[str]()

    async def give_up() -> None:
        first = asyncio.create_task(writer.change(lambda _: release.wait()))
        second = asyncio.create_task(writer.change(lambda _: made.append("second")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
        release.set()
        await first
        await writer.change(lambda _: made.append("third"))

    asyncio.run(give_up())

    assert made == ["third"]
