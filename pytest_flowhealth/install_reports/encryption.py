"""Keeps what was told around an error so that the database alone does not give it away: Fernet (AES-128, HMAC)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flowhealth.config.atomic import make_folder
from pytest_flowhealth.config.environment import FEEDBACK_KEY

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


class Unsealable(Exception):
    """Contexts can't be kept, or one can't be read; the message says why and what would do."""


class Vault:
    """Seals and opens texts.

    Args:
        key: As Fernet wants it: 32 bytes in URL-safe base64.

    Raises:
        Unsealable: It is none, or cryptography is not installed.
    """

    def __init__(self, key: str) -> None:
        self._fernet = _fernet(key)

    def seal(self, text: str) -> bytes:
        """Return a text that only the key opens."""
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Return the text.

        Raises:
            Unsealable: It was sealed with another key.
        """
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise Unsealable("what was told around it was sealed with another key") from None


def vault_of(path: Path, key: str | None) -> Vault:
    """Return the vault of a key, made in its file at first use.

    Args:
        path: The key's file.
        key: The environment's, which goes before it.

    Raises:
        Unsealable: There can be none.
    """
    if key is not None:
        return Vault(key)
    _require()
    try:
        if not path.exists():
            _make(path)
        return Vault(_read(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise Unsealable(f"the key {path.name} can't be used: {reason}") from None


def _make(path: Path) -> None:
    from cryptography.fernet import Fernet

    make_folder(path.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        handle = os.open(path, flags, 0o600)
    except FileExistsError:
        return  # another process was faster
    with os.fdopen(handle, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> str:
    """Return the key, where nobody else can have read it."""
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Unsealable(f"the key {path.name} is no regular file")
        if found.st_mode & 0o077 or found.st_uid not in (0, os.geteuid()):
            raise Unsealable(
                f"the key {path.name} can be read by others: chmod 600, as its owner; "
                "better make a new one"
            )
        return file.read(200).decode().strip()


def _fernet(key: str) -> Fernet:
    _require()
    from cryptography.fernet import Fernet

    try:
        return Fernet(key)
    except (ValueError, TypeError):
        # Not shown.
        raise Unsealable(
            f"the key ({FEEDBACK_KEY} or its file) is none: 32 bytes in URL-safe base64; "
            "`python -c 'from cryptography.fernet import Fernet; "
            "print(Fernet.generate_key().decode())'` makes one"
        ) from None


def _require() -> None:
    try:
        import cryptography.fernet  # noqa: F401  # only whether it is there
    except ImportError:
        raise Unsealable(
            "cryptography is not installed: pip install 'pytest-flowhealth[privacy]'"
        ) from None
