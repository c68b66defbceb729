"""Reading back from a Prometheus-compatible server: ranges of a metric, as query.py has them."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pytest_flowhealth.errors import Unmeasured
from pytest_flowhealth.history.query import POINTS, Point
from pytest_flowhealth.verdict.exposition import PREFIX, WORDS

_TIMEOUT = 10.0
_LEAST = 1.0


class PromQL:
    """A server that is asked.

    Args:
        url: Its address, as for writing.
        token: For `Authorization: Bearer`.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        path = re.sub(r"(/api/v1)?/(write|push)$", "", parts.path.rstrip("/"))
        self._base = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def series(
        self,
        metric: str,
        since: float,
        until: float,
        points: int = POINTS,
        labels: dict[str, str] | None = None,
    ) -> list[Point]:
        """Return what a metric was, in at most about `points` stretches; those without values left out.

        Args:
            metric: `redis.connect`.
            since: Seconds since 1970; `until` its end.
            until: See `since`.
            points: How many stretches.
            labels: Which host and target.

        Raises:
            Unmeasured: The server does not answer as it should.
        """
        step = max(_LEAST, (until - since) / max(1, points))
        chosen = selector(metric, labels or {})
        found: dict[str, dict[float, float]] = {}
        for name, function in {
            "count": "sum(count_over_time",
            "min": "min(min_over_time",
            "max": "max(max_over_time",
            "mean": "avg(avg_over_time",
            "p95": "max(quantile_over_time",
        }.items():
            inner = f"0.95, {chosen['p95']}" if name == "p95" else chosen[name]
            found[name] = self._range(f"{function}({inner}[{round(1_000 * step)}ms]))", (since, until), step)
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

    def hosts(self) -> list[dict[str, str]]:
        """Return the hosts and targets that have reported within the last day.

        Raises:
            Unmeasured: The server does not answer as it should.
        """
        query = f"max by (host, target) (last_over_time({PREFIX}_status[1d]))"
        return [dict(one["metric"]) for one in self._asked("query", {"query": query})]

    def _range(self, query: str, times: tuple[float, float], step: float) -> dict[float, float]:
        asked = {"query": query, "start": times[0], "end": times[1], "step": step}
        found: dict[float, float] = defaultdict(float)
        for one in self._asked("query_range", asked):
            for at, value in one["values"]:
                found[float(at)] = float(value)
        return dict(found)

    def _asked(self, what: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        import requests

        try:
            answer = requests.get(
                f"{self._base}/api/v1/{what}",
                params=parameters,
                headers=self._headers,
                timeout=_TIMEOUT,
            )
            if not answer.ok:
                raise Unmeasured(
                    f"the server of the history answered with HTTP {answer.status_code}"
                )
            found = answer.json()["data"]["result"]
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            kind = type(error).__name__
            raise Unmeasured(f"the server of the history does not answer: {kind}") from None
        return list(found)


def selector(metric: str, labels: dict[str, str]) -> dict[str, str]:
    """Return the PromQL selectors of a metric, by the figure that is asked for.

    Of a scalar, and of what is read every second, there is one series; of a series, one a statistic.
    """
    words = "|".join(sorted({f"_{word}" for word in WORDS.values() if word}))
    name = re.sub(r"[^A-Za-z0-9_]", "_", metric.partition("[")[0])
    chosen = [f'__name__=~"{PREFIX}_{name}({words})?"']
    chosen += [f'{key}="{_quoted(value)}"' for key, value in labels.items()]
    _, bracket, which = metric.partition("[")
    if bracket:
        chosen.append(f'parameters="{_quoted(which.removesuffix("]"))}"')
    statistics = {
        "count": "value|last|median",
        "min": "value|last|min",
        "max": "value|last|max",
        "mean": "value|last|mean",
        "p95": "value|last|p95",
    }
    return {
        key: "{" + ",".join([*chosen, f'statistic=~"{names}"']) + "}"
        for key, names in statistics.items()
    }


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
