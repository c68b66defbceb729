"""A client of the query API of a Prometheus-compatible server: https://prometheus.io/docs/prometheus/latest/querying/api/ ."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from pytest_flowhealth.domain.metric_names import ENDED, STATUS, STATUSES, WORDS, make_metric_name
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.history.query import POINTS, Point

if TYPE_CHECKING:
    from requests import PreparedRequest

LARGEST = 64 * 2**20
"""Bytes of an answer at the most."""

_LEAST = 1.0

Raw = tuple[dict[str, str], list[tuple[float, float]]]
"""One series as it is kept: its labels, and its samples with their times in seconds since 1970."""


class ReportingHost(msgspec.Struct, frozen=True):
    """A target that has reported; `at` is when its last run ended, in seconds since 1970."""

    host: str
    target: str
    instance: str
    status: str
    at: float | None


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    result: list[_Series]


class _Answer(msgspec.Struct):
    data: _Data


class PromQLClient:
    """A client of one server; after a failed request it sends no more.

    Args:
        url: Its address, as for writing.
        token: For `Authorization: Bearer`.
        timeout: Seconds for one answer.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 10.0) -> None:
        self._base = make_read_url(url)
        self._token = token
        self._timeout = timeout
        self._problem: str | None = None

    def series(
        self,
        metric: str,
        since: float,
        until: float,
        points: int = POINTS,
        labels: dict[str, str] | None = None,
    ) -> list[Point]:
        """Return what a metric was, in base units, in at most about `points` stretches.

        Stretches without values are left out.

        p95 of what is read every second is that of the stretch's values; of rounds, the greatest of
        theirs, which that of all their values does not exceed.

        Args:
            metric: `redis.connect`.
            since: Seconds since 1970; `until` its end.
            until: See `since`.
            points: How many stretches.
            labels: Which host and target.

        Raises:
            MeasurementUnavailable: The server does not answer as it should.
        """
        step = max(_LEAST, round((until - since) / max(1, points), 3))
        found = {
            name: self._query_range(
                _make_figure_query(name, metric, labels or {}, step), since, until, step
            )
            for name in ("mean", "count", "min", "max", "p95")
        }
        return [
            Point(
                at=at - step,
                count=int(found["count"].get(at, 0)),
                min=found["min"].get(at, mean),
                max=found["max"].get(at, mean),
                mean=mean,
                p95=found["p95"].get(at),
            )
            for at, mean in sorted(found["mean"].items())
        ]

    def list_hosts(self) -> list[ReportingHost]:
        """Return the hosts and targets that have reported within the last day, with their last status.

        Raises:
            MeasurementUnavailable: The server does not answer as it should.
        """
        words = {float(code): status.value for status, code in STATUSES.items()}
        statuses = self._query_last(STATUS)
        ended = self._query_last(ENDED)
        return [
            ReportingHost(*key, words.get(code, "unknown"), ended.get(key))
            for key, code in sorted(statuses.items())
        ]

    def _query_last(self, name: str) -> dict[tuple[str, str, str], float]:
        """Return the last value of a series by host, target and instance."""
        query = f"max by (host, target, instance) (last_over_time({name}[1d]))"
        labels = ("host", "target", "instance")
        return {
            (*(each.metric.get(label, "") for label in labels),): float(each.value[1])  # type: ignore[misc]
            for each in self._query("query", {"query": query})
            if each.value is not None
        }

    def query_labels(self, query: str) -> list[dict[str, str]]:
        """Return the labels of what a query finds now.

        Raises:
            MeasurementUnavailable: The server does not answer as it should.
        """
        return [series.metric for series in self._query("query", {"query": query})]

    def read_samples(self, chosen: str, until: float, span: float) -> Iterable[Raw]:
        """Yield the series that a selector names, with all samples of the `span` seconds before `until`.

        Raises:
            MeasurementUnavailable: The server does not answer as it should.
        """
        parameters = {"query": make_range(chosen, span), "time": f"{until:.3f}"}
        for series in self._query("query", parameters):
            yield series.metric, [(round(at, 3), float(value)) for at, value in series.values]

    def _query_range(
        self, query: str, since: float, until: float, step: float
    ) -> dict[float, float]:
        # A value is of the stretch before its time.
        parameters = {"query": query, "start": since + step, "end": max(until, since + step)}
        found: dict[float, float] = {}
        for series in self._query("query_range", parameters | {"step": step, "nocache": 1}):
            found |= {float(at): float(value) for at, value in series.values}
        return found

    def _query(self, what: str, parameters: dict[str, Any]) -> list[_Series]:
        content = self._fetch(what, parameters) if self._problem is None else b""
        if self._problem is None:
            try:
                return msgspec.json.decode(content, type=_Answer).data.result
            except (msgspec.DecodeError, ValueError):
                self._problem = "it answered with something else than Prometheus does"
        raise MeasurementUnavailable(f"the server of the history can't be read: {self._problem}")

    def _fetch(self, what: str, parameters: dict[str, Any]) -> bytes:
        import requests

        end = time.monotonic() + self._timeout
        try:
            with requests.get(
                f"{self._base}/api/v1/{what}",
                params=parameters,
                auth=self._authorize if self._token else None,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as answer:
                if answer.status_code != 200:
                    self._problem = f"it answered with HTTP {answer.status_code}"
                    return b""
                content = bytearray()
                for part in answer.iter_content(2**16):
                    content += part
                    if len(content) > LARGEST or time.monotonic() > end:
                        self._problem = "its answer is too large, or takes too long"
                        break
                return bytes(content)
        except requests.Timeout:
            self._problem = "no answer in time"
        except requests.RequestException:
            self._problem = "the connection broke, or was refused"
        return b""

    def _authorize(self, request: PreparedRequest) -> PreparedRequest:
        """Add the token; as an `auth` of its own, or a .netrc would take its place."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def make_read_url(url: str) -> str:
    """Return where a server is asked, of the address that is written to.

    Mimir takes writes at /api/v1/push, and answers below /prometheus, as its documentation has it.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if path.endswith("/api/v1/push"):
        path = f"{path.removesuffix('/api/v1/push')}/prometheus"
    path = re.sub(r"(/api/v1)?/(write|push)$", "", path)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def make_selector(
    metric: str, labels: dict[str, str], statistics: str = ".+", which: str | None = ""
) -> str:
    """Return the PromQL selector of a metric.

    Args:
        metric: `redis.connect`, `http.latency[login]`.
        labels: Which host and target.
        statistics: Which of them, a regular expression; there is one series for each.
        which: None for the metrics of a name's parametrised checks too.
    """
    plain, _, rest = metric.partition("[")
    names = "|".join(sorted({make_metric_name(plain, unit) for unit in WORDS}))
    chosen = [f'__name__=~"{names}"', f'statistic=~"{statistics}"']
    chosen.append(f'component="{_escape(plain.partition(".")[0])}"')
    if which is not None:
        chosen.append(f'parameters="{_escape(rest.removesuffix("]"))}"')
    return join_matchers(chosen, labels)


def join_matchers(chosen: Iterable[str], labels: dict[str, str]) -> str:
    """Return a selector of these matchers and labels."""
    also = (f'{key}="{_escape(value)}"' for key, value in labels.items())
    return "{" + ",".join([*chosen, *also]) + "}"


def make_range(chosen: str, seconds: float) -> str:
    """Return a selector's range; in whole milliseconds, which every server takes."""
    return f"{chosen}[{max(1, round(1_000 * seconds))}ms]"


def _make_figure_query(figure: str, metric: str, labels: dict[str, str], step: float) -> str:
    """Return the query for one figure of a point.

    Of a scalar, and of what is read every second, there is one series; of a series, one a statistic.
    """

    def chosen(statistics: str) -> str:
        return make_range(make_selector(metric, labels, statistics), step)

    if figure == "count":
        # The two kinds together: an absent one counts nothing.
        single = f"sum(count_over_time({chosen('value|last')}))"
        several = f"sum(sum_over_time({chosen('count')}))"
        return f"({single} + {several}) or {single} or {several}"
    if figure == "p95":
        single = f"max(quantile_over_time(0.95, {chosen('value|last')}))"
        return f"max(max_over_time({chosen('p95')})) or {single}"
    function = {"mean": "avg(avg", "min": "min(min", "max": "max(max"}[figure]
    return f"{function}_over_time({chosen(f'value|last|{figure}')}))"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
