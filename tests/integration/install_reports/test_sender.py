"""`--health-submit`: what is sent, when nothing is, and that the verdict never depends on it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pytest_flowhealth.install_reports import sender
from pytest_flowhealth.install_reports.report import InstallReport
from pytest_flowhealth.install_reports.sender import ReportReceiver, SendError, send
from tests.kit.http import HttpServer, Reply
from tests.kit.planted import Planted
from tests.kit.projects import write
from tests.kit.runs import Run, run_flowhealth, run_pytest
from tests.kit.terminal import run_on_terminal

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
    files = {"health/test_own.py": CHECK, "message": "it is broken"}
    return write(tmp_path / "shop", files, name="shop", version="1.2.3")


@pytest.fixture
def receiver() -> Iterator[HttpServer]:
    """Return a receiver that accepts every report."""
    with HttpServer([Reply.of_json({"id": "A" * 32}, 201)]) as server:
        yield server


def home_of(folder: Path) -> dict[str, str | None]:
    return {"XDG_CONFIG_HOME": str(folder.parent / "config"), "DO_NOT_TRACK": None}


def run(folder: Path, *words: str, **env: str | None) -> Run:
    """Run the command; nothing is on a terminal."""
    # What is sent holds planted secrets before it is scrubbed, so pytest's own output does, too.
    return run_pytest(folder, *words, env={**home_of(folder), **env}, unguarded=True)


def last_line(run: Run) -> str:
    return run.err.strip().splitlines()[-1]


def test_a_dash_shows_the_scrubbed_report_and_these_bytes_are_sent(
    shop: Path, receiver: HttpServer
) -> None:
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

    sent = run(shop, *WORDS, "--health-submit", receiver.url, FLOWHEALTH_SUBMIT="yes")
    assert sent.exit_code == 2
    assert [request.body for request in receiver.requests] == [shown.out.encode()]


@pytest.mark.parametrize(
    ("env", "configured", "reason"),
    [
        ({}, False, "nobody agreed to it"),
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
        (Reply(status=200), "HTTP 200"),
        (Reply(status=201), "makes no sense"),
        (Reply(fault="hang"), "no answer in time"),
        (Reply(fault="close"), "the connection broke"),
        (Reply(b'{"id": "A"', 201, fault="drip"), "no answer in time"),
    ],
    ids=range(9),
)
def test_any_other_answer_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, reply: Reply, reason: str
) -> None:
    if reply.fault in ("hang", "drip"):  # a byte every half a second is never a pause of a second
        monkeypatch.setattr(sender, "SECONDS", 1.0)
        monkeypatch.setattr(sender, "WHOLE", 1.2)
    with HttpServer([reply]) as server:
        with pytest.raises(SendError, match=reason):
            send(ReportReceiver("x", server.url), b"{}", "token-x")
        assert len(server.requests) <= 1


def test_the_token_is_sent_and_netrc_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: HttpServer
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secretpw\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    for token in ("abc", None):
        assert send(ReportReceiver("x", receiver.url), b"{}", token).endswith("A" * 32)
    sent = [request.headers.get("authorization") for request in receiver.requests]
    assert sent == ["Bearer abc", None]


def test_consent_is_asked_once_remembered_and_withdrawn(shop: Path, receiver: HttpServer) -> None:
    words = (*WORDS, "--health-submit", receiver.url)
    _, shown = run_on_terminal(shop, *words, answer=b"n\n", env=home_of(shop))
    assert "Send a report of this installation to http://127.0.0.1" in " ".join(shown.split())
    assert "you said no" in last_line(run(shop, *words))
    assert receiver.requests == []

    (shop.parent / "config/pytest-flowhealth/consent.json").unlink()
    for answer in (b"y\n", b""):  # the second time it does not ask
        _, shown = run_on_terminal(shop, *words, answer=answer, env=home_of(shop))
        assert ("[y/N]" in shown) == bool(answer)
    assert len(receiver.requests) == 2
    assert (
        "consent withdrawn: http://127.0.0.1"
        in run_flowhealth(
            shop, "reports", "withdraw", env={"XDG_CONFIG_HOME": str(shop.parent / "config")}
        ).out
    )
    assert "nobody agreed to it" in last_line(run(shop, *words))
    assert len(receiver.requests) == 2
