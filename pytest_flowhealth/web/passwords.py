"""Passwords: argon2id hashes, made and compared by argon2-cffi with its own parameters (RFC 9106)."""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING

from pytest_flowhealth.errors import UsageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher


class Passwords:
    """Makes and compares hashes; each takes some 50 ms and 64 MiB, so one at a time."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        # Nobody's password: an unknown name takes as long as a known one.
        self._nobody = hasher.hash(secrets.token_urlsafe(32))

    def hash(self, password: str, known: str | None = None) -> str:
        """Return a hash of a password; where the known one is of it, that one."""
        if known is not None and self.verify(known, password):
            return known
        return self._hasher.hash(password)

    def verify(self, known: str | None, password: str) -> bool:
        """Tell whether a password is the one of a hash; None is nobody's."""
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            self._hasher.verify(known or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return known is not None


@cache
def require_passwords() -> Passwords:
    """Return what makes and compares hashes.

    Raises:
        UsageError: argon2-cffi is not installed.
    """
    try:
        from argon2 import PasswordHasher
    except ImportError:
        raise UsageError(
            "a password needs argon2-cffi: pip install 'pytest-flowhealth[web]'"
        ) from None
    return Passwords(PasswordHasher())
