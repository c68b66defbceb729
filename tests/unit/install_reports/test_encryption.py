"""The key of contexts: made once, private, and needed to read them."""

import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pytest_flowhealth.install_reports.encryption import ContextCipher, EncryptionError, load_cipher


def test_a_key_is_made_once_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / ".flowhealth/feedback.key"
    token = load_cipher(path, None).encrypt("told")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"told" not in token
    assert load_cipher(path, None).decrypt(token) == "told"
    with pytest.raises(EncryptionError, match="another key"):
        ContextCipher(Fernet.generate_key().decode()).decrypt(token)
    with pytest.raises(EncryptionError, match="another key"):
        load_cipher(path, None).decrypt(token[:-4] + b"AAAA")


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(Fernet.generate_key())
    path.chmod(mode)
    with pytest.raises(EncryptionError, match="chmod 600"):
        load_cipher(path, None)


@pytest.mark.parametrize("content", [b"", b"secretword", b"\xff\xfe"])
def test_an_invalid_key_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(EncryptionError) as caught:
        load_cipher(path, None)
    assert "secretword" not in str(caught.value)
    with pytest.raises(EncryptionError):
        load_cipher(tmp_path, None)


def test_without_cryptography_the_extra_is_named_and_no_key_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    with pytest.raises(EncryptionError, match="privacy"):
        load_cipher(tmp_path / "key", None)
    assert not (tmp_path / "key").exists()
