"""Sessions of logged-in users: begin, find, list and end them.

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


class SessionFile(msgspec.Struct, frozen=True):
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
        stored = SessionFile()
        with contextlib.suppress(OSError, msgspec.DecodeError):
            stored = msgspec.json.decode(path.read_bytes(), type=SessionFile)
        self._sessions = {session.key: session for session in stored.sessions}
        self.hash = stored.hash

    def admit(self, users: Mapping[str, str], made: str | None) -> None:
        """Go by these users and hashes from now on; `made` is the hash of the environment's password."""
        self._users = users
        if made != self.hash:
            self.hash = made
            self._save()

    def begin(self, user: str, lifetime: float, address: str) -> tuple[str, Session]:
        """Log somebody in; return the id for the cookie, and the session."""
        name = secrets.token_urlsafe(32)
        now = self._clock()
        session = Session(_key(name), user, self._proof(user) or "", now, now + lifetime, address)
        self._sessions = {
            key: stored for key, stored in self._sessions.items() if self._is_valid(stored)
        }
        while len(self._sessions) >= MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].since)]
        self._sessions[session.key] = session
        self._save()
        return name, session

    def find(self, name: str | None) -> Session | None:
        """Return the session of a cookie, None where it holds no longer or never did."""
        session = self._sessions.get(_key(name)) if name else None
        return session if session is not None and self._is_valid(session) else None

    def is_open(self, session: Session) -> bool:
        """Tell whether a session that was found is still open."""
        return session.key in self._sessions and self._is_valid(session)

    def list_open(self) -> list[Session]:
        """Return those that hold, the newest first."""
        found = [session for session in self._sessions.values() if self._is_valid(session)]
        return sorted(found, key=lambda session: -session.since)

    def end(self, name: str) -> bool:
        """End the session of this name; tell whether there was one."""
        keys = [session.key for session in self._sessions.values() if session.name == name]
        for key in keys:
            del self._sessions[key]
        self._save()
        return bool(keys)

    def _is_valid(self, session: Session) -> bool:
        # A clock that was set back does not make it longer.
        within = session.since - 60 <= self._clock() < session.expires
        proof = self._proof(session.user)
        return within and proof is not None and hmac.compare_digest(session.proof, proof)

    def _proof(self, user: str) -> str | None:
        """Return what a user's sessions must show, None where there is no such user."""
        known = self._users.get(user)
        if known is None:
            # The link is for a page without passwords only.
            return None if self._users or user != LOCAL else LOCAL
        return hashlib.sha256(known.encode()).hexdigest()

    def _save(self) -> None:
        # Without a disk sessions last as long as the process.
        with contextlib.suppress(OSError):
            make_folder(self._path.parent)
            stored = SessionFile([*self._sessions.values()], self.hash)
            replace_file(self._path, msgspec.json.encode(stored), mode=0o600)


def derive_csrf_token(name: str) -> str:
    """Return the CSRF token of a session's id: who can't read the cookie can't make it."""
    return hashlib.sha256(b"csrf:" + name.encode()).hexdigest()


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
