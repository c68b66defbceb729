"""Log-in, log-out, the one-time link, and the list of sessions."""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.web import shapes
from pytest_flowhealth.web.answers import answer, nothing
from pytest_flowhealth.web.attempts import Attempts
from pytest_flowhealth.web.body import body_of
from pytest_flowhealth.web.endpoint import offered
from pytest_flowhealth.web.passwords import require_passwords
from pytest_flowhealth.web.sessions import LOCAL, Session, token_of
from pytest_flowhealth.web.visitors import (
    Refused,
    Visitor,
    Visitors,
    address_of,
    cookie_of,
    cookie_settings,
)

_SILENCE = 60.0
"""Seconds between two notes of one address that is refused."""

_ADDRESSES = 1_000

_ENTERED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>FlowHealth</title>
<link rel="icon" href="/static/favicon.svg"><meta http-equiv="refresh" content="0; url=/"><p><a href="/">to the page</a></p></html>
"""


class Entrance:
    """Begins and ends sessions.

    Args:
        visitors: Who is known.
        attempts: How often somebody may try.
        remark: Notes who came and went.
        sleep: Delays an attempt, for so many seconds.
    """

    def __init__(
        self,
        visitors: Visitors,
        attempts: Attempts,
        remark: Callable[[MonitorEvent], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._visitors = visitors
        self._attempts = attempts
        self._remark = remark
        self._sleep = sleep
        # A hash takes 64 MiB: one at a time.
        self._comparing = asyncio.Lock()
        self._link: str | None = None
        self._silent: dict[str, float] = {}

    def new_link(self) -> str | None:
        """Return the secret of a new one-time link; None where passwords are set."""
        self._link = None if self._visitors.access.users else secrets.token_urlsafe(24)
        return self._link

    async def by_link(
        self, request: Request, token: str, print_link: Callable[[], None]
    ) -> Response:
        """Log in who has the one-time link; `print_link` prints the next one.

        Nobody guesses its 192 bits, so that attempts are not counted: a foreign page's could lock out
        the owner.
        """
        if self._visitors.access.users:
            return RedirectResponse("/login", 303)
        known = self._link
        if known is None or not hmac.compare_digest(known.encode(), token.encode()):
            return RedirectResponse("/login?link=used", 303)
        print_link()
        # No redirect: a browser that came from elsewhere would not send the new cookie along.
        response = HTMLResponse(_ENTERED)
        self._begun(request, response, LOCAL)
        return response

    @offered(
        "POST",
        "/api/login",
        scope=None,
        takes=shapes.LogIn,
        gives=shapes.Welcome,
        refuses=(400, 401, 403, 413, 429),
    )
    async def log_in(self, request: Request, _: Visitor) -> Response:
        """Log in by a password."""
        self._visitors.require_own(request)
        given = await body_of(request, shapes.LogIn)
        address = address_of(request)
        users = self._visitors.access.users
        wait = self._attempts.begin(address, given.user)
        if wait.refused:
            self._crowded(given.user, address)
            raise Refused(429, "too many attempts; try again later", wait.refused)
        await self._sleep(wait.seconds)
        async with self._comparing:
            known = users.get(given.user)
            right = bool(users) and await asyncio.to_thread(
                lambda: require_passwords().agrees(known, given.password)
            )
        if not right:
            self._noted("log-in refused", given.user, address)
            raise Refused(401, "the name or the password is wrong")
        self._attempts.succeeded(address, given.user)
        response = nothing()
        session = self._begun(request, response, given.user)
        found = shapes.Welcome(session[1].user, token_of(session[0]), session[1].expires)
        welcome = answer(found)
        welcome.raw_headers += [
            header for header in response.raw_headers if header[0] == b"set-cookie"
        ]
        return welcome

    @offered("POST", "/api/logout", scope="write", status=204)
    async def log_out(self, request: Request, visitor: Visitor) -> Response:
        """End the session of who asks."""
        if visitor.session is not None:
            self._visitors.sessions.end(visitor.session.name)
        self._noted("log-out", visitor.user, address_of(request))
        response = nothing()
        settings = cookie_settings(request)
        response.delete_cookie(**settings)
        return response

    @offered("GET", "/api/sessions", scope="write", gives=shapes.OpenSessions)
    async def sessions(self, _: Request, visitor: Visitor) -> Response:
        """Return the sessions that hold: all of them, for all users may do the same."""
        own = None if visitor.session is None else visitor.session.key
        found = [
            shapes.OpenSession(
                session.name,
                session.user,
                session.since,
                session.expires,
                session.address,
                session.key == own,
            )
            for session in self._visitors.sessions.list_open()
        ]
        return answer(shapes.OpenSessions(found))

    @offered("DELETE", "/api/sessions/{id}", scope="write", status=204, refuses=(404,))
    async def end_session(self, request: Request, visitor: Visitor) -> Response:
        """End a session."""
        if not self._visitors.sessions.end(request.path_params["id"]):
            raise Refused(404, "there is no such session")
        self._noted("session ended", visitor.user, address_of(request))
        return nothing()

    def _begun(self, request: Request, response: Response, user: str) -> tuple[str, Session]:
        """Begin a session: always a new one, whatever cookie came along (session fixation)."""
        old = self._visitors.sessions.find(request.cookies.get(cookie_of(request)))
        if old is not None:
            self._visitors.sessions.end(old.name)
        lifetime = self._visitors.access.session
        name, session = self._visitors.sessions.begin(user, lifetime, address_of(request))
        response.set_cookie(value=name, max_age=math.floor(lifetime), **cookie_settings(request))
        self._noted("log-in", user, address_of(request))
        return name, session

    def _crowded(self, user: str, address: str) -> None:
        """Note that an address is refused: once a while, for it may go on for ever."""
        now = time.monotonic()
        self._silent = {other: until for other, until in self._silent.items() if until > now}
        if address not in self._silent and len(self._silent) < _ADDRESSES:
            self._silent[address] = now + _SILENCE
            self._noted("log-in refused: too many attempts", user, address)

    def _noted(self, what: str, user: str, address: str) -> None:
        self._remark(MonitorEvent(what, {"user": one_line(user)[:100], "address": address}))
