"""The API: what the pages ask for, and machines with a token."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypeVar

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.formats import health_json, openmetrics
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.web import openapi, shapes
from pytest_flowhealth.web.answers import answer, nothing
from pytest_flowhealth.web.body import body_of
from pytest_flowhealth.web.endpoint import Endpoint, offered
from pytest_flowhealth.web.feed import Feed
from pytest_flowhealth.web.glimpse import Glimpse
from pytest_flowhealth.web.history_file import NoHistory, TooMany
from pytest_flowhealth.web.past import Past
from pytest_flowhealth.web.visitors import Refused, Visitor, address_of

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
        glimpse: The last verdict.
        past: The history.
        remark: Notes what somebody did.
    """

    def __init__(
        self,
        feed: Feed,
        glimpse: Glimpse,
        past: Past,
        remark: Callable[[MonitorEvent], None],
    ) -> None:
        self._feed, self.glimpse, self._past = feed, glimpse, past
        self._remark = remark
        self.endpoints: tuple[Endpoint, ...] = ()
        self._threads = anyio.CapacityLimiter(_READERS)

    def verdict(self) -> tuple[str, Report | None]:
        """Return the target's name and the last verdict."""
        return self.glimpse.target, self.glimpse.verdict

    # -- monitoring

    @offered("GET", "/livez", scope=None, media=PLAIN, refuses=(503,))
    async def livez(self, _: Request, __: Visitor) -> Response:
        """Tell whether rounds come to their end."""
        alive = self.glimpse.alive
        return Response(
            "alive" if alive else "not alive", 200 if alive else 503, media_type="text/plain"
        )

    @offered("GET", "/readyz", scope=None, media=PLAIN, refuses=(503,))
    async def readyz(self, _: Request, __: Visitor) -> Response:
        """Tell whether a first round has ended."""
        ready = self.glimpse.health is not None
        return Response(
            "ready" if ready else "not ready", 200 if ready else 503, media_type="text/plain"
        )

    @offered("GET", "/health", media=health_json.MEDIA_TYPE, refuses=(503,))
    async def health(self, _: Request, __: Visitor) -> Response:
        """Return the last verdict as health+json."""
        health = self.glimpse.verdict
        if health is None:
            content: dict[str, object] = {"status": "fail", "output": "no round has ended yet"}
        else:
            content = health_json.document(health)
        return answer(content, 503 if content["status"] == "fail" else 200, health_json.MEDIA_TYPE)

    @offered("GET", "/metrics", scope="metrics", media=METRICS_TYPE)
    async def metrics(self, _: Request, __: Visitor) -> Response:
        """Return the last figures as OpenMetrics text."""
        health = self.glimpse.verdict
        text = "# EOF\n" if health is None else openmetrics.render(health)
        return Response(text, headers={"content-type": METRICS_TYPE})

    @offered("GET", "/api/openapi.json", scope=None, media=JSON)
    async def openapi(self, _: Request, __: Visitor) -> Response:
        """Return this description."""
        return answer(openapi.document(self.endpoints))

    # -- reading

    @offered("GET", "/api/session", gives=shapes.Who)
    async def who(self, _: Request, visitor: Visitor) -> Response:
        """Return who asks, and the CSRF token."""
        session = visitor.session
        return answer(
            shapes.Who(
                user=visitor.user,
                csrf=visitor.csrf,
                expires=None if session is None else session.expires,
                may=visitor.scopes,
                version=version("pytest-flowhealth"),
                target=self.glimpse.target,
                host=platform.node(),
            )
        )

    @offered("GET", "/api/state", gives=shapes.Whole)
    async def state(self, _: Request, __: Visitor) -> Response:
        """Return all that the pages show."""
        whole = self._feed.whole()
        return answer(whole if self.glimpse.alive else doubted(whole))

    @offered("GET", "/api/report", media=JSON, refuses=(404,))
    async def report(self, _: Request, __: Visitor) -> Response:
        """Return the last round's report."""
        if self.glimpse.verdict is None:
            raise Refused(404, "no round has ended yet")
        return answer({"health": self.glimpse.verdict})

    @offered("GET", "/api/metrics", gives=shapes.Metrics, parameters=(PREFIX,), refuses=(503,))
    async def metric_names(self, request: Request, _: Visitor) -> Response:
        """Return the metrics in the history."""
        prefix = request.query_params.get("prefix", "")
        return answer(await self._read(lambda: self._past.metrics(prefix)))

    @offered("GET", "/api/series", gives=shapes.Series, parameters=RANGE, refuses=(400, 503))
    async def series(self, request: Request, _: Visitor) -> Response:
        """Return what a metric was."""
        metric = request.query_params.get("metric", "")
        since, until = moment(request, "since"), moment(request, "until")
        points = count_of(request, "points", 600)
        if not metric or since is None or until is None or until <= since:
            raise Refused(400, "it needs metric, since and until, until after since")
        return answer(await self._read(lambda: self._past.series(metric, since, until, points)))

    @offered("GET", "/api/runs", gives=shapes.Runs, parameters=(LIMIT,), refuses=(400, 503))
    async def runs(self, request: Request, _: Visitor) -> Response:
        """Return the last runs."""
        limit = count_of(request, "limit", 50)
        return answer(await self._read(lambda: self._past.runs(limit)))

    @offered(
        "GET",
        "/api/events",
        gives=shapes.AlertEvents,
        parameters=(SINCE, LIMIT),
        refuses=(400, 503),
    )
    async def events(self, request: Request, _: Visitor) -> Response:
        """Return what became of alerts."""
        since, limit = moment(request, "since") or 0.0, count_of(request, "limit", 50)
        return answer(await self._read(lambda: self._past.events(since, limit)))

    @offered("GET", "/api/hosts", gives=shapes.Hosts, refuses=(503,))
    async def hosts(self, _: Request, __: Visitor) -> Response:
        """Return the hosts and targets that report to this history."""
        return answer(await self._read(lambda: self._past.hosts(self.glimpse.own())))

    # -- changing

    @offered(
        "POST",
        "/api/silences",
        scope="write",
        takes=shapes.NewSilence,
        gives=shapes.Silenced,
        status=201,
        refuses=(400, 409, 413, 503),
    )
    async def silence(self, request: Request, visitor: Visitor) -> Response:
        """Silence some alerts for a while, or plan maintenance windows."""
        given = await body_of(request, shapes.NewSilence)
        if any(begin < time.time() - _LATE for begin in given.begins):
            # It would make an outage of the past a maintenance window.
            raise Refused(400, "a maintenance window can't begin in the past")
        made = await self._read(lambda: self._past.silence(given, visitor.user))
        self._done(request, visitor, "silenced", alert=given.pattern, seconds=given.seconds)
        return answer(made, 201)

    @offered("DELETE", "/api/silences/{id}", scope="write", status=204, refuses=(404, 503))
    async def end_silence(self, request: Request, visitor: Visitor) -> Response:
        """End a silence."""
        name = request.path_params["id"]
        if not await self._read(lambda: self._past.end_silence(name)):
            raise Refused(404, "there is no such silence, or it is one of the configuration")
        self._done(request, visitor, "silence ended", silence=name)
        return nothing()

    @offered(
        "POST",
        "/api/acknowledgements",
        scope="write",
        takes=shapes.Acknowledgement,
        status=204,
        refuses=(400, 404, 413, 503),
    )
    async def acknowledge(self, request: Request, visitor: Visitor) -> Response:
        """Note that somebody takes care of an alert."""
        given = await body_of(request, shapes.Acknowledgement)
        if given.alert not in self.glimpse.firing:
            raise Refused(404, "this alert does not fire")
        await self._read(lambda: self._past.acknowledge(given.alert, visitor.user))
        self._done(request, visitor, "acknowledged", alert=given.alert)
        return nothing()

    @offered(
        "DELETE",
        "/api/acknowledgements",
        scope="write",
        status=204,
        parameters=(("alert", str, None),),
        refuses=(404, 503),
    )
    async def withdraw_acknowledgement(self, request: Request, visitor: Visitor) -> Response:
        """Note that nobody takes care of an alert any more."""
        alert = request.query_params.get("alert", "")
        if not await self._read(lambda: self._past.withdraw_acknowledgement(alert)):
            raise Refused(404, "nobody has acknowledged this alert")
        self._done(request, visitor, "acknowledgement withdrawn", alert=alert)
        return nothing()

    def _done(self, request: Request, visitor: Visitor, what: str, **facts: object) -> None:
        content = {
            name: one_line(value) if isinstance(value, str) else value
            for name, value in facts.items()
        }
        who = {"user": visitor.user, "address": address_of(request)}
        self._remark(MonitorEvent(what, who | content, urgent=True))

    async def _read(self, ask: Callable[[], Result]) -> Result:
        return await read(ask, self._threads)


def doubted(whole: dict[str, Any]) -> dict[str, Any]:
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


async def read(ask: Callable[[], Result], threads: anyio.CapacityLimiter) -> Result:
    """Return what the history answers, asked in one of these threads.

    Raises:
        Refused: It can't be read or written.
    """
    try:
        return await anyio.to_thread.run_sync(ask, limiter=threads)
    except NoHistory as error:
        raise Refused(503, str(error)) from None
    except TooMany as error:
        raise Refused(409, str(error)) from None


def moment(request: Request, name: str) -> float | None:
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
        raise Refused(400, f"{name} must be seconds since 1970")
    return found


def count_of(request: Request, name: str, default: int) -> int:
    """Return a whole number of the query.

    Raises:
        Refused: It is none.
    """
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Refused(400, f"{name} must be a whole number")
    return max(1, min(int(text), 2_000))
