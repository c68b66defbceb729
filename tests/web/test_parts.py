"""The parts by themselves: sessions, attempts, the feed, addresses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.config.web import Web
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.verdict.status import Status
from pytest_flowhealth.web import passwords
from pytest_flowhealth.web.attempts import CROWD, FREE, REFUSED, SLOWEST, WINDOW, Attempts
from pytest_flowhealth.web.feed import REMEMBERED, Feed
from pytest_flowhealth.web.glimpse import Glimpse
from pytest_flowhealth.web.sessions import LOCAL, MOST, Sessions
from pytest_flowhealth.web.settings import Address, Secrets, access_of, read_address, served_of
from tests.kit.reports import HEALTH

HOURS = 3_600.0


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def sessions(folder: Path, time: Time, **users: str) -> Sessions:
    found = Sessions(folder / "sessions.json", time)
    found.admit(users, None)
    return found


def test_a_session_ends_after_its_time(tmp_path: Path) -> None:
    time = Time()
    every = sessions(tmp_path, time, admin="hash")
    name, _ = every.begin("admin", 8 * HOURS, "a")
    time.now += 8 * HOURS - 1
    assert every.find(name) is not None
    time.now += 1
    assert every.find(name) is None
    assert every.every() == []


def test_a_clock_that_goes_back_gives_no_more_time(tmp_path: Path) -> None:
    time = Time()
    every = sessions(tmp_path, time, admin="hash")
    name, _ = every.begin("admin", 8 * HOURS, "a")
    time.now -= 2 * HOURS
    assert every.find(name) is None


def test_another_password_ends_the_sessions_of_the_old_one(tmp_path: Path) -> None:
    time = Time()
    every = sessions(tmp_path, time, admin="hash", other="hash")
    name, one = every.begin("admin", HOURS, "a")
    kept, _ = every.begin("other", HOURS, "a")
    every.admit({"admin": "changed", "other": "hash"}, None)
    assert every.find(name) is None
    assert not every.holds(one)
    assert every.find(kept) is not None
    every.admit({"admin": "hash"}, None)
    assert every.find(kept) is None


def test_who_came_by_the_link_is_out_once_there_are_passwords(tmp_path: Path) -> None:
    every = sessions(tmp_path, Time())
    name, _ = every.begin(LOCAL, HOURS, "a")
    assert every.find(name) is not None
    every.admit({"admin": "hash"}, None)
    assert every.find(name) is None


def test_the_file_opens_no_session(tmp_path: Path) -> None:
    time = Time()
    every = sessions(tmp_path, time, admin="hash")
    name, one = every.begin("admin", HOURS, "a")
    text = (tmp_path / "sessions.json").read_text()
    assert name not in text
    assert every.find(one.key) is None
    again = sessions(tmp_path, time, admin="hash")
    assert again.find(name) == one
    (tmp_path / "sessions.json").write_text("{broken")
    assert sessions(tmp_path, time, admin="hash").find(name) is None


def test_there_are_only_so_many(tmp_path: Path) -> None:
    time = Time()
    every = sessions(tmp_path / "nowhere" / "x", time, admin="hash")
    (tmp_path / "nowhere").write_text("a file: nothing can be kept")
    first, _ = every.begin("admin", HOURS, "a")
    for _ in range(MOST):
        time.now += 0.1
        every.begin("admin", HOURS, "a")
    assert every.find(first) is None
    assert len(every.every()) == MOST


def test_an_address_is_slowed_then_refused() -> None:
    time = Time()
    attempts = Attempts(time)
    waits = [attempts.begin("192.0.2.1", "admin") for _ in range(REFUSED)]
    assert [one.seconds for one in waits[: FREE + 1]] == [0.0] * FREE + [0.5]
    assert waits[-1].seconds == SLOWEST
    assert attempts.begin("192.0.2.1", "other").refused == WINDOW
    assert attempts.begin("192.0.2.2", "admin").refused == 0
    time.now += WINDOW
    assert attempts.begin("192.0.2.1", "admin").refused == 0


def test_many_addresses_are_slowed_for_an_account_and_its_owner_is_not() -> None:
    attempts = Attempts(Time())
    attempts.begin("198.51.100.7", "admin")
    attempts.succeeded("198.51.100.7", "admin")
    for number in range(CROWD):
        attempts.begin(f"192.0.2.{number}", "admin")
    assert attempts.begin("203.0.113.1", "admin").seconds == SLOWEST
    assert attempts.begin("203.0.113.1", "admin").refused == 0
    assert attempts.begin("198.51.100.7", "admin").seconds == 0
    assert attempts.begin("203.0.113.9", "somebody").seconds == 0


def test_addresses_of_one_household_are_one() -> None:
    attempts = Attempts(Time())
    for number in range(REFUSED):
        attempts.begin(f"2001:db8::{number + 1:x}", "admin")
    assert attempts.begin("2001:db8::ffff", "admin").refused > 0
    assert attempts.begin("2001:db8:0:1::1", "admin").refused == 0


VALUES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), max_size=6)


@given(st.lists(VALUES, min_size=1, max_size=12), st.data())
def test_who_was_away_has_the_same_as_who_stayed(
    states: list[dict[str, int]], data: st.DataObject
) -> None:
    feed = Feed()
    away = data.draw(st.integers(0, len(states)))
    page: dict[str, int] = {}
    epoch, seq = feed.epoch, None
    for number, state in enumerate(states):
        if number == away:
            page, seq = dict(states[number - 1]) if number else {}, feed.seq
        feed.take(
            {key: msgspec.Raw(json.dumps(one).encode()) for key, one in state.items()},
            float(number),
        )
    message = json.loads(feed.since(epoch, seq))
    if message["type"] == "snapshot":
        page = message["state"]
    else:
        assert message["from"] == seq
        page |= message["set"]
        for key in message["gone"]:
            page.pop(key, None)
    assert page == states[-1]
    assert message["seq"] == len(states)


def test_only_what_changed_is_told() -> None:
    feed = Feed()
    feed.take({"a": msgspec.Raw(b"1"), "b": msgspec.Raw(b"2")}, 1.0)
    told = json.loads(feed.take({"a": msgspec.Raw(b"1"), "c": msgspec.Raw(b"3")}, 2.0))
    assert told == {"type": "changes", "seq": 2, "at": 2.0, "set": {"c": 3}, "gone": ["b"]}


def test_who_was_away_for_too_long_or_saw_another_server_gets_all() -> None:
    feed = Feed()
    for number in range(REMEMBERED + 5):
        feed.take({"a": msgspec.Raw(str(number).encode())}, 0.0)
    for epoch, seq in (
        (feed.epoch, 2),
        ("other", feed.seq),
        (feed.epoch, feed.seq + 7),
        (None, None),
    ):
        assert json.loads(feed.since(epoch, seq))["type"] == "snapshot"
    assert json.loads(feed.since(feed.epoch, feed.seq))["set"] == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Address("127.0.0.1", 3001)),
        ("3002", Address("127.0.0.1", 3002)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
        ("[::1]:3001", Address("::1", 3001)),
        ("localhost:9", Address("localhost", 9)),
    ],
)
def test_addresses(text: str, found: Address) -> None:
    assert read_address(text) == found


@pytest.mark.parametrize(
    "text", ["x", "70000", "1.2.3.4", "a:b", ":", "::1:3001", "http://x:80", "a b:1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        read_address(text)


HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "health.example.org"])
def test_it_is_not_opened_to_others_without_a_password_and_tls(host: str, tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    tls: dict[str, object] = {"certificate": "cert.pem", "key": "key.pem"}
    users: dict[str, object] = {"users": {"admin": HASH}}
    cases: list[tuple[dict[str, object], str | None, str | None]] = [
        ({}, None, "a password (FLOWHEALTH_WEB_PASSWORD) and TLS"),
        (tls, None, "needs a password"),
        (users, None, "needs TLS"),
        ({}, "given", "needs TLS"),
        ({**tls, **users}, None, None),
        (tls, "given", None),
        ({"insecure": True}, None, None),
    ]
    for settings, password, said in cases:
        target = Target(tmp_path, Configuration(web=Web(**settings)))  # type: ignore[arg-type]
        if said is None:
            served_of(Address(host, 1), target, Secrets(password))
        else:
            with pytest.raises(UsageError, match=re.escape(said)):
                served_of(Address(host, 1), target, Secrets(password))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_its_own_machine_needs_neither(host: str, tmp_path: Path) -> None:
    served_of(Address(host, 1), Target(tmp_path, Configuration()), Secrets())


def test_the_password_of_the_environment_keeps_its_hash(tmp_path: Path) -> None:
    first = access_of(Web(), Secrets("secret")).users["admin"]
    assert access_of(Web(), Secrets("secret"), first).users["admin"] == first
    assert access_of(Web(), Secrets("other"), first).users["admin"] != first


def test_secrets_are_taken_out_of_the_environment() -> None:
    environ = {"FLOWHEALTH_WEB_PASSWORD": "a", "FLOWHEALTH_WEB_TOKEN": "b", "PATH": "c"}
    assert Secrets.taken(environ) == Secrets("a", "b")
    assert environ == {"PATH": "c"}


def test_what_a_monitor_said_that_stands_still_holds_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    healthy = msgspec.structs.replace(HEALTH, status=Status.HEALTHY, exit_code=0)
    seen = Glimpse("shop", "host-a", health=healthy)
    assert (seen.alive, seen.own().status) == (True, "healthy")
    later = time.monotonic() + 16.0
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert (seen.alive, seen.own().status) == (False, "unknown")
    assert seen.verdict is not None
    assert seen.verdict.exit_code == 3


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node")
def test_every_script_can_be_read(tmp_path: Path) -> None:
    static = Path(passwords.__file__).with_name("static")
    scripts = [one for one in static.rglob("*.js") if one.parent.name != "vendor"]
    assert len(scripts) > 10
    for one in scripts:
        module = tmp_path / "script.mjs"
        module.write_text(one.read_text())
        done = subprocess.run(
            ["node", "--check", str(module)], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{one.name}: {done.stderr}"
