"""Who asks: a session's cookie or a machine's token, and what that opens."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec
from starlette.requests import HTTPConnection

from pytest_flowhealth.web.sessions import Session, Sessions, token_of
from pytest_flowhealth.web.settings import Access

COOKIE, SECURE = "flowhealth", "__Host-"
"""How the cookie's name begins, before the port; under TLS so that a browser takes it over no other way."""


class Refused(Exception):
    """What was asked for is not open to who asks; `status` is HTTP's, `wait` seconds for Retry-After."""

    def __init__(self, status: int, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.wait = status, message, wait


class Visitor(msgspec.Struct, frozen=True):
    """Who asks; `session` is None for a machine, which has a `token` (its SHA-256).

    `csrf` is the token that the changes of a session must carry.
    """

    user: str
    scopes: tuple[str, ...]
    session: Session | None = None
    csrf: str = ""
    token: str = ""


NOBODY = Visitor("", ())
"""Who asks for what is open to all."""


class Visitors:
    """Finds out who asks."""

    def __init__(self, sessions: Sessions, access: Access) -> None:
        self.sessions = sessions
        self.access = access

    def find(self, connection: HTTPConnection) -> Visitor | None:
        """Return who asks, None where that is nobody known."""
        bearer = _bearer(connection)
        if bearer is not None:
            found = hashlib.sha256(bearer.encode()).hexdigest()
            scopes = self.access.tokens.get(found)
            return None if scopes is None else Visitor("token", scopes, token=found)
        name = connection.cookies.get(cookie_of(connection))
        session = self.sessions.find(name)
        if session is None or name is None:
            return None
        return Visitor(session.user, ("read", "metrics", "write"), session, token_of(name))

    def may_still_read(self, visitor: Visitor) -> bool:
        """Tell whether somebody who was found may still read; asked for each page every second."""
        if visitor.session is not None:
            return self.sessions.is_open(visitor.session)
        return "read" in self.access.tokens.get(visitor.token, ())

    def require(self, connection: HTTPConnection, scope: str) -> Visitor:
        """Return who asks.

        Raises:
            Refused: Nobody known, or somebody whom this is not open to.
        """
        visitor = self.find(connection)
        if visitor is None:
            raise Refused(401, "log in first")
        if scope not in visitor.scopes:
            raise Refused(403, f"this token does not open it; it needs the scope {scope}")
        return visitor

    def require_change(self, connection: HTTPConnection) -> Visitor:
        """Return who asks for a change: a session, with its CSRF token, from our own page.

        Raises:
            Refused: It is not.
        """
        visitor = self.require(connection, "write")
        self.require_own(connection)
        if not hmac.compare_digest(
            connection.headers.get("x-csrf-token", "").encode(), visitor.csrf.encode()
        ):
            raise Refused(403, "the CSRF token is missing or wrong; load the page again")
        return visitor

    def require_own(self, connection: HTTPConnection) -> None:
        """Refuse what another site's page asks for.

        Raises:
            Refused: The Origin is another one's, or there is none.
        """
        origin = connection.headers.get("origin")
        host = connection.headers.get("host", "")
        scheme = "https" if is_secure(connection) else "http"
        if origin != f"{scheme}://{host}" and origin not in self.access.origins:
            raise Refused(403, "asked by another site's page")


def is_secure(connection: HTTPConnection) -> bool:
    """Tell whether it came by TLS."""
    return connection.scope["scheme"] in ("https", "wss")


def cookie_of(connection: HTTPConnection) -> str:
    """Return the cookie's name: cookies don't tell the pages of several monitors on one host apart."""
    server = connection.scope.get("server")
    return f"{SECURE if is_secure(connection) else ''}{COOKIE}-{server[1] if server else 0}"


def cookie_settings(connection: HTTPConnection) -> dict[str, Any]:
    """Return how the cookie is set, besides its value and age."""
    return {
        "key": cookie_of(connection),
        "path": "/",
        "secure": is_secure(connection),
        "httponly": True,
        "samesite": "strict",
    }


def address_of(connection: HTTPConnection) -> str:
    """Return from where somebody asks."""
    return connection.client.host if connection.client else "unknown"


def _bearer(connection: HTTPConnection) -> str | None:
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None
