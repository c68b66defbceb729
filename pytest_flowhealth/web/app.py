"""The application: its endpoints, its pages, and what holds for every answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from pytest_flowhealth.web.answers import refusal
from pytest_flowhealth.web.endpoint import Endpoint
from pytest_flowhealth.web.entrance import Entrance
from pytest_flowhealth.web.headers import Headers
from pytest_flowhealth.web.live import Live
from pytest_flowhealth.web.visitors import NOBODY, Refused, Visitors

STATIC = Path(__file__).with_name("static")
PAGES = ("/", "/check/{id:path}", "/fleet", "/alerts", "/history", "/npm", "/installs", "/hosts")
"""Where the pages are: one file, which asks the API for what it shows. It reveals nothing itself."""

Answering = Callable[[Request], Awaitable[Response]]


def application(
    endpoints: Iterable[Endpoint],
    visitors: Visitors,
    live: Live,
    entrance: Entrance,
    print_link: Callable[[], None],
) -> Starlette:
    """Return the ASGI application; `print_link` prints the next one-time link."""
    routes: list[BaseRoute] = [
        Route(endpoint.offer.path, _answering(endpoint, visitors), methods=[endpoint.offer.method])
        for endpoint in endpoints
    ]
    routes.append(WebSocketRoute("/api/live", _listening(visitors, live)))
    routes += [Route(path, _page(entrance, print_link), methods=["GET"]) for path in PAGES]
    routes.append(Route("/login", _login, methods=["GET"]))
    routes.append(Mount("/static", _Files(directory=STATIC, check_dir=False)))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Headers), Middleware(GZipMiddleware, minimum_size=1_000)],
        exception_handlers={Refused: _refused, HTTPException: _failed, Exception: _broken},
    )


def _answering(endpoint: Endpoint, visitors: Visitors) -> Answering:
    async def answering(request: Request) -> Response:
        visitor = NOBODY
        if endpoint.offer.scope == "write" and endpoint.changes:
            visitor = visitors.require_change(request)
        elif endpoint.offer.scope is not None:
            visitor = visitors.require(request, endpoint.offer.scope)
        return await endpoint.handler(request, visitor)

    return answering


def _listening(visitors: Visitors, live: Live) -> Callable[[WebSocket], Awaitable[None]]:
    async def listening(socket: WebSocket) -> None:
        try:
            visitor = visitors.require(socket, "read")
            if visitor.session is not None:
                # A browser sends the cookie along for any site's page: its Origin says whose it is.
                visitors.require_own(socket)
        except Refused as error:
            await socket.send_denial_response(refusal(error))
            return
        await live.serve(socket, lambda: visitors.may_still_read(visitor))

    return listening


def _page(entrance: Entrance, print_link: Callable[[], None]) -> Answering:
    async def page(request: Request) -> Response:
        token = request.query_params.get("token")
        # HEAD only asks what there is: it must not use the link up.
        if token is not None and request.method == "GET":
            return await entrance.by_link(request, token, print_link)
        return _file("index.html")

    return page


async def _login(_: Request) -> Response:
    return _file("login.html")


def _file(name: str) -> Response:
    return FileResponse(STATIC / name, headers={"cache-control": "no-cache"})


class _Files(StaticFiles):
    """The page's files: kept by browsers, and asked for whether they are still the same."""

    def file_response(self, *args: object, **named: object) -> Response:
        response = super().file_response(*args, **named)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


_NOWHERE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>FlowHealth</title>
<link rel="stylesheet" href="/static/style.css"><main><h1>There is no such page</h1><p><a href="/">Overview</a></p></main></html>
"""

_FAILURES = {404: "there is no such page", 405: "this method is not supported here"}


async def _refused(_: Request, error: Exception) -> Response:
    return refusal(error if isinstance(error, Refused) else Refused(500, str(error)))


async def _failed(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404 and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_NOWHERE, 404)
    return refusal(Refused(status, _FAILURES.get(status, "the request failed")))


async def _broken(_: Request, __: Exception) -> Response:
    return refusal(Refused(500, "the page's server has a defect here; its log says more"))
