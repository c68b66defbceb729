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

from pytest_flowhealth.web import shapes
from pytest_flowhealth.web.answers import answer
from pytest_flowhealth.web.api import LIMIT, SINCE, count_of, moment, read
from pytest_flowhealth.web.endpoint import offered
from pytest_flowhealth.web.past import PERIODS, Past
from pytest_flowhealth.web.visitors import Refused, Visitor

CHECK = (("id", str, None), ("since", float, 0.0), ("until", float, 0.0), LIMIT)
EXPORT = (("format", str, "json"), SINCE)

_READERS = 2
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class HistoryApi:
    """Answers requests from the history.

    Args:
        past: The history.
    """

    def __init__(self, past: Past) -> None:
        self._past = past
        self._threads = anyio.CapacityLimiter(_READERS)

    @offered(
        "GET", "/api/rounds", gives=shapes.ComponentRounds, parameters=(LIMIT,), refuses=(400, 503)
    )
    async def rounds(self, request: Request, _: Visitor) -> Response:
        """Return how the last rounds of each component ended."""
        limit = count_of(request, "limit", 50)
        return answer(await read(lambda: self._past.component_rounds(limit), self._threads))

    @offered("GET", "/api/check", gives=shapes.CheckHistory, parameters=CHECK, refuses=(400, 503))
    async def check(self, request: Request, _: Visitor) -> Response:
        """Return what is known of a check from before."""
        name = request.query_params.get("id", "")
        if not name:
            raise Refused(400, "it needs the id of a check")
        since = moment(request, "since") or 0.0
        until = moment(request, "until") or time.time() + 60.0
        limit = count_of(request, "limit", 50)
        return answer(
            await read(lambda: self._past.check(name, since, until, limit), self._threads)
        )

    @offered("GET", "/api/availability", gives=shapes.Availabilities, refuses=(503,))
    async def availability(self, _: Request, __: Visitor) -> Response:
        """Return the availability of each component."""
        return answer(await read(self._past.availability, self._threads))

    @offered(
        "GET", "/api/incidents", gives=shapes.Incidents, parameters=(SINCE,), refuses=(400, 503)
    )
    async def incidents(self, request: Request, _: Visitor) -> Response:
        """Return the incidents since a time, 90 days by default."""
        since = moment(request, "since") or time.time() - PERIODS["90d"]
        return answer(await read(lambda: self._past.incidents(since), self._threads))

    @offered(
        "GET",
        "/api/failed-periods",
        gives=shapes.FailedPeriods,
        parameters=CHECK[:3],
        refuses=(400, 503),
    )
    async def failed_periods(self, request: Request, _: Visitor) -> Response:
        """Return when a check failed or was unknown."""
        name = request.query_params.get("id", "")
        since, until = moment(request, "since"), moment(request, "until")
        if not name or since is None or until is None:
            raise Refused(400, "it needs id, since and until")
        return answer(
            await read(lambda: self._past.failed_periods(name, since, until), self._threads)
        )

    @offered(
        "GET", "/api/export/{what}", media="text/csv", parameters=EXPORT, refuses=(400, 404, 503)
    )
    async def export(self, request: Request, _: Visitor) -> Response:
        """Return runs, incidents or availability as a file, CSV or JSON."""
        what, form = request.path_params["what"], request.query_params.get("format", "json")
        since = moment(request, "since") or time.time() - PERIODS["90d"]
        if form not in ("csv", "json"):
            raise Refused(400, "format must be csv or json")
        rows = await read(lambda: self._rows(what, since), self._threads)
        content = msgspec.json.encode(rows) if form == "json" else render_csv(rows).encode()
        kind = "application/json" if form == "json" else "text/csv; charset=utf-8"
        disposition = f'attachment; filename="{what}.{form}"'
        return Response(content, media_type=kind, headers={"content-disposition": disposition})

    def _rows(self, what: str, since: float) -> list[dict[str, Any]]:
        if what == "incidents":
            return [msgspec.to_builtins(row) for row in self._past.incidents(since).incidents]
        if what == "runs":
            runs = self._past.runs(2_000).runs
            return [msgspec.to_builtins(row) for row in runs if row.started >= since]
        if what == "availability":
            return [
                {"component": component, "period": name} | msgspec.to_builtins(row)
                for component, periods in self._past.availability().components.items()
                for name, row in periods.items()
            ]
        raise Refused(404, "there are exports of runs, incidents and availability")


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
