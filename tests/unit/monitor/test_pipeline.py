"""A history that is locked, broken, removed or newer stops no round and loses no alert."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.alerts import store
from pytest_flowhealth.alerts.message import Message
from pytest_flowhealth.config.alerts import Receiver
from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.history.database import connect
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.monitor import history_writer, pipeline
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.pipeline import Pipeline
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.monitor.status_board import StatusBoard
from tests.kit.records import check, entry, health
from tests.kit.waiting import wait_for


class Service:
    """What a monitor does with its rounds, without the rounds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.history = folder, folder / "history.db"
        self.messages: list[Message] = []
        self.board = StatusBoard()
        self._rounds = 0
        self.logs = Logs(folder / "logs")
        self.runner = asyncio.Runner()
        self.start()

    def start(self) -> None:
        """Start, or start again after a kill."""
        target = Target(self.folder, Configuration(), {}, {})
        settings = Settings(target, (), (Receiver("console", "console"),), {}, 900.0)
        place = HistoryLocation(self.history)
        self.pipeline = Pipeline(settings, place, {}, self.messages.append, self.logs)

    def round(self, outcome: Outcome, component: str = "own") -> None:
        """Take in a round of one component with one check."""
        self._rounds += 1
        result = health(check(f"{component}.switch", outcome))
        moment = self.pipeline.clock.moment()
        self.board.add_round(result, (), moment.wall, {component}, moment.now)
        state = self.board.state
        self.pipeline.add_round(result, entry(f"r{self._rounds}"), (), moment, {component}, state)
        self.send()

    def send(self) -> None:
        """Write and deliver."""
        self.runner.run(self.pipeline.send())

    def rows(self, question: str) -> list[tuple[object, ...]]:
        """Ask the history."""
        with closing(sqlite3.connect(self.history)) as file:
            return file.execute(question).fetchall()

    def assert_fired_and_resolved_once(self) -> None:
        """Let the check pass, and assert which messages there were since the start."""
        self.round(Outcome.PASS)
        sent = {message.id: (message.kind, message.alerts[0].name) for message in self.messages}
        # Delivery is at least once: a repeated message has the same id.
        assert [*sent.values()] == [("firing", "own.switch"), ("resolved", "own.switch")]
        assert self.pipeline.problem is None


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(pipeline, "_read_node_version", lambda: None)
    monkeypatch.setattr(history_writer, "_WAIT", 0.01)
    found = Service(tmp_path)
    yield found
    found.logs.close()
    found.runner.close()


def test_round_that_ran_no_check_is_an_alert(service: Service) -> None:
    moment = service.pipeline.clock.moment()
    empty = health()

    service.pipeline.add_round(empty, None, (), moment, None, service.board.state)
    service.send()

    (message,) = service.messages
    assert [alert.name for alert in message.alerts] == ["monitor.round"]
    assert message.alerts[0].summary == "; ".join(empty.reasons)


def test_restart_neither_forgets_nor_repeats_an_alert(service: Service) -> None:
    service.round(Outcome.FAIL)
    service.start()
    service.round(Outcome.FAIL)

    service.assert_fired_and_resolved_once()


def test_locked_history_gets_rounds_and_alerts_later(service: Service) -> None:
    service.round(Outcome.PASS)
    with closing(sqlite3.connect(service.history, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        service.round(Outcome.FAIL)
        assert "write lock" in (service.pipeline.problem or "")
        assert [message.kind for message in service.messages] == ["firing"]

    service.assert_fired_and_resolved_once()
    assert service.rows("SELECT uid FROM runs ORDER BY uid") == [("r1",), ("r2",), ("r3",)]
    states = service.rows("SELECT state FROM alert_events ORDER BY rowid")
    assert states == [("firing",), ("resolved",)]


def test_what_waits_for_a_locked_history_is_bounded_and_a_loss_is_reported(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.round(Outcome.PASS)
    monkeypatch.setattr(history_writer, "ENTRIES", 2)
    service.start()
    with closing(sqlite3.connect(service.history, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(4):
            service.round(Outcome.PASS)
        assert "2 records had to be dropped" in (service.pipeline.problem or "")
    service.round(Outcome.PASS)

    assert service.rows("SELECT uid FROM runs ORDER BY uid") == [("r1",), ("r5",), ("r6",)]


def test_broken_history_is_moved_aside_and_the_alert_is_in_the_new_one(service: Service) -> None:
    service.round(Outcome.FAIL)
    service.history.write_bytes(b"garbage" * 2_000)
    service.round(Outcome.FAIL)
    service.round(Outcome.FAIL)
    (notice,) = service.pipeline.take_notices()
    assert "the history was broken; it is now" in notice
    assert service.pipeline.take_notices() == []

    assert len([*service.folder.glob("history.db.corrupt-*")]) == 1
    assert service.rows("SELECT name FROM alerts") == [("own.switch",)]
    service.assert_fired_and_resolved_once()


@pytest.mark.parametrize("replaced", [False, True])
def test_removed_history_is_begun_anew_with_the_alert_also_where_a_run_has_made_one(
    service: Service, replaced: bool
) -> None:
    service.round(Outcome.FAIL)
    for path in service.folder.glob("history.db*"):
        path.rename(path.with_suffix(".old"))
    if replaced:
        connect(service.history, wait=1).close()
    service.round(Outcome.PASS, "other")

    assert service.rows("SELECT name FROM alerts") == [("own.switch",)]
    service.assert_fired_and_resolved_once()


def test_history_that_hangs_delays_no_alert_and_is_reported(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.round(Outcome.PASS)
    write, release = store.write_changes, threading.Event()

    def hang(*arguments: Any) -> None:
        release.wait()
        write(*arguments)

    monkeypatch.setattr(store, "write_changes", hang)
    monkeypatch.setattr(pipeline, "_PATIENCE", 0.05)
    service.round(Outcome.FAIL)
    assert [message.kind for message in service.messages] == ["firing"]
    assert service.pipeline.problem == "the history has not answered for 0 s"

    monkeypatch.setattr(pipeline, "_PATIENCE", 60.0)
    release.set()

    def is_saved() -> bool:
        service.send()
        return service.pipeline.problem is None

    wait_for(is_saved)
    service.assert_fired_and_resolved_once()
    service.send()
    states = service.rows("SELECT state FROM alert_events ORDER BY rowid")
    assert states == [("firing",), ("resolved",)]


def test_newer_history_is_left_as_it_is_and_reported(service: Service) -> None:
    service.round(Outcome.FAIL)
    with closing(sqlite3.connect(service.history)) as file:
        file.execute("PRAGMA user_version = 99")
    service.round(Outcome.PASS)

    assert "newer version" in (service.pipeline.problem or "")
    assert [message.kind for message in service.messages] == ["firing", "resolved"]
    assert service.rows("SELECT uid FROM runs") == [("r1",)]
