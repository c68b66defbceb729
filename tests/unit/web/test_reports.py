"""Receiving install reports: who may hand them in, what is refused, and what becomes of contexts."""

from __future__ import annotations

import contextlib
import gzip
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from pytest_flowhealth.config.load import load_target
from pytest_flowhealth.feedback.reports import intake
from pytest_flowhealth.feedback.reports.fingerprint import fingerprint
from pytest_flowhealth.feedback.reports.sealing import Vault
from tests.kit.install_reports import OPEN, TOKEN, TOKENS, ReportPage, count, found_in, report

MakePage = Callable[..., ReportPage]


@pytest.fixture
def make_page(tmp_path: Path) -> Iterator[MakePage]:
    """Return a function that makes the page of the project in `app`, as after a start."""
    pages = []

    def make(*words: Any, **named: Any) -> ReportPage:
        pages.append(ReportPage(tmp_path / "app", *words, **named))
        return pages[-1]

    yield make
    for page in pages:
        page.close()


@pytest.fixture
def page(make_page: MakePage) -> ReportPage:
    return make_page()


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("reader", 403), (TOKEN, 201)])
def test_by_default_a_report_needs_a_token(
    make_page: MakePage, token: str | None, status: int
) -> None:
    assert make_page(TOKENS).hand_in(report(), token).status == status


def test_a_session_hands_in_no_report(make_page: MakePage) -> None:
    page = make_page(TOKENS)
    assert page.hand_in(report(), **page.log_in()).status == 403


def test_reports_are_limited_by_address(make_page: MakePage) -> None:
    page = make_page(OPEN.replace("10_000", "10"))
    answers = [page.hand_in(report()) for _ in range(13)]
    refused = [answer for answer in answers if answer.status == 429]
    assert 1 <= len(refused) <= 3
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert page.hand_in(report(), address="203.0.114.7").status == 201


def test_erasures_are_limited_by_address(page: ReportPage) -> None:
    statuses = [page.ask("DELETE", f"/api/reports/{'A' * 32}").status for _ in range(12)]
    assert statuses == [404] * 10 + [429] * 2


def test_switched_off_nothing_is_received(make_page: MakePage) -> None:
    page = make_page('[feedback]\nreceive = "off"\n' + TOKENS)
    assert page.hand_in(report(), TOKEN).status == 404
    assert page.ask("GET", "/api/installs", headers=page.log_in()).json["receive"] == "off"


@pytest.mark.parametrize(
    ("content", "status", "headers"),
    [
        (b"hello", 400, {}),
        (b"", 400, {}),
        (b'{"package": "\xff\xfe"}', 400, {}),
        (b'{"a":' * 10_000 + b"1" + b"}" * 2_000, 400, {}),
        (b"[" * 60_000, 400, {}),
        (report(more=1), 400, {}),
        (report(package="other"), 400, {}),
        (report(error="x" * 1_001), 400, {}),
        (report(context="x" * 59_999, error="é" * 1_000) | {"a": "b" * 5_000}, 413, {}),
        (b'{"package":"' + b"x" * 10_000_000 + b'"}', 413, {}),
        (b"{}", 415, {"content_type": "text/plain"}),
        (b"a=b", 415, {"content_type": "application/x-www-form-urlencoded"}),
        (b"{}", 415, {"content_type": ""}),
        (gzip.compress(b"0" * 1_000_000), 415, {"content_encoding": "gzip"}),
        (b"{}", 415, {"content_encoding": "br"}),
    ],
    ids=range(15),
)
def test_garbage_is_refused_and_not_stored(
    page: ReportPage, content: object, status: int, headers: dict[str, str]
) -> None:
    answer = page.hand_in(content, **headers)
    assert answer.status == status, answer.body
    assert set(answer.json) == {"error"}
    assert count(page.history) == 0


def test_other_sites_pages_are_not_allowed(page: ReportPage) -> None:
    origin = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert page.ask("OPTIONS", "/api/reports", headers=origin).status == 405
    answer = page.hand_in(report(), origin="https://evil.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_figures_are_those_of_the_reports(page: ReportPage) -> None:
    for number in range(30):
        failed = number % 3 == 0
        page.hand_in(
            report(
                outcome="failure" if failed else "success",
                node=f"{18 + number % 2}.0.0",
                version=None if number == 29 else "1.0.0",
                error=f"exit code {number}" if failed else "",
            )
        )
    found = page.ask("GET", "/api/installs", headers=page.log_in()).json
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


def context(page: ReportPage, number: int) -> Any:
    return page.ask("GET", f"/api/installs/{number}/context", headers=page.log_in())


def test_a_lost_key_loses_contexts_and_no_count(make_page: MakePage, tmp_path: Path) -> None:
    make_page().hand_in(report(context="old words"))
    (tmp_path / "app/.flowhealth/feedback.key").unlink()
    page = make_page()

    (remark,) = page.remarks
    assert "1 contexts can't be read: their key is gone" in repr(remark)
    assert page.hand_in(report(context="new words")).status == 201
    found = page.ask("GET", "/api/installs", headers=page.log_in()).json
    assert found["failed"] == 2
    assert "key is gone" in found["contexts"]
    new, old = (install["number"] for install in found["installs"])
    assert context(page, new).json == {"context": "new words"}
    assert context(page, old).status == 404
    assert "another key" in context(page, old).json["error"]


def test_a_key_that_others_can_read_is_used_once_it_is_private(
    make_page: MakePage, tmp_path: Path
) -> None:
    page = make_page()
    folder = tmp_path / "app"
    key = folder / ".flowhealth/feedback.key"
    key.parent.mkdir(exist_ok=True)
    key.write_bytes(Fernet.generate_key())
    key.chmod(0o644)
    assert page.hand_in(report(context="first words")).status == 201
    assert "chmod 600" in repr(page.remarks)
    assert page.rows("SELECT count(*), count(context) FROM reports") == [(1, 0)]

    key.chmod(0o600)
    page.reports.reconfigure(load_target(folder, {}, folder))
    assert page.hand_in(report(context="more words")).status == 201
    assert page.rows("SELECT count(*), count(context) FROM reports") == [(2, 1)]


def test_a_key_of_the_environment_is_written_nowhere(make_page: MakePage, tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    page = make_page(key=key)
    assert page.hand_in(report()).status == 201
    ((sealed,),) = page.rows("SELECT context FROM reports")
    assert Vault(key).open(sealed) == report()["context"]
    assert not (tmp_path / "app/.flowhealth/feedback.key").exists()
    assert found_in(tmp_path / "app", key) == []


def test_a_history_that_can_not_be_written_refuses_and_recovers(
    page: ReportPage,
) -> None:
    page.history.unlink()
    page.history.mkdir()
    answer = page.hand_in(report())
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    assert "reports can't be kept" in repr(page.remarks)
    page.history.rmdir()
    assert page.hand_in(report()).status == 201
    assert count(page.history) == 1


def test_a_locked_history_refuses_and_recovers(
    page: ReportPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_LOCK", 0.05)
    with contextlib.closing(sqlite3.connect(page.history, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert page.hand_in(report()).status == 503
        other.execute("ROLLBACK")
    assert page.hand_in(report()).status == 201
    assert count(page.history) == 1
