"""The parts around reports: networks and their salt, the key, the store, the share of successes."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.errors import NotApplicable
from pytest_flowhealth.feedback.reports import store
from pytest_flowhealth.feedback.reports.fingerprint import fingerprint
from pytest_flowhealth.feedback.reports.origin import DAY, Origins, network
from pytest_flowhealth.feedback.reports.receiving import cleaned, kept
from pytest_flowhealth.feedback.reports.report import InstallReport
from pytest_flowhealth.feedback.reports.scrub import Scrubber
from pytest_flowhealth.feedback.reports.sealing import Unsealable, Vault, vault_of
from pytest_flowhealth.history.keeping import opened
from pytest_flowhealth.history.store import Retention, purge
from pytest_flowhealth.probes.registry.reports import FEWEST, InstallReports
from pytest_flowhealth.web.quota import Quota


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unknown", "unknown"),
    ],
)
def test_addresses_are_cut(address: str, found: str) -> None:
    assert network(address) == found


def test_a_day_can_not_be_linked_with_another() -> None:
    origins = Origins()
    noon = 20_000 * DAY + DAY / 2
    first = origins.key("203.0.113.77", noon)
    assert origins.key("203.0.113.1", noon + 60) == first
    assert origins.key("203.0.114.1", noon + 60) != first
    salt = origins._salt
    origins.turn(noon + DAY)
    assert set(salt) == {0}
    assert origins._salt == b""
    assert origins.key("203.0.113.77", noon + DAY) != first
    assert Origins().key("203.0.113.77", noon) != first


def test_a_key_is_made_once_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / ".flowhealth/feedback.key"
    sealed = vault_of(path, None).seal("told")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"told" not in sealed
    assert vault_of(path, None).open(sealed) == "told"
    with pytest.raises(Unsealable, match="another key"):
        Vault(Fernet.generate_key().decode()).open(sealed)
    with pytest.raises(Unsealable, match="another key"):
        vault_of(path, None).open(sealed[:-4] + b"AAAA")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o700 | 0o011])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(Fernet.generate_key())
    path.chmod(mode)
    with pytest.raises(Unsealable, match="chmod 600"):
        vault_of(path, None)


@pytest.mark.parametrize("content", [b"", b"secretword", b"\xff\xfe", b"A" * 5_000])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Unsealable) as caught:
        vault_of(path, None)
    assert "secretword" not in str(caught.value)
    with pytest.raises(Unsealable):
        vault_of(tmp_path, None)


def test_without_cryptography(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    with pytest.raises(Unsealable, match="privacy"):
        vault_of(tmp_path / "key", None)
    assert not (tmp_path / "key").exists()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with opened(tmp_path / "history.db") as found:
        yield found


def failure(number: int, at: float, **changes: object) -> store.Kept:
    known: dict[str, object] = {
        "package": "shop",
        "version": "1.0.0",
        "node": f"{18 + number % 2}.0.0",
        "os": "linux",
        "arch": "x64",
        "outcome": "failure",
        "error": f"exit code {number}",
    }
    report = InstallReport(**(known | changes))  # type: ignore[arg-type]
    vault = Vault(Fernet.generate_key().decode())
    return kept(cleaned(report, Scrubber()), store.new_id(), at, bytes([number % 3]), vault)


def test_kinds(file: sqlite3.Connection) -> None:
    store.add(file, [failure(number, 1_000.0 + number) for number in range(10)])
    store.add(file, [failure(1, 500.0, error="no rights"), failure(1, 501.0, outcome="success")])
    first, second = store.kinds(file)
    assert first.fingerprint == fingerprint("exit code 1", "install", "shop")
    assert (first.error, first.count, first.first, first.last) == ("exit code 9", 10, 1_000, 1_009)
    assert first.nodes == (("18.0.0", 5), ("19.0.0", 5))
    assert (first.versions, first.platforms) == ((("1.0.0", 10),), (("linux-x64", 10),))
    assert first.sources == 3
    assert (second.error, second.count) == ("no rights", 1)
    assert [one.count for one in store.kinds(file, since=1_005.0)] == [5]
    assert store.kinds(file, since=2_000.0) == []


def test_what_went_well_has_no_texts(file: sqlite3.Connection) -> None:
    store.add(file, [failure(1, 1.0, outcome="success", error="x", context="y")])
    assert file.execute("SELECT error, kind, context FROM reports").fetchall() == [("", None, None)]


def test_old_ones_go(file: sqlite3.Connection, tmp_path: Path) -> None:
    now = time.time()
    old = [failure(number, now - 91 * 86_400, error=f"obsolete{number}") for number in range(500)]
    store.add(file, [*old, failure(1, now - 89 * 86_400)])
    purge(file, now=now)
    assert file.execute("SELECT count(*) FROM reports").fetchone() == (1,)
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = (tmp_path / "history.db").read_bytes()
    assert b"obsolete" not in content
    purge(file, Retention(reports=86_400.0), now=now)
    assert file.execute("SELECT count(*) FROM reports").fetchone() == (0,)


def test_few_tell_no_share() -> None:
    for found in (InstallReports(0, 0), InstallReports(FEWEST - 2, 1, "7 d")):
        for name in ("success", "failures", "interval"):
            with pytest.raises(NotApplicable):
                getattr(found, name)
    assert InstallReports(19, 1).success == 95
    assert InstallReports(19, 1).failures == 5


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_interval_is_around_the_share(succeeded: int, failed: int) -> None:
    found = InstallReports(succeeded, failed)
    if found.total < FEWEST:
        return
    low, high = found.interval
    assert 0 <= low <= found.success + 1e-9
    assert found.success - 1e-9 <= high <= 100


def test_the_interval_is_wilsons() -> None:
    # Newcombe (1998), Statistics in Medicine 17, 857: 81 of 263 is 0.2553 to 0.3662.
    low, high = InstallReports(81, 182).interval
    assert low == pytest.approx(25.53, abs=0.01)
    assert high == pytest.approx(36.62, abs=0.01)


def test_a_quota_grows_back() -> None:
    now = [0.0]
    quota = Quota(lambda: now[0])
    assert [quota.take("203.0.113.1", 3) for _ in range(3)] == [0, 0, 0]
    assert quota.take("203.0.113.1", 3) == pytest.approx(20)
    assert quota.take("203.0.113.2", 3) == 0
    now[0] = 21.0
    assert quota.take("203.0.113.1", 3) == 0
    assert quota.take("203.0.113.1", 3) > 0
