"""The HTTP API: live state, health endpoints, silences and acknowledgements."""

from __future__ import annotations

import platform
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, TypeVar

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.formats import health_json, openmetrics
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.web import openapi, schemas
from pytest_flowhealth.web.authenticator import Principal, RequestError, find_client_address
from pytest_flowhealth.web.delta_log import DeltaLog
from pytest_flowhealth.web.history_file import NoHistory, TooMany
from pytest_flowhealth.web.history_queries import HistoryQueries
from pytest_flowhealth.web.monitor_snapshot import MonitorSnapshot
from pytest_flowhealth.web.request_body import read_body
from pytest_flowhealth.web.responses import make_json_response
from pytest_flowhealth.web.routes import Endpoint, route

Result = TypeVar("Result")

JSON, PLAIN = "application/json", "text/plain"
METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LIMIT = ("limit", int, 50)
PREFIX = ("prefix", str, "")
SINCE = ("since", float, 0.0)
RANGE = (
    ("metric", str, None),
    ("since", float, None),
    ("until", float, None),
    ("points", int, 600),
)
"""Parameters of queries: name, type, default (None: required)."""

_READERS = 3

_LATE = 60.0
"""Seconds that a form may take on its way."""


class Api:
    """Answers requests.

    Args:
        feed: What the pages show.
        snapshot: The monitor as it was in the last second.
        history: The history.
        record_event: Records what somebody did.
    """

    def __init__(
        self,
        log: DeltaLog,
        snapshot: MonitorSnapshot,
        history: HistoryQueries,
        record_event: Callable[[MonitorEvent], None],
    ) -> None:
        self._deltas, self.snapshot, self._history = log, snapshot, history
        self._record_event = record_event
        self.endpoints: tuple[Endpoint, ...] = ()
        self._threads = anyio.CapacityLimiter(_READERS)

    def verdict(self) -> tuple[str, Report | None]:
        """Return the target's name and the last verdict."""
        return self.snapshot.target, self.snapshot.verdict

    # -- monitoring

    @route("GET", "/livez", scope=None, media=PLAIN, refuses=(503,))
    async def livez(self, _: Request, __: Principal) -> Response:
        """Tell whether rounds come to their end."""
        alive = self.snapshot.alive
        return Response(
            "alive" if alive else "not alive", 200 if alive else 503, media_type="text/plain"
        )

    @route("GET", "/readyz", scope=None, media=PLAIN, refuses=(503,))
    async def readyz(self, _: Request, __: Principal) -> Response:
        """Tell whether a first round has ended."""
        ready = self.snapshot.health is not None
        return Response(
            "ready" if ready else "not ready", 200 if ready else 503, media_type="text/plain"
        )

    @route("GET", "/health", media=health_json.MEDIA_TYPE, refuses=(503,))
    async def health(self, _: Request, __: Principal) -> Response:
        """Return the last verdict as health+json."""
        health = self.snapshot.verdict
        if health is None:
            content: dict[str, object] = {"status": "fail", "output": "no round has ended yet"}
        else:
            content = health_json.document(health)
        return make_json_response(
            content, 503 if content["status"] == "fail" else 200, health_json.MEDIA_TYPE
        )

    @route("GET", "/metrics", scope="metrics", media=METRICS_TYPE)
    async def metrics(self, _: Request, __: Principal) -> Response:
        """Return the last figures as OpenMetrics text."""
        health = self.snapshot.verdict
        text = "# EOF\n" if health is None else openmetrics.render(health)
        return Response(text, headers={"content-type": METRICS_TYPE})

    @route("GET", "/api/openapi.json", scope=None, media=JSON)
    async def openapi(self, _: Request, __: Principal) -> Response:
        """Return this description."""
        return make_json_response(openapi.make_document(self.endpoints))

    # -- reading

    @route("GET", "/api/session")
    async def who(self, _: Request, principal: Principal) -> schemas.CurrentUser:
        """Return who asks, and the CSRF token."""
        session = principal.session
        return schemas.CurrentUser(
            user=principal.user,
            csrf=principal.csrf,
            expires=None if session is None else session.expires,
            may=principal.scopes,
            version=version("pytest-flowhealth"),
            target=self.snapshot.target,
            host=platform.node(),
        )

    @route("GET", "/api/state", gives=schemas.StateSnapshot)
    async def state(self, _: Request, __: Principal) -> Response:
        """Return all that the pages show."""
        whole = self._deltas.whole()
        return make_json_response(whole if self.snapshot.alive else mark_unreliable(whole))

    @route("GET", "/api/report", media=JSON, refuses=(404,))
    async def report(self, _: Request, __: Principal) -> Response:
        """Return the last round's report."""
        if self.snapshot.verdict is None:
            raise RequestError(404, "no round has ended yet")
        return make_json_response({"health": self.snapshot.verdict})

    @route("GET", "/api/metrics", parameters=(PREFIX,), refuses=(503,))
    async def metric_names(self, request: Request, _: Principal) -> schemas.Metrics:
        """Return the metrics in the history."""
        prefix = request.query_params.get("prefix", "")
        return await self._read(lambda: self._history.metrics(prefix))

    @route("GET", "/api/series", parameters=RANGE, refuses=(400, 503))
    async def series(self, request: Request, _: Principal) -> schemas.MetricSeries:
        """Return what a metric was."""
        metric = request.query_params.get("metric", "")
        since, until = parse_time(request, "since"), parse_time(request, "until")
        points = parse_count(request, "points", 600)
        if not metric or since is None or until is None or until <= since:
            raise RequestError(400, "it needs metric, since and until, until after since")
        return await self._read(lambda: self._history.series(metric, since, until, points))

    @route("GET", "/api/runs", parameters=(LIMIT,), refuses=(400, 503))
    async def runs(self, request: Request, _: Principal) -> schemas.Runs:
        """Return the last runs."""
        limit = parse_count(request, "limit", 50)
        return await self._read(lambda: self._history.runs(limit))

    @route(
        "GET",
        "/api/events",
        parameters=(SINCE, LIMIT),
        refuses=(400, 503),
    )
    async def events(self, request: Request, _: Principal) -> schemas.AlertEvents:
        """Return what became of alerts."""
        since, limit = parse_time(request, "since") or 0.0, parse_count(request, "limit", 50)
        return await self._read(lambda: self._history.events(since, limit))

    @route("GET", "/api/hosts", refuses=(503,))
    async def hosts(self, _: Request, __: Principal) -> schemas.Hosts:
        """Return the hosts and targets that report to this history."""
        return await self._read(lambda: self._history.hosts(self.snapshot.own()))

    # -- changing

    @route(
        "POST",
        "/api/silences",
        scope="write",
        takes=schemas.NewSilence,
        status=201,
        refuses=(400, 409, 413, 503),
    )
    async def silence(self, request: Request, principal: Principal) -> schemas.SilenceInfo:
        """Silence some alerts for a while, or plan maintenance windows."""
        given = await read_body(request, schemas.NewSilence)
        if any(begin < time.time() - _LATE for begin in given.begins):
            # It would make an outage of the past a maintenance window.
            raise RequestError(400, "a maintenance window can't begin in the past")
        made = await run_change(self._history.silence(given, principal.user))
        self._done(request, principal, "silenced", alert=given.pattern, seconds=given.seconds)
        return made

    @route("DELETE", "/api/silences/{id}", scope="write", refuses=(404, 503))
    async def end_silence(self, request: Request, principal: Principal) -> None:
        """End a silence."""
        name = request.path_params["id"]
        if not await run_change(self._history.end_silence(name)):
            raise RequestError(404, "there is no such silence, or it is one of the configuration")
        self._done(request, principal, "silence ended", silence=name)

    @route(
        "POST",
        "/api/acknowledgements",
        scope="write",
        takes=schemas.Acknowledgement,
        refuses=(400, 404, 413, 503),
    )
    async def acknowledge(self, request: Request, principal: Principal) -> None:
        """Note that somebody takes care of an alert."""
        given = await read_body(request, schemas.Acknowledgement)
        if given.alert not in self.snapshot.firing:
            raise RequestError(404, "this alert does not fire")
        await run_change(self._history.acknowledge(given.alert, principal.user))
        self._done(request, principal, "acknowledged", alert=given.alert)

    @route(
        "DELETE",
        "/api/acknowledgements",
        scope="write",
        parameters=(("alert", str, None),),
        refuses=(404, 503),
    )
    async def withdraw_acknowledgement(self, request: Request, principal: Principal) -> None:
        """Note that nobody takes care of an alert any more."""
        alert = request.query_params.get("alert", "")
        if not await run_change(self._history.withdraw_acknowledgement(alert)):
            raise RequestError(404, "nobody has acknowledged this alert")
        self._done(request, principal, "acknowledgement withdrawn", alert=alert)

    def _done(self, request: Request, principal: Principal, what: str, **facts: object) -> None:
        content = {
            name: one_line(value) if isinstance(value, str) else value
            for name, value in facts.items()
        }
        who = {"user": principal.user, "address": find_client_address(request)}
        self._record_event(MonitorEvent(what, who | content, urgent=True))

    async def _read(self, ask: Callable[[], Result]) -> Result:
        return await run_query(ask, self._threads)


def mark_unreliable(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a monitor that no longer reports: every status that was known is unknown."""
    state = {}
    for key, content in whole["state"].items():
        if key == "monitor" or key.startswith("component:"):
            known = msgspec.json.decode(content)
            if known["status"] is not None:
                known["status"] = Status.UNKNOWN
            state[key] = known
        else:
            state[key] = content
    return whole | {"state": state}


async def run_query(ask: Callable[[], Result], threads: anyio.CapacityLimiter) -> Result:
    """Return what the history answers, asked in one of so many threads.

    Raises:
        RequestError: It can't be read.
    """
    async with threads:
        return await run_change(run_in_thread(ask))


async def run_change(change: Awaitable[Result]) -> Result:
    """Return what a change of the history gives.

    Raises:
        RequestError: It can't be made.
    """
    try:
        return await change
    except NoHistory as error:
        raise RequestError(503, str(error)) from None
    except TooMany as error:
        raise RequestError(409, str(error)) from None


def parse_time(request: Request, name: str) -> float | None:
    """Return a time of the query, in seconds since 1970.

    Raises:
        Refused: It is none.
    """
    text = request.query_params.get(name)
    try:
        found = None if text is None else float(text)
    except ValueError:
        found = -1.0
    if found is not None and not 0 <= found < time.time() + 1e9:
        raise RequestError(400, f"{name} must be seconds since 1970")
    return found


def parse_count(request: Request, name: str, default: int) -> int:
    """Return a whole number of the query.

    Raises:
        Refused: It is none.
    """
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise RequestError(400, f"{name} must be a whole number")
    return max(1, min(int(text), 2_000))
