"""Sessions: how long they hold, what ends them, and what their file reveals."""

from pathlib import Path

import pytest

from pytest_flowhealth.web.sessions import Sessions
from tests.kit.clock import FakeClock

HOURS = 3_600.0


def sessions(folder: Path, clock: FakeClock, **users: str) -> Sessions:
    found = Sessions(folder / "sessions.json", clock.now)
    found.admit(users, None)
    return found


def test_a_clock_that_goes_back_gives_no_more_time(tmp_path: Path) -> None:
    clock = FakeClock()
    list_open = sessions(tmp_path, clock, admin="hash")
    name, _ = list_open.begin("admin", 8 * HOURS, "a")
    clock.at -= 2 * HOURS
    assert list_open.find(name) is None


def test_another_password_ends_the_sessions_of_the_old_one(tmp_path: Path) -> None:
    clock = FakeClock()
    list_open = sessions(tmp_path, clock, admin="hash", other="hash")
    name, one = list_open.begin("admin", HOURS, "a")
    kept, _ = list_open.begin("other", HOURS, "a")
    list_open.admit({"admin": "changed", "other": "hash"}, None)
    assert list_open.find(name) is None
    assert not list_open.is_open(one)
    assert list_open.find(kept) is not None
    list_open.admit({"admin": "hash"}, None)
    assert list_open.find(kept) is None


def test_the_file_opens_no_session(tmp_path: Path) -> None:
    clock = FakeClock()
    list_open = sessions(tmp_path, clock, admin="hash")
    name, one = list_open.begin("admin", HOURS, "a")
    text = (tmp_path / "sessions.json").read_text()
    assert name not in text
    assert list_open.find(one.key) is None
    again = sessions(tmp_path, clock, admin="hash")
    assert again.find(name) == one
    (tmp_path / "sessions.json").write_text("{broken")
    assert sessions(tmp_path, clock, admin="hash").find(name) is None


def test_the_oldest_of_too_many_sessions_ends_even_if_none_can_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_flowhealth.web.sessions.MOST", 20)
    clock = FakeClock()
    list_open = sessions(tmp_path / "nowhere" / "x", clock, admin="hash")
    (tmp_path / "nowhere").write_text("a file: nothing can be kept")
    first, _ = list_open.begin("admin", HOURS, "a")
    for _ in range(20):
        clock.at += 0.1
        list_open.begin("admin", HOURS, "a")
    assert list_open.find(first) is None
    assert len(list_open.list_open()) == 20
