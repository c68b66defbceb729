"""Asking a server: what every fault becomes, and that nothing old is passed off as new."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import Unmeasured
from pytest_flowhealth.probes.registry.client import Client, NotThere, Time
from pytest_flowhealth.probes.registry.downloads import Range
from pytest_flowhealth.probes.registry.npmrc import Credential
from pytest_flowhealth.probes.registry.store import Store
from pytest_flowhealth.probes.registry.transport import Server
from tests.probes.registry.scripted import Scripted, Told

TODAY = 1_800_000_000.0
KIND = dict[str, Any]
SECRET = "npm_geheim4711"

Ask = Callable[..., Client]


class Clock:
    """A clock that only waiting moves; what was waited is in `waited`."""

    def __init__(self) -> None:
        self.date = TODAY
        self.waited: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.date += seconds

    @property
    def time(self) -> Time:
        return Time(lambda: self.date, lambda: self.date, self.sleep)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ask(tmp_path: Path, clock: Clock) -> Ask:
    def make(server: Scripted, **how: Any) -> Client:
        credential = how.pop("credential", Credential())
        how.setdefault("at", clock.time)
        there = Server("the registry", server.url, credential=credential)
        return Client(there, Store(tmp_path / "cache"), **how)

    return make


def test_answer(ask: Ask) -> None:
    with Scripted([Told(body=b'{"a": 1}')]) as server:
        found, reply = ask(server).get("express", KIND)

    assert found == {"a": 1}
    assert (reply.age, reply.confirmed, reply.attempts) == (0, False, 1)
    assert reply.fetched == "2027-01-15T08:00:00+00:00"
    assert server.asked[0].path == "/express"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_tries_again(ask: Ask, clock: Clock, status: int) -> None:
    with Scripted([Told(status), Told(status), Told(body=b'{"a": 1}')]) as server:
        found, reply = ask(server).get("x", KIND)

    assert found == {"a": 1}
    assert reply.attempts == 3
    assert clock.waited == [0.5, 1.0]


@pytest.mark.parametrize("status", [429, 503])
def test_waits_as_asked(ask: Ask, clock: Clock, status: int) -> None:
    with Scripted([Told(status, headers={"retry-after": "7"}), Told()]) as server:
        ask(server).get("x", KIND)

    assert clock.waited == [7.0]


def test_waits_until_a_date(ask: Ask, clock: Clock) -> None:
    date = email.utils.formatdate(TODAY + 9, usegmt=True)
    with Scripted([Told(429, headers={"retry-after": date}), Told()]) as server:
        ask(server).get("x", KIND)

    assert clock.waited == [9.0]


@pytest.mark.parametrize("nonsense", ["soon", "-5", "nan", "1e9", "²", "Thu, 99 Foo 2026"])
def test_asked_to_wait_in_words(ask: Ask, clock: Clock, nonsense: str) -> None:
    told = Told(429, headers={"retry-after": nonsense.encode("latin-1").decode("latin-1")})
    with Scripted([told, Told()]) as server:
        ask(server).get("x", KIND)

    assert clock.waited == [0.5]


def test_wait_beyond_patience(ask: Ask, clock: Clock) -> None:
    with (
        Scripted([Told(429, headers={"retry-after": "3600"})]) as server,
        pytest.raises(Unmeasured, match=r"status 429, and asks to wait 3,600 s$"),
    ):
        ask(server).get("x", KIND)

    assert clock.waited == []
    assert len(server.asked) == 1


def test_gives_up(ask: Ask, clock: Clock) -> None:
    with (
        Scripted([Told(500)]) as server,
        pytest.raises(Unmeasured, match=r"answered with status 500 \(4 attempts\)"),
    ):
        ask(server).get("x", KIND)

    assert len(server.asked) == 4
    assert clock.waited == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [400, 402, 405, 410, 204, 304, 418])
def test_other_status(ask: Ask, status: int) -> None:
    with (
        Scripted([Told(status, b"")]) as server,
        pytest.raises(Unmeasured, match=f"status {status}"),
    ):
        ask(server).get("x", KIND)

    assert len(server.asked) == 1


def test_not_there(ask: Ask) -> None:
    with Scripted([Told(404, b'{"error": "Not found"}')]) as server, pytest.raises(NotThere):
        ask(server).get("x", KIND)


@pytest.mark.parametrize("status", [401, 403])
def test_not_let_in(ask: Ask, status: int) -> None:
    with (
        Scripted([Told(status)]) as server,
        pytest.raises(Unmeasured, match=f"status {status}") as caught,
    ):
        ask(server).get("x", KIND)

    assert "npm login" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<!doctype html>", "no JSON"),
        (b"", "no JSON that can be read \\(0 bytes"),
        (b"\x00\xff\x17", "no JSON"),
        (b'{"package": ' + b"[" * 200_000, "no JSON|not as documented"),
        (b"null", "not as documented"),
        (b"[]", "not as documented"),
        (b'{"package": "x"}', "missing required field 'downloads'"),
        (b'{"package": "x", "downloads": 5}', "Expected 'array', got 'int'"),
        (b'{"package": "x", "downloads": [{"day": "2026-01-01", "downloads": NaN}]}', "no JSON"),
        (b'{"package": "x", "downloads": [{"day": "2026-01-01", "downloads": "7"}]}', "'int'"),
        (b'{"package": "x", "downloads": [{"day": "2026-01-01", "downloads": -7}]}', ">= 0"),
        (b'{"package": "x", "downloads": [{"day": "2026-01-01", "downloads": 1.5}]}', "'int'"),
        (b'{"package": "x", "downloads": [{"day": "2026-02-30", "downloads": 7}]}', "date"),
        (b'{"package": "x", "downloads": [{"day": 20260101, "downloads": 7}]}', "date"),
    ],
)
def test_no_such_answer(ask: Ask, body: bytes, says: str) -> None:
    with Scripted([Told(body=body)]) as server, pytest.raises(Unmeasured, match=says):
        ask(server).get("x", Range)


@pytest.mark.parametrize("fault", ["cut", "reset"])
def test_broken_off(ask: Ask, fault: str) -> None:
    told = Told(body=b'{"a": 1', fault=fault)
    with Scripted([told]) as server, pytest.raises(Unmeasured, match="broke off its answer"):
        ask(server).get("x", KIND)


def test_broken_off_once(ask: Ask) -> None:
    with Scripted([Told(fault="reset"), Told(body=b'{"a": 1}')]) as server:
        assert ask(server).get("x", KIND)[0] == {"a": 1}


def test_slow(ask: Ask) -> None:
    with Scripted([Told(body=b'{"a": 1}', fault="slow")]) as server:
        assert ask(server).get("x", KIND)[0] == {"a": 1}


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_endless(ask: Ask, fault: str) -> None:
    """However slowly it drips, the limit holds for all of it."""
    with (
        Scripted([Told(body=b'{"a"', fault=fault)]) as server,
        pytest.raises(Unmeasured, match="gave no whole answer in time"),
    ):
        ask(server, seconds=1.0, at=Time()).get("x", KIND)


def test_nobody_there(ask: Ask) -> None:
    with Scripted([Told()]) as server:
        pass
    with pytest.raises(Unmeasured, match=r"can't be reached: Connection refused \(4 attempts\)"):
        ask(server).get("x", KIND)


def test_no_such_host(tmp_path: Path, clock: Clock) -> None:
    server = Server("the downloads API", "http://api.flowhealth.invalid/")
    with pytest.raises(
        Unmeasured, match=r"the downloads API api\.flowhealth\.invalid can't be reached"
    ):
        Client(server, Store(None), at=clock.time).get("x", KIND)


@pytest.mark.parametrize("compressed", [False, True])
def test_huge(ask: Ask, *, compressed: bool) -> None:
    import gzip

    body = b'{"a": "' + b"x" * 3_000_000 + b'"}'
    told = Told(body=gzip.compress(body), headers={"content-encoding": "gzip"})
    with (
        Scripted([told if compressed else Told(body=body)]) as server,
        pytest.raises(Unmeasured, match="more than 1 MiB"),
    ):
        ask(server, most=2**20).get("x", KIND)


def test_garbled_compression(ask: Ask) -> None:
    told = Told(body=b"no gzip at all", headers={"content-encoding": "gzip"})
    with Scripted([told]) as server, pytest.raises(Unmeasured, match="gave no"):
        ask(server).get("x", KIND)


def test_kept_answer_that_still_holds(ask: Ask, clock: Clock) -> None:
    with Scripted([Told(body=b'{"a": 1}', headers={"etag": '"v1"'}), Told(304)]) as server:
        client = ask(server)
        client.get("x", KIND)
        clock.date += 3_600
        found, reply = client.get("x", KIND)

    assert found == {"a": 1}
    assert (reply.age, reply.confirmed) == (3_600, True)
    assert reply.fetched == "2027-01-15T08:00:00+00:00"
    assert server.asked[0].headers.get("if-none-match") is None
    assert server.asked[1].headers["if-none-match"] == '"v1"'


def test_newer_answer(ask: Ask, clock: Clock) -> None:
    told = [
        Told(body=b'{"a": 1}', headers={"etag": '"v1"'}),
        Told(body=b'{"a": 2}', headers={"etag": '"v2"'}),
        Told(304),
    ]
    with Scripted(told) as server:
        client = ask(server)
        client.get("x", KIND)
        assert client.get("x", KIND)[0] == {"a": 2}
        assert client.get("x", KIND)[0] == {"a": 2}

    assert server.asked[2].headers["if-none-match"] == '"v2"'


@pytest.mark.parametrize(
    "fault", [Told(500), Told(429), Told(405), Told(body=b"<html>"), Told(fault="reset")]
)
def test_kept_answer_is_no_answer(ask: Ask, clock: Clock, fault: Told) -> None:
    """A fault is unknown, whatever was known before."""
    with Scripted([Told(body=b'{"a": 1}', headers={"etag": '"v1"'}), fault]) as server:
        client = ask(server)
        client.get("x", KIND)
        clock.date += 7_200
        with pytest.raises(Unmeasured) as caught:
            client.get("x", KIND)

    if fault.body == b"{}":
        assert "2 h old, is not passed off as new" in str(caught.value)


def test_garbage_is_not_kept(ask: Ask) -> None:
    with Scripted([Told(body=b"<html>", headers={"etag": '"v1"'}), Told()]) as server:
        client = ask(server)
        with pytest.raises(Unmeasured):
            client.get("x", KIND)
        client.get("x", KIND)

    assert "if-none-match" not in server.asked[1].headers


def test_credential_is_sent_and_told_to_nobody(ask: Ask, tmp_path: Path) -> None:
    credential = Credential(f"Bearer {SECRET}", "//127.0.0.1/")
    with Scripted([Told(headers={"etag": '"v1"'}), Told(401)]) as server:
        client = ask(server, credential=credential)
        _, reply = client.get("x", KIND)
        with pytest.raises(Unmeasured) as caught:
            client.get("x", KIND)

    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in f"{client.server!r}{reply!r}{caught.value!r}{caught.value.remedy}"
    kept = list((tmp_path / "cache").iterdir())
    assert kept
    for path in kept:
        assert SECRET.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_no_credential_of_netrc(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login somebody password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Scripted([Told()]) as server:
        ask(server).get("x", KIND)

    assert "authorization" not in server.asked[0].headers


def test_post(ask: Ask) -> None:
    with Scripted([Told(503), Told(body=b'{"a": []}')]) as server:
        found, _ = ask(server).post("bulk", {"a": ["1.0.0"]}, KIND)

    assert found == {"a": []}
    assert [one.method for one in server.asked] == ["POST", "POST"]
    assert server.asked[1].body == b'{"a":["1.0.0"]}'


def test_asks_no_more_than_its_time(ask: Ask) -> None:
    started = time.monotonic()
    with Scripted([Told(fault="hang")]) as server, pytest.raises(Unmeasured):
        ask(server, seconds=0.5, at=Time()).get("x", KIND)

    assert len(server.asked) == 1
    assert time.monotonic() - started < 30
