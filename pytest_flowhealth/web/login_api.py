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

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.web import schemas
from pytest_flowhealth.web.authenticator import (
    Authenticator,
    Principal,
    RequestError,
    find_client_address,
    find_cookie_name,
    make_cookie_settings,
)
from pytest_flowhealth.web.login_throttle import LoginThrottle
from pytest_flowhealth.web.passwords import require_passwords
from pytest_flowhealth.web.request_body import read_body
from pytest_flowhealth.web.responses import make_empty_response, make_json_response
from pytest_flowhealth.web.routes import route
from pytest_flowhealth.web.sessions import LOCAL, Session, derive_csrf_token

_SILENCE = 60.0
"""Seconds between two notes of one address that is refused."""

_ADDRESSES = 1_000

_ENTERED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>FlowHealth</title>
<link rel="icon" href="/static/favicon.svg"><meta http-equiv="refresh" content="0; url=/"><p><a href="/">to the page</a></p></html>
"""


class LoginApi:
    """Handle log-in, log-out, one-time links and sessions.

    Args:
        authenticator: Knows users and sessions.
        throttle: Delays and refuses attempts.
        record_event: Records log-ins and log-outs.
        sleep: Delays an attempt, for so many seconds.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        throttle: LoginThrottle,
        record_event: Callable[[MonitorEvent], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._authenticator = authenticator
        self._throttle = throttle
        self._record_event = record_event
        self._sleep = sleep
        # A hash takes 64 MiB: one at a time.
        self._comparing = asyncio.Lock()
        self._link: str | None = None
        self._silent: dict[str, float] = {}

    def new_link(self) -> str | None:
        """Return the secret of a new one-time link; None where passwords are set."""
        self._link = None if self._authenticator.access.users else secrets.token_urlsafe(24)
        return self._link

    async def by_link(
        self, request: Request, token: str, print_link: Callable[[], None]
    ) -> Response:
        """Log in who has the one-time link; `print_link` prints the next one.

        Nobody guesses its 192 bits, so that attempts are not counted: a foreign page's could lock out
        the owner.
        """
        if self._authenticator.access.users:
            return RedirectResponse("/login", 303)
        known = self._link
        if known is None or not hmac.compare_digest(known.encode(), token.encode()):
            return RedirectResponse("/login?link=used", 303)
        print_link()
        # No redirect: a browser that came from elsewhere would not send the new cookie along.
        response = HTMLResponse(_ENTERED)
        self._begin_session(request, response, LOCAL)
        return response

    @route(
        "POST",
        "/api/login",
        scope=None,
        takes=schemas.LoginRequest,
        gives=schemas.LoginResponse,
        refuses=(400, 401, 403, 413, 429),
    )
    async def log_in(self, request: Request, _: Principal) -> Response:
        """Log in by a password."""
        self._authenticator.require_own(request)
        given = await read_body(request, schemas.LoginRequest)
        address = find_client_address(request)
        users = self._authenticator.access.users
        wait = self._throttle.begin(address, given.user)
        if wait.refused:
            self._report_throttled(given.user, address)
            raise RequestError(429, "too many attempts; try again later", wait.refused)
        await self._sleep(wait.seconds)
        async with self._comparing:
            known = users.get(given.user)
            right = bool(users) and await run_in_thread(
                lambda: require_passwords().verify(known, given.password)
            )
        if not right:
            self._report("log-in refused", given.user, address)
            raise RequestError(401, "the name or the password is wrong")
        self._throttle.record_success(address, given.user)
        response = make_empty_response()
        session = self._begin_session(request, response, given.user)
        found = schemas.LoginResponse(
            session[1].user, derive_csrf_token(session[0]), session[1].expires
        )
        welcome = make_json_response(found)
        welcome.raw_headers += [
            header for header in response.raw_headers if header[0] == b"set-cookie"
        ]
        return welcome

    @route("POST", "/api/logout", scope="write", status=204)
    async def log_out(self, request: Request, principal: Principal) -> Response:
        """End the session of who asks."""
        if principal.session is not None:
            self._authenticator.sessions.end(principal.session.name)
        self._report("log-out", principal.user, find_client_address(request))
        response = make_empty_response()
        settings = make_cookie_settings(request)
        response.delete_cookie(**settings)
        return response

    @route("GET", "/api/sessions", scope="write")
    async def sessions(self, _: Request, principal: Principal) -> schemas.OpenSessions:
        """Return the sessions that hold: all of them, for all users may do the same."""
        own = None if principal.session is None else principal.session.key
        found = [
            schemas.OpenSession(
                session.name,
                session.user,
                session.since,
                session.expires,
                session.address,
                session.key == own,
            )
            for session in self._authenticator.sessions.list_open()
        ]
        return schemas.OpenSessions(found)

    @route("DELETE", "/api/sessions/{id}", scope="write", refuses=(404,))
    async def end_session(self, request: Request, principal: Principal) -> None:
        """End a session."""
        if not self._authenticator.sessions.end(request.path_params["id"]):
            raise RequestError(404, "there is no such session")
        self._report("session ended", principal.user, find_client_address(request))

    def _begin_session(
        self, request: Request, response: Response, user: str
    ) -> tuple[str, Session]:
        """Begin a session: always a new one, whatever cookie came along (session fixation)."""
        old = self._authenticator.sessions.find(request.cookies.get(find_cookie_name(request)))
        if old is not None:
            self._authenticator.sessions.end(old.name)
        lifetime = self._authenticator.access.session
        name, session = self._authenticator.sessions.begin(
            user, lifetime, find_client_address(request)
        )
        response.set_cookie(
            value=name, max_age=math.floor(lifetime), **make_cookie_settings(request)
        )
        self._report("log-in", user, find_client_address(request))
        return name, session

    def _report_throttled(self, user: str, address: str) -> None:
        """Note that an address is refused: once a while, for it may go on for ever."""
        now = time.monotonic()
        self._silent = {other: until for other, until in self._silent.items() if until > now}
        if address not in self._silent and len(self._silent) < _ADDRESSES:
            self._silent[address] = now + _SILENCE
            self._report("log-in refused: too many attempts", user, address)

    def _report(self, what: str, user: str, address: str) -> None:
        self._record_event(MonitorEvent(what, {"user": one_line(user)[:100], "address": address}))
