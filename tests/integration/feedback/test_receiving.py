"""Reports at a real monitor's page: who may hand them in, what is kept of them, and what becomes of garbage."""

from __future__ import annotations

import gzip
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pytest_flowhealth.feedback.reports.fingerprint import fingerprint
from pytest_flowhealth.feedback.reports.sealing import Vault
from tests.feedback.harness import OPEN, TOKEN, TOKENS, Sender, count, found_in, receiving, report
from tests.feedback.secrets import Planted
from tests.kit.site import Site, Visitor, wait_for


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with receiving(tmp_path_factory.mktemp("open") / "app", OPEN + TOKENS) as found:
        yield found


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with receiving(tmp_path_factory.mktemp("guarded") / "app") as found:
        yield found


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("reader", 403), (TOKEN, 201)])
def test_by_default_it_needs_a_token(guarded: Site, token: str | None, status: int) -> None:
    assert Sender(guarded, "127.1.1.1").hand_in(report(), token).status_code == status


def test_a_session_hands_in_nothing(guarded: Site) -> None:
    visitor = Sender(guarded, "127.1.1.2")
    visitor.log_in()
    assert visitor.hand_in(report()).status_code == 403


def test_an_address_is_limited(guarded: Site) -> None:
    sender = Sender(guarded, "127.1.2.1")
    answers = [sender.hand_in(report(), TOKEN) for _ in range(40)]
    refused = [one for one in answers if one.status_code == 429]
    assert 5 <= len(refused) <= 10
    assert all(int(one.headers["Retry-After"]) >= 1 for one in refused)
    assert Sender(guarded, "127.1.2.2").hand_in(report(), TOKEN).status_code == 201


def test_erasures_are_limited(guarded: Site) -> None:
    sender = Sender(guarded, "127.1.3.1")
    assert [sender.erase("A" * 32) for _ in range(12)].count(429) == 2


def test_where_it_is_off_there_is_nothing(tmp_path: Path) -> None:
    with receiving(tmp_path / "app", '[feedback]\nreceive = "off"\n' + TOKENS) as found:
        assert Sender(found).hand_in(report(), TOKEN).status_code == 404
        page = Visitor(found)
        page.log_in()
        assert page.get("api/installs").json()["receive"] == "off"


DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
GARBAGE = {
    "no JSON": (b"hello", 400),
    "nothing": (b"", 400),
    "invalid UTF-8": (b'{"package": "\xff\xfe"}', 400),
    "half a surrogate": (b'{"package":"shop","outcome":"success","error":"\\ud800"}', 400),
    "deep": (DEEP[:64_000], 400),
    "deep lists": (b"[" * 60_000, 400),
    "an unknown key": (report(more=1), 400),
    "another schema": (report(schema="flowhealth-install/9"), 400),
    "another package": (report(package="other"), 400),
    "a path as package": (report(package="../../etc"), 400),
    "no outcome": ({"package": "shop"}, 400),
    "a wrong type": (report(seconds="long"), 400),
    "not a number": (b'{"package":"shop","outcome":"success","seconds":NaN}', 400),
    "negative": (report(seconds=-1), 400),
    "a long error": (report(error="x" * 1_001), 400),
    "a long name": (report(os="x" * 101), 400),
    "a secret as version": (report(version="ghp_" + "aB3" * 12), 400),
    "a repository as version": (report(version="attacker/evil"), 400),
    "an alias as version": (report(version="npm:evil@1.0.0"), 400),
    "a range as version": (report(version="^1.0.0"), 400),
    "half a version": (report(version="1.0"), 400),
    "a line behind a version": (report(version="1.0.0\n"), 400),
    "words as Node": (report(node="20.11.1 or so"), 400),
    "a build as npm": (report(npm="10.2.4+x"), 400),
    "a path as system": (report(os="linux/x"), 400),
    "an option as architecture": (report(arch="--x"), 400),
    "an address as Node": (report(node="203.0.113.77"), 400),
    "a line in a name": (report(npm="10\n::error::x"), 400),
    "a little too large": (
        report(context="x" * 59_999, error="é" * 1_000) | {"a": "b" * 5_000},
        413,
    ),
    "10 MB": (b'{"package":"' + b"x" * 10_000_000 + b'"}', 413),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_refused_and_not_kept(there: Site, name: str) -> None:
    content, status = GARBAGE[name]
    before = count(there)
    try:
        answer = Sender(there).hand_in(content)
    except OSError:
        assert status == 413  # it hung up before all was sent
    else:
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"error"}
    assert count(there) == before


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"{}", {"Content_Type": "text/plain"}),
        (b"a=b", {"Content_Type": "application/x-www-form-urlencoded"}),
        (b"{}", {"Content_Type": ""}),
        (gzip.compress(b"0" * 50_000_000), {"Content_Encoding": "gzip"}),
        (b"{}", {"Content_Encoding": "br"}),
    ],
)
def test_other_types_and_bombs_are_refused(
    there: Site, content: bytes, headers: dict[str, str]
) -> None:
    assert Sender(there).hand_in(content, None, **headers).status_code in (413, 415)


def test_other_sites_are_not_invited(there: Site) -> None:
    sender = Sender(there)
    answer = sender.session.options(
        f"{there.url}api/reports",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
        timeout=10,
    )
    assert answer.status_code == 405
    taken = sender.hand_in(report(), Origin="https://evil.example")
    assert not [one for one in taken.headers if one.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "1.0.0-rc.1+build.5"},
        {"version": None, "node": None, "npm": None, "os": None, "arch": None},
        {"node": "23.0.0-nightly20240504", "os": "win32", "arch": "x86_64"},
    ],
)
def test_what_is_a_version_is_taken(there: Site, changes: dict[str, str | None]) -> None:
    assert Sender(there).hand_in(report(**changes)).status_code == 201


def test_what_is_kept_of_a_hostile_report(there: Site) -> None:
    planted = Planted(1)
    content = report(error=planted.log.replace("\n", " ")[:990], context=planted.log * 4)
    sender = Sender(there, "127.99.98.97")
    answer = sender.hand_in(content)
    assert answer.status_code == 201
    assert found_in(there.monitor.project, *planted.texts, "127.99.98.97", "127.99.98") == []
    (row,) = there.monitor.rows("SELECT * FROM reports ORDER BY id DESC LIMIT 1")
    assert answer.json()["id"] not in str(row)
    assert "ELIFECYCLE" in str(row)
    assert "ELIFECYCLE" not in str(row[-1])


def test_a_context_is_read_by_people_with_a_session_only(there: Site) -> None:
    told = "fail build.artifacts: dist/quixotic.js is not there\nat home"
    Sender(there).hand_in(report(context=told))
    page = Visitor(there)
    page.log_in()
    newest = page.get("api/installs").json()["installs"][0]
    path = f"api/installs/{newest['number']}/context"
    assert page.get(path).json() == {"context": told}
    reader = Sender(there)
    reader.session.headers["Authorization"] = "Bearer reader"
    assert reader.get("api/installs").status_code == 200
    assert reader.get(path).status_code == 403
    assert found_in(there.monitor.project, "quixotic") == []
    key = there.monitor.project / ".flowhealth/feedback.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_after_erasure_nothing_is_left(there: Site) -> None:
    sender = Sender(there, "127.3.3.3")
    words = [f"xylograph{number}" for number in range(30)]
    names = [
        sender.hand_in(report(error=f"broken by {one}", context=one * 500)).json()["id"]
        for one in words
    ]
    assert len(found_in(there.monitor.project, *words)) >= 30
    contexts = there.monitor.rows("SELECT context FROM reports WHERE error LIKE '%xylograph%'")
    assert sender.erase(names[0] + "x") == 404
    erasers = [Sender(there, f"127.3.4.{number}") for number in range(30)]
    assert [one.erase(name) for one, name in zip(erasers, names, strict=True)] == [204] * 30
    assert erasers[0].erase(names[0]) == 404
    # The log goes when the monitor's own short connections have closed it.
    wait_for(lambda: not found_in(there.monitor.project, *words), 10)
    sealed = [one[:200].decode() for (one,) in contexts]
    wait_for(lambda: not found_in(there.monitor.project, *sealed), 10)


def test_the_figures_are_those_of_what_was_handed_in(tmp_path: Path) -> None:
    with receiving(tmp_path / "app", OPEN) as found:
        sender = Sender(found)
        for number in range(30):
            failed = number % 3 == 0
            sender.hand_in(
                report(
                    outcome="failure" if failed else "success",
                    node=f"{18 + number % 2}.0.0",
                    version=None if number == 29 else "1.0.0",
                    error=f"exit code {number}" if failed else "",
                )
            )
        page = Visitor(found)
        page.log_in()
        told = page.get("api/installs").json()
    assert (told["succeeded"], told["failed"], told["success"]) == (
        20,
        10,
        pytest.approx(66.667, 0.01),
    )
    assert told["low"] < 66 < told["high"]
    assert told["nodes"] == [
        {"name": "18.0.0", "succeeded": 10, "failed": 5},
        {"name": "19.0.0", "succeeded": 10, "failed": 5},
    ]
    assert [one["name"] for one in told["versions"]] == ["1.0.0", None]
    (kind,) = told["kinds"]
    assert kind["fingerprint"] == fingerprint("exit code 1", "install", "shop")
    assert (kind["count"], kind["sources"], kind["platforms"]) == (10, 1, [["linux-x64", 10]])
    assert len(told["installs"]) == 30
    assert not any(one["sealed"] for one in told["installs"] if one["ok"])


def test_a_lost_key_loses_contexts_and_no_count(tmp_path: Path) -> None:
    with receiving(tmp_path / "app", OPEN) as found:
        assert Sender(found).hand_in(report(context="old words")).status_code == 201
        found.monitor.end()
        (found.monitor.project / ".flowhealth/feedback.key").unlink()
        found.start(interval="30s")
        found.monitor.until(
            lambda: "1 contexts can't be read: their key is gone" in found.monitor.text
        )
        assert Sender(found).hand_in(report(context="new words")).status_code == 201
        page = Visitor(found)
        page.log_in()
        told = page.get("api/installs").json()
        assert told["failed"] == 2
        assert "key is gone" in told["contexts"]
        new, old = (one["number"] for one in told["installs"])
        assert page.get(f"api/installs/{new}/context").json() == {"context": "new words"}
        answer = page.get(f"api/installs/{old}/context")
        assert answer.status_code == 404
        assert "another key" in answer.json()["error"]


def test_a_key_that_others_can_read_is_not_used_until_it_is_mended(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    with receiving(folder, OPEN) as found:
        key = folder / ".flowhealth/feedback.key"
        key.parent.mkdir(exist_ok=True)
        key.write_bytes(Fernet.generate_key())
        key.chmod(0o644)
        assert Sender(found).hand_in(report(context="first words")).status_code == 201
        found.monitor.until(lambda: "chmod 600" in found.monitor.text)
        assert found.monitor.rows("SELECT count(*), count(context) FROM reports") == [(1, 0)]
        key.chmod(0o600)
        found.monitor.send(signal.SIGHUP)
        found.monitor.until(lambda: found.monitor.events("configuration read again"))
        assert Sender(found).hand_in(report(context="more words")).status_code == 201
        assert found.monitor.rows("SELECT count(*), count(context) FROM reports") == [(2, 1)]


def test_the_key_of_the_environment_makes_no_file_and_reaches_no_round(tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    with receiving(tmp_path / "app", OPEN, FLOWHEALTH_FEEDBACK_KEY=key) as found:
        assert Sender(found).hand_in(report()).status_code == 201
        (row,) = found.monitor.rows("SELECT context FROM reports")
        assert Vault(key).open(row[0]) == report()["context"]
        assert not (found.monitor.project / ".flowhealth/feedback.key").exists()
        assert found_in(found.monitor.project, key) == []
