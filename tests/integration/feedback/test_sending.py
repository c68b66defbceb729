"""`pytest --health --health-submit`: what is sent, when nothing is, and that the verdict never suffers."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.feedback.reports.consent import consent_of, remember, withdraw
from pytest_flowhealth.feedback.reports.making import LARGEST, encoded
from pytest_flowhealth.feedback.reports.report import InstallReport
from pytest_flowhealth.feedback.reports.sending import NotSent, Receiver, receiver_of, send
from tests.feedback.harness import OPEN, count, receiving
from tests.feedback.secrets import Planted
from tests.kit.runs import environment
from tests.kit.webhook import Server
from tests.kit.webhook import receiving as answering

CHECK = """
import pytest

@pytest.mark.health("own")
def test_own(health):
    pass

@pytest.mark.health("own")
def test_broken(health):
    raise RuntimeError(open("told").read())
"""
UNKNOWN = """
import pytest

@pytest.mark.health("own")
@pytest.mark.threshold("never", warn=1, fail=2, unit="ms")
def test_own(health):
    pass
"""
GOOD = """
@pytest.mark.health("own")
def test_own(health):
    pass
"""
WORDS = ("--health", "--health-component", "own")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "health").mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "shop", "version": "1.2.3"}')
    (folder / "flowhealth.toml").write_text('checks = ["health/"]\n')
    (folder / "health/test_own.py").write_text(CHECK)
    (folder / "told").write_text("it is broken")
    return folder


def run(folder: Path, *words: str, **env: str | None) -> subprocess.CompletedProcess[bytes]:
    """Run the real command; nothing is on a terminal."""
    home = {"XDG_CONFIG_HOME": str(folder.parent / "config"), "DO_NOT_TRACK": None}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=folder,
        env=environment({**home, **env}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )


def told(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode().strip().splitlines()[-1]


def test_what_would_be_sent_is_shown_alone_and_scrubbed(shop: Path) -> None:
    planted = Planted(7)
    (shop / "told").write_text(planted.log)
    done = run(shop, *WORDS, "--health-submit", "-", DO_NOT_TRACK="1", MY_API_KEY="swordfish1")
    assert done.returncode == 2
    report = msgspec.json.decode(done.stdout, type=InstallReport)
    assert (report.package, report.version, report.outcome) == ("shop", "1.2.3", "failure")
    assert report.error.startswith("own.broken: RuntimeError: npm ERR! code ELIFECYCLE")
    assert report.node is not None
    text = done.stdout.decode().lower()
    assert [one for one in planted.texts if one.lower() in text] == []
    assert str(Path.home()) not in text or str(Path.home()) == "/root"


def test_a_version_that_would_not_be_taken_is_not_known(shop: Path) -> None:
    (shop / "package.json").write_text('{"name": "shop", "version": "attacker/evil"}')
    done = run(shop, *WORDS, "--health-submit", "-", DO_NOT_TRACK="1")
    report = msgspec.json.decode(done.stdout, type=InstallReport)
    assert (report.package, report.version, report.outcome) == ("shop", None, "failure")


def test_the_same_bytes_are_sent_taken_and_erased(shop: Path, tmp_path: Path) -> None:
    with receiving(tmp_path / "app", OPEN) as there:
        shown = run(shop, *WORDS, "--health-submit", "-")
        url = there.url.rstrip("/")
        done = run(shop, *WORDS, "--health-submit", url, FLOWHEALTH_SUBMIT="yes")
        assert (done.returncode, shown.returncode) == (2, 2)
        assert told(done).startswith(
            f"a report was sent to {url}; to have it erased: pytest --health-erase"
        )
        assert count(there) == 1
        address = told(done).split()[-1]
        again = run(shop, "--health-erase", address)
        assert (again.returncode, again.stdout) == (0, b"the report was erased\n")
        assert count(there) == 0
        gone = run(shop, "--health-erase", address)
        assert gone.returncode == 2
        assert "has none with this id" in told(gone)
    with answering() as stand_in:
        run(shop, *WORDS, "--health-submit", stand_in.url, FLOWHEALTH_SUBMIT="yes")
        assert stand_in.requests[0][2] == shown.stdout


@pytest.mark.parametrize(
    ("env", "configured", "said"),
    [
        ({}, "", "nobody agreed to it"),
        ({"FLOWHEALTH_SUBMIT": "perhaps"}, "", "nobody agreed to it"),
        ({"FLOWHEALTH_SUBMIT": "no"}, "", "you said no"),
        ({}, "addopts", "has to be typed"),
        ({"FLOWHEALTH_SUBMIT": "yes"}, "addopts", "has to be typed"),
        ({"DO_NOT_TRACK": "1", "FLOWHEALTH_SUBMIT": "yes"}, "", "DO_NOT_TRACK is set"),
    ],
)
def test_nothing_is_sent_without_consent(
    shop: Path, env: dict[str, str], configured: str, said: str
) -> None:
    with answering() as server:
        words = ("--health-submit", server.url)
        if configured:
            text = f"[pytest]\naddopts = {' '.join(words)}\n"
            (shop / "pytest.ini").write_text(text)
        done = run(shop, *WORDS, *(() if configured else words), **env)
    assert (done.returncode, server.requests) == (2, [])
    assert said in told(done)


def test_a_success_needs_checks_of_the_installation(shop: Path) -> None:
    (shop / "health/test_own.py").write_text(CHECK.partition("@pytest.mark.health")[0] + GOOD)
    done = run(shop, *WORDS, "--health-submit", "-")
    assert (done.returncode, done.stdout) == (0, b"")
    assert "none of the checks of package and build was run" in told(done)


def test_a_run_that_is_unknown_reports_nothing(shop: Path) -> None:
    (shop / "health/test_own.py").write_text(UNKNOWN)
    done = run(shop, *WORDS, "--health-submit", "-")
    assert (done.returncode, done.stdout) == (3, b"")
    assert "status is unknown" in told(done)


@pytest.mark.parametrize(
    "address",
    [
        *("http://health.example.org", "ftp://a", "nonsense", "https://user:pw@a", "https://", ""),
        *("https://a/?token=x", "http://localhost.evil.example", "http://127.0.0.1.evil.example"),
    ],
)
def test_addresses_that_can_not_be_meant(address: str) -> None:
    with pytest.raises(UsageError, match="--health-submit"):
        receiver_of(address, "--health-submit")


def test_a_bad_address_runs_nothing_and_a_monitor_sends_nothing(shop: Path) -> None:
    done = run(shop, *WORDS, "--health-submit", "https://me:secretpw@a")
    assert done.returncode == 4
    assert b"secretpw" not in done.stderr + done.stdout
    assert run(shop, "--health-monitor=60s", "--health-submit", "https://a").returncode == 4


ELSEWHERE = {"Location": "http://127.0.0.1:1/"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, {}), "HTTP 500"),
        ((302, ELSEWHERE), "not followed"),
        ((308, ELSEWHERE), "not followed"),
        ((401, {}), "FLOWHEALTH_REPORT_TOKEN"),
        ((429, {}), "HTTP 429"),
        ((200, {}), "HTTP 200"),
        ((201, {}), "makes no sense"),
    ],
)
def test_other_answers(answer: tuple[int, dict[str, str]], said: str) -> None:
    with answering() as server:
        server.answers = [answer]
        with pytest.raises(NotSent, match=said):
            send(Receiver("x", server.url), b"{}", "token-x")
        assert len(server.requests) == 1


def test_a_receiver_that_is_down_or_slow_changes_no_verdict(shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        done = run(
            shop, *WORDS, "--health-submit", f"http://127.0.0.1:{port}", FLOWHEALTH_SUBMIT="yes"
        )
        assert time.monotonic() - began < 40
    assert (done.returncode, told(done)) == (2, "no report was sent: no answer in time")
    down = run(shop, *WORDS, "--health-submit", f"http://127.0.0.1:{port}", FLOWHEALTH_SUBMIT="yes")
    assert down.returncode == 2
    assert "it can't be reached" in told(down)


@pytest.mark.parametrize("byte", [b"x", b"HTTP/1.1 201 Created\r\nX: y\r\n"])
def test_garbage_and_trickles(byte: bytes) -> None:
    with Trickling(byte) as url, pytest.raises(NotSent, match=r"in time|broke"):
        send(Receiver("x", url), b"{}", None)


class Trickling:
    """A server that sends something every half a second, for ever."""

    def __init__(self, part: bytes) -> None:
        self._part = part
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()

    def __enter__(self) -> str:
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/x"

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._socket.close()

    def _serve(self) -> None:
        try:
            there, _ = self._socket.accept()
            with there:
                while not self._ended.wait(0.5):
                    there.sendall(self._part)
        except OSError:
            pass


def test_a_token_goes_along_and_no_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secretpw\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with answering() as server:
        for token in ("abc", None):
            with pytest.raises(NotSent):
                send(Receiver("x", server.url), b"{}", token)
        sent = [one[1].get("Authorization") for one in server.requests]
    assert sent == ["Bearer abc", None]


@pytest.fixture
def stand_in() -> Iterator[Server]:
    with answering() as server:
        yield server


@pytest.mark.parametrize(("answer", "sent"), [("y", 2), ("n", 0)])
def test_it_is_asked_once_remembered_and_withdrawn(
    shop: Path, stand_in: Server, answer: str, sent: int
) -> None:
    words = (*WORDS, "--health-submit", stand_in.url)
    first, second = on_terminal(shop, words, answer), on_terminal(shop, words, None)
    assert "Send a report of this installation to http://127.0.0.1" in first
    assert "[y/N]" not in second
    assert len(stand_in.requests) == sent
    withdrawn = run(shop, "--health-withdraw")
    assert (b"no longer agreed to: http://127.0.0.1" in withdrawn.stdout) is (answer == "y")
    assert "nobody agreed to it" in told(run(shop, *words))
    assert len(stand_in.requests) == sent


def on_terminal(folder: Path, words: tuple[str, ...], answer: str | None) -> str:
    """Run the command on a terminal, answer its question, and return what it showed."""
    known = {"XDG_CONFIG_HOME": str(folder.parent / "config"), "DO_NOT_TRACK": None}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *words],
        cwd=folder,
        env=environment(known),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        while process.poll() is None or select.select([ours], [], [], 0.2)[0]:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                shown += os.read(ours, 4_096)
            except OSError:
                break
            if answer is not None and shown.endswith(b"[y/N] "):
                os.write(ours, f"{answer}\n".encode())
                answer = None
        os.close(ours)
    return " ".join(shown.decode().split())


def test_consent_is_for_one_receiver(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    remember("https://a", environ, agreed=True)
    found = [consent_of(one, environ) for one in ("https://a", "https://b")]
    assert found == ["yes", "unknown"]
    path = tmp_path / "pytest-flowhealth/consent.json"
    assert json.loads(path.read_text()) == {"receivers": {"https://a": True}}
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("garbage")
    assert consent_of("https://a", environ) == "unknown"
    assert withdraw(environ) == []
    assert not remember("https://a", {}, agreed=True)


@pytest.mark.parametrize("text", ["x", "é", "\x00", "\U0001f600", '"'])
def test_a_report_is_never_too_large(text: str) -> None:
    content = encoded(InstallReport(package="shop", outcome="failure", context=text * 60_000))
    assert len(content) <= LARGEST
    assert msgspec.json.decode(content, type=InstallReport).context.startswith(text * 5_000)
