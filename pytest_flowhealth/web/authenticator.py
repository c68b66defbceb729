"""Authenticate requests by session cookie or bearer token, and check their scopes."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec
from starlette.requests import HTTPConnection

from pytest_flowhealth.web.sessions import Session, Sessions, derive_csrf_token
from pytest_flowhealth.web.settings import Access

COOKIE, SECURE = "flowhealth", "__Host-"
"""How the cookie's name begins, before the port; under TLS so that a browser takes it over no other way."""


class RequestError(Exception):
    """A request that is rejected with an HTTP `status`; `wait` is the Retry-After in seconds."""

    def __init__(self, status: int, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.wait = status, message, wait


class Principal(msgspec.Struct, frozen=True):
    """The principal of a request; `session` is None for a machine, which has a `token` (its SHA-256).

    `csrf` is the token that the changes of a session must carry.
    """

    user: str
    scopes: tuple[str, ...]
    session: Session | None = None
    csrf: str = ""
    token: str = ""


ANONYMOUS = Principal("", ())
"""The principal of a request that needs no log-in."""


class Authenticator:
    """Find the principal of a request, and require scopes of it."""

    def __init__(self, sessions: Sessions, access: Access) -> None:
        self.sessions = sessions
        self.access = access

    def find(self, connection: HTTPConnection) -> Principal | None:
        """Return the principal of a request; None if it has no valid cookie or token."""
        bearer = _bearer(connection)
        if bearer is not None:
            found = hashlib.sha256(bearer.encode()).hexdigest()
            scopes = self.access.tokens.get(found)
            return None if scopes is None else Principal("token", scopes, token=found)
        name = connection.cookies.get(find_cookie_name(connection))
        session = self.sessions.find(name)
        if session is None or name is None:
            return None
        return Principal(
            session.user, ("read", "metrics", "write"), session, derive_csrf_token(name)
        )

    def may_still_read(self, principal: Principal) -> bool:
        """Tell whether somebody who was found may still read; asked for each page every second."""
        if principal.session is not None:
            return self.sessions.is_open(principal.session)
        return "read" in self.access.tokens.get(principal.token, ())

    def require(self, connection: HTTPConnection, scope: str) -> Principal:
        """Return who asks.

        Raises:
            Refused: Nobody known, or somebody whom this is not open to.
        """
        principal = self.find(connection)
        if principal is None:
            raise RequestError(401, "log in first")
        if scope not in principal.scopes:
            raise RequestError(403, f"this token does not open it; it needs the scope {scope}")
        return principal

    def require_change(self, connection: HTTPConnection) -> Principal:
        """Return who asks for a change: a session, with its CSRF token, from our own page.

        Raises:
            Refused: It is not.
        """
        principal = self.require(connection, "write")
        self.require_own(connection)
        if not hmac.compare_digest(
            connection.headers.get("x-csrf-token", "").encode(), principal.csrf.encode()
        ):
            raise RequestError(403, "the CSRF token is missing or wrong; load the page again")
        return principal

    def require_own(self, connection: HTTPConnection) -> None:
        """Refuse what another site's page asks for.

        Raises:
            Refused: The Origin is another one's, or there is none.
        """
        origin = connection.headers.get("origin")
        host = connection.headers.get("host", "")
        scheme = "https" if is_secure(connection) else "http"
        if origin != f"{scheme}://{host}" and origin not in self.access.origins:
            raise RequestError(403, "asked by another site's page")


def is_secure(connection: HTTPConnection) -> bool:
    """Tell whether it came by TLS."""
    return connection.scope["scheme"] in ("https", "wss")


def find_cookie_name(connection: HTTPConnection) -> str:
    """Return the cookie's name: cookies don't tell the pages of several monitors on one host apart."""
    server = connection.scope.get("server")
    return f"{SECURE if is_secure(connection) else ''}{COOKIE}-{server[1] if server else 0}"


def make_cookie_settings(connection: HTTPConnection) -> dict[str, Any]:
    """Return how the cookie is set, besides its value and age."""
    return {
        "key": find_cookie_name(connection),
        "path": "/",
        "secure": is_secure(connection),
        "httponly": True,
        "samesite": "strict",
    }


def find_client_address(connection: HTTPConnection) -> str:
    """Return from where somebody asks."""
    return connection.client.host if connection.client else "unknown"


def _bearer(connection: HTTPConnection) -> str | None:
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None
