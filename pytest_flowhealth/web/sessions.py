"""Log-ins: what a cookie opens, until when, and how it is ended.

A session's id is 256 random bits; only its SHA-256 is kept, in a file that its owner alone reads, so
that a restart of the monitor ends no session and the file opens none.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from pytest_flowhealth.config.atomic import make_folder, replace_file

MOST = 1_000
"""Sessions at the most; the oldest goes first."""

LOCAL = "local"
"""Who came by the link with the one-time token."""


class Session(msgspec.Struct, frozen=True):
    """One log-in; times in seconds since 1970.

    Attributes:
        key: The SHA-256 of its id, in hexadecimal.
        user: Who logged in.
        proof: Changes with the user's password: a session of the old one is void.
        since: When.
        expires: Until when it holds.
        address: From where.
    """

    key: str
    user: str
    proof: str
    since: float
    expires: float
    address: str

    @property
    def name(self) -> str:
        """What it is called where sessions are listed."""
        return self.key[:16]


class Kept(msgspec.Struct, frozen=True):
    """What the file holds; `hash` is that of the password in the environment, made once."""

    sessions: list[Session] = []
    hash: str | None = None


class Sessions:
    """All log-ins.

    Args:
        path: Where they are kept.
        clock: Seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._users: Mapping[str, str] = {}
        kept = Kept()
        with contextlib.suppress(OSError, msgspec.DecodeError):
            kept = msgspec.json.decode(path.read_bytes(), type=Kept)
        self._open = {one.key: one for one in kept.sessions}
        self.hash = kept.hash

    def admit(self, users: Mapping[str, str], made: str | None) -> None:
        """Go by these users and hashes from now on; `made` is the hash of the environment's password."""
        self._users = users
        if made != self.hash:
            self.hash = made
            self._keep()

    def begin(self, user: str, lifetime: float, address: str) -> tuple[str, Session]:
        """Log somebody in; return the id for the cookie, and the session."""
        name = secrets.token_urlsafe(32)
        now = self._clock()
        one = Session(_key(name), user, self._proof(user) or "", now, now + lifetime, address)
        self._open = {key: kept for key, kept in self._open.items() if self._holds(kept)}
        while len(self._open) >= MOST:
            del self._open[min(self._open, key=lambda key: self._open[key].since)]
        self._open[one.key] = one
        self._keep()
        return name, one

    def find(self, name: str | None) -> Session | None:
        """Return the session of a cookie, None where it holds no longer or never did."""
        one = self._open.get(_key(name)) if name else None
        return one if one is not None and self._holds(one) else None

    def holds(self, one: Session) -> bool:
        """Tell whether a session that was found is still open."""
        return one.key in self._open and self._holds(one)

    def every(self) -> list[Session]:
        """Return those that hold, the newest first."""
        found = [one for one in self._open.values() if self._holds(one)]
        return sorted(found, key=lambda one: -one.since)

    def end(self, name: str) -> bool:
        """End the session of this name; tell whether there was one."""
        keys = [one.key for one in self._open.values() if one.name == name]
        for key in keys:
            del self._open[key]
        self._keep()
        return bool(keys)

    def _holds(self, one: Session) -> bool:
        # A clock that was set back does not make it longer.
        within = one.since - 60 <= self._clock() < one.expires
        proof = self._proof(one.user)
        return within and proof is not None and hmac.compare_digest(one.proof, proof)

    def _proof(self, user: str) -> str | None:
        """Return what a user's sessions must show, None where there is no such user."""
        known = self._users.get(user)
        if known is None:
            # The link is for a page without passwords only.
            return None if self._users or user != LOCAL else LOCAL
        return hashlib.sha256(known.encode()).hexdigest()

    def _keep(self) -> None:
        # Without a disk sessions last as long as the process.
        with contextlib.suppress(OSError):
            make_folder(self._path.parent)
            kept = Kept([*self._open.values()], self.hash)
            replace_file(self._path, msgspec.json.encode(kept), mode=0o600)


def token_of(name: str) -> str:
    """Return the CSRF token of a session's id: who can't read the cookie can't make it."""
    return hashlib.sha256(b"csrf:" + name.encode()).hexdigest()


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
