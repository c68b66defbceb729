"""The ASGI application: its routes, its static files and its middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from pytest_flowhealth.web.authenticator import ANONYMOUS, Authenticator, RequestError
from pytest_flowhealth.web.live import Live
from pytest_flowhealth.web.login_api import LoginApi
from pytest_flowhealth.web.responses import (
    make_empty_response,
    make_error_response,
    make_json_response,
)
from pytest_flowhealth.web.routes import Endpoint

STATIC = Path(__file__).with_name("static")
PAGES = ("/", "/check/{id:path}", "/fleet", "/alerts", "/history", "/npm", "/installs", "/hosts")
"""The paths of the pages. All serve one static file, which requests its data from the API."""

Answering = Callable[[Request], Awaitable[Response]]


def make_application(
    endpoints: Iterable[Endpoint],
    authenticator: Authenticator,
    live: Live,
    login_api: LoginApi,
    print_link: Callable[[], None],
) -> Starlette:
    """Return the ASGI application; `print_link` prints the next one-time link."""
    routes: list[BaseRoute] = [
        Route(
            endpoint.route.path,
            _make_endpoint(endpoint, authenticator),
            methods=[endpoint.route.method],
        )
        for endpoint in endpoints
    ]
    routes.append(WebSocketRoute("/api/live", _make_websocket_endpoint(authenticator, live)))
    routes += [
        Route(path, _make_page_endpoint(login_api, print_link), methods=["GET"]) for path in PAGES
    ]
    routes.append(Route("/login", _login, methods=["GET"]))
    routes.append(Mount("/static", _Files(directory=STATIC, check_dir=False)))
    return Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders), Middleware(GZipMiddleware, minimum_size=1_000)],
        exception_handlers={
            RequestError: _handle_request_error,
            HTTPException: _handle_http_error,
            Exception: _handle_exception,
        },
    )


def _make_endpoint(endpoint: Endpoint, authenticator: Authenticator) -> Answering:
    async def answering(request: Request) -> Response:
        principal = ANONYMOUS
        if endpoint.route.scope == "write" and endpoint.changes:
            principal = authenticator.require_change(request)
        elif endpoint.route.scope is not None:
            principal = authenticator.require(request, endpoint.route.scope)
        answer = await endpoint.handler(request, principal)
        if answer is None:
            return make_empty_response()
        if isinstance(answer, Response):
            return answer
        return make_json_response(answer, endpoint.route.status)

    return answering


def _make_websocket_endpoint(
    authenticator: Authenticator, live: Live
) -> Callable[[WebSocket], Awaitable[None]]:
    async def listening(socket: WebSocket) -> None:
        try:
            principal = authenticator.require(socket, "read")
            if principal.session is not None:
                # A browser sends the cookie for pages of any site: check the Origin.
                authenticator.require_own(socket)
        except RequestError as error:
            await socket.send_denial_response(make_error_response(error))
            return
        await live.serve(socket, lambda: authenticator.may_still_read(principal))

    return listening


def _make_page_endpoint(login_api: LoginApi, print_link: Callable[[], None]) -> Answering:
    async def page(request: Request) -> Response:
        token = request.query_params.get("token")
        # A HEAD request must not use up the one-time link.
        if token is not None and request.method == "GET":
            return await login_api.by_link(request, token, print_link)
        return _file("index.html")

    return page


async def _login(_: Request) -> Response:
    return _file("login.html")


def _file(name: str) -> Response:
    return FileResponse(STATIC / name, headers={"cache-control": "no-cache"})


class _Files(StaticFiles):
    """The static files; browsers cache and revalidate them."""

    def file_response(self, *args: object, **named: object) -> Response:
        response = super().file_response(*args, **named)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


_NOT_FOUND = """<!doctype html><html lang="en"><meta charset="utf-8"><title>FlowHealth</title>
<link rel="stylesheet" href="/static/style.css"><main><h1>Page not found</h1><p><a href="/">Overview</a></p></main></html>
"""

_FAILURES = {404: "page not found", 405: "this method is not supported here"}


async def _handle_request_error(_: Request, error: Exception) -> Response:
    return make_error_response(
        error if isinstance(error, RequestError) else RequestError(500, str(error))
    )


async def _handle_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404 and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_NOT_FOUND, 404)
    return make_error_response(RequestError(status, _FAILURES.get(status, "the request failed")))


async def _handle_exception(_: Request, __: Exception) -> Response:
    return make_error_response(
        RequestError(500, "internal error; the monitor's log has the details")
    )


POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""The Content-Security-Policy (https://www.w3.org/TR/CSP3/)."""

ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
TRANSPORT = "max-age=31536000"
"""The value of Strict-Transport-Security, sent over TLS."""


class SecurityHeaders:
    """ASGI middleware that adds the security headers to every response."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                if scope["scheme"] == "https":
                    headers["strict-transport-security"] = TRANSPORT
            await send(message)

        await self._app(scope, receive, sending)
