"""Receiving install reports: who may hand them in, what is refused, and what becomes of contexts."""

import gzip
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.install_reports.encryption import ContextCipher
from pytest_flowhealth.install_reports.fingerprint import fingerprint
from pytest_flowhealth.monitor import history_writer
from tests.kit.install_reports import OPEN, found_in, report
from tests.kit.reports import HEALTHY
from tests.kit.web_app import Response, WebApp, token_table, web_app

TOKENS = token_table(reader="read", reporter="report")
MakeApp = Callable[..., WebApp]


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Return a function that makes the page of the project in `app`, as after a start."""
    with ExitStack() as stack:

        def make(config: str = OPEN, **secrets: str) -> WebApp:
            return stack.enter_context(web_app(tmp_path / "app", config, **secrets))

        yield make


@pytest.fixture
def app(make_app: MakeApp) -> WebApp:
    return make_app()


def submit(app: WebApp, content: object = None, token: str = "", **headers: str) -> Response:
    """Hand in a report of a failure, or other content, as somebody who has not logged in."""
    content = report() if content is None else content
    return app.visitor("203.0.113.7", token).change("/api/reports", content, **headers)


def count(app: WebApp) -> int:
    return int(app.rows("SELECT count(*) FROM reports")[0][0])


@pytest.mark.parametrize(("token", "status"), [("", 401), ("reader", 403), ("reporter", 201)])
def test_by_default_a_report_needs_a_token(make_app: MakeApp, token: str, status: int) -> None:
    assert submit(make_app(TOKENS), token=token).status == status


def test_a_session_hands_in_no_report(make_app: MakeApp) -> None:
    assert make_app("").admin().change("/api/reports", report()).status == 403


def test_reports_and_erasures_are_limited_by_address(make_app: MakeApp) -> None:
    app = make_app(OPEN.replace("10_000", "10"))
    refused = [answer for answer in (submit(app) for _ in range(13)) if answer.status == 429]
    assert 1 <= len(refused) <= 3
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    other = app.visitor("203.0.114.7")
    assert other.change("/api/reports", report()).status == 201
    path = f"/api/reports/{'A' * 32}"
    assert [other.request("DELETE", path).status for _ in range(12)] == [404] * 10 + [429] * 2


def test_switched_off_nothing_is_received(make_app: MakeApp) -> None:
    app = make_app('[feedback]\nreceive = "off"\n' + TOKENS)
    app.keep(HEALTHY)
    assert submit(app, token="reporter").status == 404
    assert app.admin().get("/api/installs").json["receive"] == "off"


@pytest.mark.parametrize(
    ("content", "status", "headers"),
    [
        (b"hello", 400, {}),
        (b'{"package": "\xff\xfe"}', 400, {}),
        (b"[" * 60_000, 400, {}),
        (report(more=1), 400, {}),
        (report(package="other"), 400, {}),
        (report(error="x" * 1_001), 400, {}),
        (report(context="x" * 59_999, error="é" * 1_000) | {"a": "b" * 5_000}, 413, {}),
        (b"{}", 415, {"content_type": "text/plain"}),
        (b"{}", 415, {"content_type": ""}),
        (gzip.compress(b"0" * 1_000_000), 415, {"content_encoding": "gzip"}),
    ],
    ids=range(10),
)
def test_garbage_is_refused_and_not_stored(
    app: WebApp, content: object, status: int, headers: dict[str, str]
) -> None:
    submit(app)
    answer = submit(app, content, **headers)
    assert answer.status == status, answer.body
    assert set(answer.json) == {"error"}
    assert count(app) == 1


def test_other_sites_pages_are_not_allowed(app: WebApp) -> None:
    origin = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert app.visitor().request("OPTIONS", "/api/reports", headers=origin).status == 405
    answer = submit(app, origin="https://evil.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_figures_are_those_of_the_reports(app: WebApp) -> None:
    for number in range(30):
        failed = number % 3 == 0
        content = report(
            outcome="failure" if failed else "success",
            node=f"{18 + number % 2}.0.0",
            version=None if number == 29 else "1.0.0",
            error=f"exit code {number}" if failed else "",
        )
        assert submit(app, content).status == 201
    found = app.admin().get("/api/installs").json
    share = pytest.approx(66.667, 0.01)
    assert (found["succeeded"], found["failed"], found["success"]) == (20, 10, share)
    assert found["low"] < 66 < found["high"]
    assert found["nodes"] == [
        {"name": "18.0.0", "succeeded": 10, "failed": 5},
        {"name": "19.0.0", "succeeded": 10, "failed": 5},
    ]
    assert [part["name"] for part in found["versions"]] == ["1.0.0", None]
    (kind,) = found["kinds"]
    assert kind["fingerprint"] == fingerprint("exit code 1", "install", "shop")
    assert (kind["count"], kind["sources"], kind["platforms"]) == (10, 1, [["linux-x64", 10]])
    assert len(found["installs"]) == 30
    assert not any(install["sealed"] for install in found["installs"] if install["ok"])


def test_a_lost_key_loses_contexts_and_no_count(make_app: MakeApp, tmp_path: Path) -> None:
    submit(make_app(), report(context="old words"))
    (tmp_path / "app/.flowhealth/feedback.key").unlink()
    app = make_app()

    (remark,) = app.remarks
    assert "1 contexts can't be read: their key is gone" in repr(remark)
    assert submit(app, report(context="new words")).status == 201
    admin = app.admin()
    found = admin.get("/api/installs").json
    assert found["failed"] == 2
    assert "key is gone" in found["contexts"]
    new, old = (
        admin.get(f"/api/installs/{install['number']}/context") for install in found["installs"]
    )
    assert new.json == {"context": "new words"}
    assert old.status == 404
    assert "another key" in old.json["error"]


def test_a_key_that_others_can_read_is_used_once_it_is_private(app: WebApp, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    key = folder / ".flowhealth/feedback.key"
    key.parent.mkdir(exist_ok=True)
    key.write_bytes(Fernet.generate_key())
    key.chmod(0o644)
    assert submit(app).status == 201
    assert "chmod 600" in repr(app.remarks)
    assert app.rows("SELECT count(*), count(context) FROM reports") == [(1, 0)]

    key.chmod(0o600)
    app.reports.reconfigure(load_target(folder, {}, folder))
    assert submit(app).status == 201
    assert app.rows("SELECT count(*), count(context) FROM reports") == [(2, 1)]


def test_a_key_of_the_environment_is_written_nowhere(make_app: MakeApp, tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    app = make_app(key=key)
    assert submit(app).status == 201
    ((sealed,),) = app.rows("SELECT context FROM reports")
    assert ContextCipher(key).decrypt(sealed) == report()["context"]
    assert not (tmp_path / "app/.flowhealth/feedback.key").exists()
    assert found_in(tmp_path / "app", key) == []


def test_a_history_that_cannot_be_written_or_is_locked_refuses_and_recovers(
    app: WebApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.history.mkdir()
    answer = submit(app)
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    assert "reports can't be kept" in repr(app.remarks)
    app.history.rmdir()
    assert submit(app).status == 201

    monkeypatch.setattr(history_writer, "CHANGE_WAIT", 0.05)
    with closing(sqlite3.connect(app.history, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert submit(app).status == 503
        other.execute("ROLLBACK")
    assert submit(app).status == 201
    assert count(app) == 2
