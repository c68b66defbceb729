"""What `[web] public` shows without a log-in: badges and a status page, with names and statuses only."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Literal

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.formats.badge import COLORS, render_badge
from pytest_flowhealth.web.api import run_query
from pytest_flowhealth.web.authenticator import Authenticator, Principal, RequestError
from pytest_flowhealth.web.history_queries import PERIODS, HistoryQueries
from pytest_flowhealth.web.routes import route

SVG = "image/svg+xml"

_READERS = 2
_SIGNS = {
    Status.HEALTHY: "✓",
    Status.DEGRADED: "!",
    Status.UNHEALTHY: "✕",
    Status.UNKNOWN: "?",
}
_HEADINGS = {
    Status.HEALTHY: "All components are healthy",
    Status.DEGRADED: "Some components are degraded",
    Status.UNHEALTHY: "Some components are unhealthy",
    Status.UNKNOWN: "The status is unknown",
}
_GOOD, _FAIR = 99.9, 99.0
"""Percent of availability from which on a badge is green, or amber."""

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{status} · {name}</title><link rel="icon" href="/static/favicon.svg">
<link rel="stylesheet" href="/static/style.css"><script type="module" src="/static/public.js"></script></head><body class="public"><main>
<p class="quiet">{name}</p><h1 class="verdict" data-status="{status}"><span aria-hidden="true">{sign}</span><span>{heading}</span></h1>
<ul class="plain tiles">{components}</ul></main></body></html>
"""
_COMPONENT = (
    '<li class="card" data-status="{status}"><h2>{name}</h2><span class="badge" data-status="{status}">'
    '<span aria-hidden="true">{sign}</span><span>{status}</span></span></li>'
)


class Public:
    """Serve badges and the status page, if the configuration makes them public.

    Args:
        authenticator: Knows what is public.
        verdict: Returns the target's name and the last verdict; None before the first.
        history: The history.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        verdict: Callable[[], tuple[str, Report | None]],
        history: HistoryQueries,
    ) -> None:
        self._authenticator, self._verdict, self._history = authenticator, verdict, history
        self._threads = anyio.CapacityLimiter(_READERS)

    @route("GET", "/status", scope=None, media="text/html", refuses=(404,))
    async def status(self, _: Request, __: Principal) -> Response:
        """Return the public status page."""
        self._require("status")
        name, health = self._verdict()
        overall = Status.UNKNOWN if health is None else health.status
        components = [
            _COMPONENT.format(name=escape(component), status=status.value, sign=_SIGNS[status])
            for component, status in sorted(_statuses(health).items())
        ]
        return HTMLResponse(
            _PAGE.format(
                name=escape(name),
                status=overall.value,
                sign=_SIGNS[overall],
                heading=_HEADINGS[overall],
                components="".join(components),
            )
        )

    @route("GET", "/badge/status.svg", scope=None, media=SVG, refuses=(404,))
    async def status_badge(self, _: Request, __: Principal) -> Response:
        """Return a badge with the status of all components."""
        self._require("badge")
        name, health = self._verdict()
        status = Status.UNKNOWN if health is None else health.status
        return _image(name, status.value, COLORS[status])

    @route("GET", "/badge/status/{component}.svg", scope=None, media=SVG, refuses=(404,))
    async def component_badge(self, request: Request, _: Principal) -> Response:
        """Return a badge with the status of one component."""
        self._require("badge")
        component, status = self._component(request)
        return _image(component, status.value, COLORS[status])

    @route(
        "GET",
        "/badge/availability/{component}/{period}.svg",
        scope=None,
        media=SVG,
        refuses=(404, 503),
    )
    async def availability_badge(self, request: Request, _: Principal) -> Response:
        """Return a badge with the availability of one component over 24h, 7d, 30d or 90d."""
        self._require("badge")
        component, _status = self._component(request)
        period = request.path_params["period"]
        if period not in PERIODS:
            raise RequestError(404, f"the periods are {', '.join(PERIODS)}")
        found = (await run_query(self._history.availability, self._threads)).components.get(
            component
        )
        share = None if found is None else found[period].share
        label = f"{component} {period}"
        return _image(label, format_share(share), _share_color(share))

    def _require(self, what: Literal["status", "badge"]) -> None:
        """Refuse what is not open, as if it were not there.

        Raises:
            Refused: It is not named by `[web] public`.
        """
        if what not in self._authenticator.access.public:
            raise RequestError(404, "page not found")

    def _component(self, request: Request) -> tuple[str, Status]:
        component = request.path_params["component"]
        status = _statuses(self._verdict()[1]).get(component)
        if status is None:
            raise RequestError(404, "there is no such component")
        return component, status


def format_share(share: float | None) -> str:
    """Return a share in percent; never rounded up to 100, which would hide an outage."""
    if share is None:
        return "not measured"
    return f"{share:.0f} %" if share == 100 else f"{int(share * 100) / 100:.2f} %"


def _share_color(share: float | None) -> str:
    if share is None:
        return COLORS[Status.UNKNOWN]
    good = Status.HEALTHY if share >= _GOOD else Status.DEGRADED
    return COLORS[good if share >= _FAIR else Status.UNHEALTHY]


def _statuses(health: Report | None) -> dict[str, Status]:
    """Return the status of each component that has one; those that do not apply have none."""
    components = {} if health is None else health.components
    return {name: found.status for name, found in components.items() if found.status is not None}


def _image(label: str, message: str, color: str) -> Response:
    # Other sites' pages show it, and an old one would be wrong.
    headers = {"cross-origin-resource-policy": "cross-origin", "cache-control": "no-cache"}
    return Response(render_badge(label, message, color), media_type=SVG, headers=headers)
