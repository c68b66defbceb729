"""What breaks after the request was delivered: it may be done, and is not asked for again."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.feedback.github.answers import Label
from pytest_flowhealth.feedback.github.client import Client, Time
from pytest_flowhealth.feedback.github.failure import Lost, Unreachable
from pytest_flowhealth.feedback.github.tend import DAY
from tests.feedback.kinds import Monitor, kind
from tests.kit.github import REPOSITORY, TLS, TOKEN, Clock, GitHubServer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for localhost."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    signed = path.with_suffix(".crt")
    words = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext"
    names = ["subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(signed)]
    subprocess.run(["openssl", *words.split(), *names], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + signed.read_bytes())
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github(
    clock: Clock, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitHubServer]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_suffix(".crt")))
    with GitHubServer(clock.now, certificate=certificate) as server:
        yield server


@pytest.fixture
def monitor(github: GitHubServer, clock: Clock, tmp_path: Path) -> Monitor:
    return Monitor(tmp_path / "history.db", github, clock)


def client(clock: Clock, api: str) -> Client:
    return Client(REPOSITORY, TOKEN, api=api, at=Time(clock.now, clock.now, clock.pass_by))


@pytest.mark.parametrize("lag", [0.0, 60.0])
@pytest.mark.parametrize("fault", TLS)
def test_an_issue_whose_encrypted_answer_breaks_is_opened_once(
    monitor: Monitor, github: GitHubServer, clock: Clock, fault: str, lag: float
) -> None:
    github.lag = lag
    github.fault = lambda asked, _: (
        fault if asked.method == "POST" and asked.path.endswith("/issues") else None
    )

    first = monitor.tend()
    (did,) = first.did

    assert "certificate" not in repr(first)
    assert did.what == ("waiting" if lag else "opened")
    for wait in (0.0, 30.0, 130.0):
        clock.pass_by(wait)
        monitor.tend()
        assert len(github.issues) == len(github.posts("/issues")) == 1


@pytest.mark.parametrize("fault", TLS)
def test_a_comment_whose_encrypted_answer_breaks_is_told_once(
    monitor: Monitor, github: GitHubServer, clock: Clock, fault: str
) -> None:
    monitor.tend()
    clock.pass_by(DAY)
    github.fault = lambda asked, _: fault if asked.path.endswith("/comments") else None

    assert [one.what for one in monitor.tend(kind(count=20)).did] == ["failed"]
    clock.pass_by(DAY)
    monitor.tend(kind(count=20))

    assert len(github.comments[1]) == 1


@pytest.mark.parametrize("fault", TLS)
def test_nothing_is_made_twice(github: GitHubServer, clock: Clock, fault: str) -> None:
    github.fault = lambda *_: fault
    with pytest.raises(Lost, match="the connection broke"):
        client(clock, github.url).post("labels", {"name": "x"}, Label)
    assert len(github.asked) == 1


def test_a_certificate_that_is_not_trusted_is_seen_before_anything_is_sent(
    github: GitHubServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(Unreachable, match="its certificate is not trusted"):
        client(clock, github.url).post("labels", {"name": "x"}, Label)
    assert github.asked == []


class Proxy:
    """A proxy that takes a request, and hangs up; or does not get so far."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(65_536))
                if self.asked[-1].startswith(b"CONNECT"):
                    connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                else:
                    connection.recv(65_536)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    found = Proxy()
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, found.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield found
    found.close()


def test_a_proxy_that_hangs_up_may_have_passed_it_on(proxy: Proxy, clock: Clock) -> None:
    with pytest.raises(Lost, match="the connection broke"):
        client(clock, "http://127.0.0.1:9").post("labels", {"name": "x"}, Label)
    assert [one[:4] for one in proxy.asked] == [b"POST"]


def test_a_proxy_that_lets_nobody_through(proxy: Proxy, clock: Clock) -> None:
    with pytest.raises(Unreachable, match="the proxy does not let us through"):
        client(clock, "https://api.example.org").post("labels", {"name": "x"}, Label)
    assert {one[:7] for one in proxy.asked} == {b"CONNECT"}
    assert TOKEN.encode() not in b"".join(proxy.asked)
