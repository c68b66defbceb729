"""The key of contexts: made once, private, and needed to read them."""

import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pytest_flowhealth.install_reports.encryption import Unsealable, Vault, vault_of


def test_a_key_is_made_once_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / ".flowhealth/feedback.key"
    sealed = vault_of(path, None).seal("told")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"told" not in sealed
    assert vault_of(path, None).open(sealed) == "told"
    with pytest.raises(Unsealable, match="another key"):
        Vault(Fernet.generate_key().decode()).open(sealed)
    with pytest.raises(Unsealable, match="another key"):
        vault_of(path, None).open(sealed[:-4] + b"AAAA")


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(Fernet.generate_key())
    path.chmod(mode)
    with pytest.raises(Unsealable, match="chmod 600"):
        vault_of(path, None)


@pytest.mark.parametrize("content", [b"", b"secretword", b"\xff\xfe"])
def test_an_invalid_key_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Unsealable) as caught:
        vault_of(path, None)
    assert "secretword" not in str(caught.value)
    with pytest.raises(Unsealable):
        vault_of(tmp_path, None)


def test_without_cryptography_the_extra_is_named_and_no_key_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    with pytest.raises(Unsealable, match="privacy"):
        vault_of(tmp_path / "key", None)
    assert not (tmp_path / "key").exists()
