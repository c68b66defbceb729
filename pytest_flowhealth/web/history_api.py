"""The part of the API that answers from the history: rounds, checks, availability, incidents, failures."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pytest_flowhealth.web import schemas
from pytest_flowhealth.web.api import LIMIT, SINCE, parse_count, parse_time, run_query
from pytest_flowhealth.web.authenticator import Principal, RequestError
from pytest_flowhealth.web.history_queries import PERIODS, HistoryQueries
from pytest_flowhealth.web.routes import route

CHECK = (("id", str, None), ("since", float, 0.0), ("until", float, 0.0), LIMIT)
EXPORT = (("format", str, "json"), SINCE)

_READERS = 2
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class HistoryApi:
    """Answers requests from the history.

    Args:
        past: The history.
    """

    def __init__(self, history: HistoryQueries) -> None:
        self._history = history
        self._threads = anyio.CapacityLimiter(_READERS)

    @route("GET", "/api/rounds", parameters=(LIMIT,), refuses=(400, 503))
    async def rounds(self, request: Request, _: Principal) -> schemas.ComponentRounds:
        """Return how the last rounds of each component ended."""
        limit = parse_count(request, "limit", 50)
        return await run_query(lambda: self._history.component_rounds(limit), self._threads)

    @route("GET", "/api/check", parameters=CHECK, refuses=(400, 503))
    async def check(self, request: Request, _: Principal) -> schemas.CheckHistory:
        """Return what is known of a check from before."""
        name = request.query_params.get("id", "")
        if not name:
            raise RequestError(400, "it needs the id of a check")
        since = parse_time(request, "since") or 0.0
        until = parse_time(request, "until") or time.time() + 60.0
        limit = parse_count(request, "limit", 50)
        return await run_query(
            lambda: self._history.check(name, since, until, limit), self._threads
        )

    @route("GET", "/api/availability", refuses=(503,))
    async def availability(self, _: Request, __: Principal) -> schemas.Availabilities:
        """Return the availability of each component."""
        return await run_query(self._history.availability, self._threads)

    @route("GET", "/api/incidents", parameters=(SINCE,), refuses=(400, 503))
    async def incidents(self, request: Request, _: Principal) -> schemas.Incidents:
        """Return the incidents since a time, 90 days by default."""
        since = parse_time(request, "since") or time.time() - PERIODS["90d"]
        return await run_query(lambda: self._history.incidents(since), self._threads)

    @route(
        "GET",
        "/api/failed-periods",
        parameters=CHECK[:3],
        refuses=(400, 503),
    )
    async def failed_periods(self, request: Request, _: Principal) -> schemas.FailedPeriods:
        """Return when a check failed or was unknown."""
        name = request.query_params.get("id", "")
        since, until = parse_time(request, "since"), parse_time(request, "until")
        if not name or since is None or until is None:
            raise RequestError(400, "it needs id, since and until")
        return await run_query(
            lambda: self._history.failed_periods(name, since, until), self._threads
        )

    @route(
        "GET", "/api/export/{what}", media="text/csv", parameters=EXPORT, refuses=(400, 404, 503)
    )
    async def export(self, request: Request, _: Principal) -> Response:
        """Return runs, incidents or availability as a file, CSV or JSON."""
        what, form = request.path_params["what"], request.query_params.get("format", "json")
        since = parse_time(request, "since") or time.time() - PERIODS["90d"]
        if form not in ("csv", "json"):
            raise RequestError(400, "format must be csv or json")
        rows = await run_query(lambda: self._rows(what, since), self._threads)
        content = msgspec.json.encode(rows) if form == "json" else render_csv(rows).encode()
        kind = "application/json" if form == "json" else "text/csv; charset=utf-8"
        disposition = f'attachment; filename="{what}.{form}"'
        return Response(content, media_type=kind, headers={"content-disposition": disposition})

    def _rows(self, what: str, since: float) -> list[dict[str, Any]]:
        if what == "incidents":
            return [msgspec.to_builtins(row) for row in self._history.incidents(since).incidents]
        if what == "runs":
            runs = self._history.runs(2_000).runs
            return [msgspec.to_builtins(row) for row in runs if row.started >= since]
        if what == "availability":
            return [
                {"component": component, "period": name} | msgspec.to_builtins(row)
                for component, periods in self._history.availability().components.items()
                for name, row in periods.items()
            ]
        raise RequestError(404, "there are exports of runs, incidents and availability")


def render_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV; a text that a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
