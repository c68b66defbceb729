"""Encryption of error contexts at rest, with a key outside the database: Fernet (AES-128-CBC, HMAC)."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from pytest_flowhealth.config.atomic import make_folder
from pytest_flowhealth.config.environment import FEEDBACK_KEY

_MAKE_KEY = (
    "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
)


class EncryptionError(Exception):
    """A context can't be encrypted or decrypted; the message says why and what helps."""


class ContextCipher:
    """Encrypts and decrypts texts.

    Args:
        key: A Fernet key, 32 bytes in URL-safe base64.

    Raises:
        EncryptionError: The key is invalid, or cryptography is not installed.
    """

    def __init__(self, key: str) -> None:
        try:
            from cryptography.fernet import Fernet
        except ImportError:
            raise EncryptionError(
                "cryptography is not installed: pip install 'pytest-flowhealth[privacy]'"
            ) from None
        try:
            self._fernet = Fernet(key)
        except (ValueError, TypeError):
            # Without the key itself.
            raise EncryptionError(
                f"the key ({FEEDBACK_KEY} or its file) is invalid: expected 32 bytes in URL-safe "
                f"base64; `{_MAKE_KEY}` makes one"
            ) from None

    def encrypt(self, text: str) -> bytes:
        """Return the encrypted text."""
        return self._fernet.encrypt(text.encode())

    def decrypt(self, token: bytes) -> str:
        """Return the text.

        Raises:
            EncryptionError: It was encrypted with another key, or changed.
        """
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(token).decode()
        except InvalidToken:
            raise EncryptionError("the context was encrypted with another key") from None


def load_cipher(path: Path, key: str | None) -> ContextCipher:
    """Return the cipher with the key of the environment, or of a file that is made at first use.

    Args:
        path: The key's file.
        key: The environment's key, which takes precedence.

    Raises:
        EncryptionError: There is no usable key.
    """
    if key is not None:
        return ContextCipher(key)
    try:
        if not path.exists():
            _make_key_file(path)
        return ContextCipher(_read_key_file(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise EncryptionError(f"the key file {path.name} can't be used: {reason}") from None


def _make_key_file(path: Path) -> None:
    key = base64.urlsafe_b64encode(os.urandom(32))  # as Fernet.generate_key()
    ContextCipher(key.decode())  # without cryptography no file is made
    make_folder(path.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        return  # another process was faster
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())


def _read_key_file(path: Path) -> str:
    """Return the key, unless other users can read it."""
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise EncryptionError(f"the key file {path.name} is no regular file")
        if status.st_mode & 0o077 or status.st_uid not in (0, os.geteuid()):
            raise EncryptionError(
                f"the key file {path.name} can be read by others: chmod 600, as its owner; "
                "better make a new one"
            )
        return file.read(200).decode().strip()
