"""`--health-submit`: what is sent, when nothing is, and that the verdict never depends on it."""

from __future__ import annotations

import os
import pty
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.feedback.reports import sending
from pytest_flowhealth.feedback.reports.report import InstallReport
from pytest_flowhealth.feedback.reports.sending import NotSent, Receiver, send
from tests.kit.http import HttpServer, Reply
from tests.kit.planted import Planted
from tests.kit.runs import Run, environment, run_flowhealth, run_pytest

CHECK = """
import pytest

@pytest.mark.health("own")
def test_broken(health):
    raise RuntimeError(open("message").read())
"""
WORDS = ("--health", "--health-component", "own", "health/")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a project with a check that fails with the text of the file `message`."""
    folder = tmp_path / "shop"
    (folder / "health").mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "shop", "version": "1.2.3"}')
    (folder / "health/test_own.py").write_text(CHECK)
    (folder / "message").write_text("it is broken")
    return folder


@pytest.fixture
def receiver() -> Iterator[HttpServer]:
    """Return a receiver that accepts every report."""
    with HttpServer([Reply.of_json({"id": "A" * 32}, 201)]) as server:
        yield server


def run(folder: Path, *words: str, **env: str | None) -> Run:
    """Run the command; nothing is on a terminal."""
    home = {"XDG_CONFIG_HOME": str(folder.parent / "config"), "DO_NOT_TRACK": None}
    # What is sent holds planted secrets before it is scrubbed, so pytest's own output does, too.
    return run_pytest(folder, *words, env={**home, **env}, unguarded=True)


def last_line(run: Run) -> str:
    return run.err.strip().splitlines()[-1]


def test_a_dash_shows_the_scrubbed_report_and_nothing_else(shop: Path) -> None:
    planted = Planted(7)
    (shop / "message").write_text(planted.log)
    shown = run(shop, *WORDS, "--health-submit", "-", DO_NOT_TRACK="1", MY_API_KEY="swordfish1")
    assert shown.exit_code == 2
    report = msgspec.json.decode(shown.out, type=InstallReport)
    assert (report.package, report.version, report.outcome) == ("shop", "1.2.3", "failure")
    assert report.error.startswith("own.broken: RuntimeError: npm ERR! code ELIFECYCLE")
    assert report.node is not None
    text = shown.out.lower()
    assert [secret for secret in planted.texts if secret.lower() in text] == []
    assert str(Path.home()) not in text or str(Path.home()) == "/root"


def test_the_bytes_that_were_shown_are_sent(shop: Path, receiver: HttpServer) -> None:
    shown = run(shop, *WORDS, "--health-submit", "-")
    done = run(shop, *WORDS, "--health-submit", receiver.url, FLOWHEALTH_SUBMIT="yes")
    assert (done.exit_code, shown.exit_code) == (2, 2)
    assert [request.body for request in receiver.requests] == [shown.out.encode()]


@pytest.mark.parametrize(
    ("env", "configured", "reason"),
    [
        ({}, False, "nobody agreed to it"),
        ({"FLOWHEALTH_SUBMIT": "no"}, False, "you said no"),
        ({"FLOWHEALTH_SUBMIT": "yes"}, True, "has to be typed"),
        ({"DO_NOT_TRACK": "1", "FLOWHEALTH_SUBMIT": "yes"}, False, "DO_NOT_TRACK is set"),
    ],
)
def test_nothing_is_sent_without_consent(
    shop: Path, receiver: HttpServer, env: dict[str, str], configured: bool, reason: str
) -> None:
    words = ("--health-submit", receiver.url)
    if configured:
        (shop / "pytest.ini").write_text(f"[pytest]\naddopts = {' '.join(words)}\n")
    done = run(shop, *WORDS, *(() if configured else words), **env)
    assert (done.exit_code, receiver.requests) == (2, [])
    assert reason in last_line(done)


def test_an_unusable_address_runs_no_check_and_a_monitor_sends_nothing(shop: Path) -> None:
    done = run(shop, *WORDS, "--health-submit", "https://me:secretpw@a")
    assert done.exit_code == 4
    assert "secretpw" not in done.text
    assert run_flowhealth(shop, "monitor", "--", "--health-submit", "https://a").exit_code == 4


def test_a_receiver_that_is_down_changes_no_verdict(shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    done = run(shop, *WORDS, "--health-submit", url, FLOWHEALTH_SUBMIT="yes")
    assert done.exit_code == 2
    assert "it can't be reached" in last_line(done)


ELSEWHERE = {"Location": "http://127.0.0.1:1/"}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=500), "HTTP 500"),
        (Reply(status=302, headers=ELSEWHERE), "not followed"),
        (Reply(status=308, headers=ELSEWHERE), "not followed"),
        (Reply(status=401), "FLOWHEALTH_REPORT_TOKEN"),
        (Reply(status=429), "HTTP 429"),
        (Reply(status=200), "HTTP 200"),
        (Reply(status=201), "makes no sense"),
        (Reply(fault="hang"), "no answer in time"),
        (Reply(fault="close"), "the connection broke"),
        (Reply(b'{"id": "A"', 201, fault="drip"), "no answer in time"),
    ],
    ids=range(10),
)
def test_any_other_answer_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, reason: str
) -> None:
    if reply.fault in ("hang", "drip"):  # a byte every half a second is never a pause of a second
        monkeypatch.setattr(sending, "SECONDS", 1.0)
        monkeypatch.setattr(sending, "WHOLE", 1.2)
    with HttpServer([reply]) as server:
        with pytest.raises(NotSent, match=reason):
            send(Receiver("x", server.url), b"{}", "token-x")
        assert len(server.requests) <= 1


def test_the_token_is_sent_and_netrc_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: HttpServer
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secretpw\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    for token in ("abc", None):
        assert send(Receiver("x", receiver.url), b"{}", token).endswith("A" * 32)
    sent = [request.headers.get("authorization") for request in receiver.requests]
    assert sent == ["Bearer abc", None]


@pytest.mark.parametrize(("answer", "sent"), [("y", 2), ("n", 0)])
def test_consent_is_asked_once_remembered_and_withdrawn(
    shop: Path, receiver: HttpServer, answer: str, sent: int
) -> None:
    words = (*WORDS, "--health-submit", receiver.url)
    first = on_terminal(shop, words, answer)
    assert "Send a report of this installation to http://127.0.0.1" in first
    assert len(receiver.requests) == (answer == "y")
    if answer == "n":
        assert "you said no" in last_line(run(shop, *words))
        return
    assert "[y/N]" not in on_terminal(shop, words, None)
    assert len(receiver.requests) == sent
    withdrawn = run_flowhealth(
        shop, "reports", "withdraw", env={"XDG_CONFIG_HOME": str(shop.parent / "config")}
    )
    assert "consent withdrawn: http://127.0.0.1" in withdrawn.out
    assert "nobody agreed to it" in last_line(run(shop, *words))
    assert len(receiver.requests) == sent


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
