"""Read a history from a Prometheus-compatible server, as from a file.

The server has each statistic of a series, and not its single samples; it has no reports, and no names
of baselines. A run is known by when it began.
"""

from __future__ import annotations

import calendar
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from pytest_flowhealth.domain.metric_names import (
    DURATION,
    ENDED,
    INFO,
    STATUS,
    STATUSES,
    WORDS,
    find_unit_word,
    from_base,
    make_metric_name,
    scale_of,
)
from pytest_flowhealth.history.query import POINTS, PastMeasurement, Point, RecordedRun
from pytest_flowhealth.history.remote.promql_client import (
    PromQLClient,
    Raw,
    join_matchers,
    make_range,
    make_selector,
)

SPANS = (86_400.0, 7 * 86_400.0, 90 * 86_400.0)
"""How far back the last runs are looked for, one span after the other, until there are enough."""

_STAMP = "%Y%m%dT%H%M%S"
_NEAR = 3.0
_RARELY = 20


class ServerReader:
    """The series that one host and target have written to a server.

    All methods raise MeasurementUnavailable where it does not answer; it is then not asked again.

    Args:
        server: The server.
        host: The label of the host; `target` and `instance` those of the target.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        server: PromQLClient,
        host: str,
        target: str,
        instance: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._server = server
        self._labels = {"host": host, "target": target, "instance": instance}
        self._clock = clock
        self._known: dict[float, list[RecordedRun]] = {}
        self._ends: dict[str, float] = {}

    def series(self, metric: str, since: float, until: float, points: int = POINTS) -> list[Point]:
        """Return what a metric was between two times; p95 is the greatest of its runs'."""
        unit = dict(self.metrics(metric.partition("[")[0])).get(metric, "1")
        found = self._server.series(metric, since, until, points, self._labels)
        return found if scale_of(unit) == 1 else [_scale_point(point, unit) for point in found]

    def past(
        self, metric: str, fingerprint: str, *, limit: int = 50, before: str | None = None
    ) -> list[PastMeasurement]:
        """Return what the last runs of a fingerprint measured, the oldest first."""
        end = self.find_run(before) if before else None
        count, found = 0, list[PastMeasurement]()
        for span in SPANS:
            runs = [
                run
                for run in self._read_runs(span)
                if run.fingerprint == fingerprint and (end is None or run.started < end.started)
            ]
            if len(runs) > count:
                count = len(runs)
                # Not every run measures everything: a component has its own interval.
                found = self._read_measurements(metric, runs[-_RARELY * limit :])
            if len(found) >= limit:
                break
        return found[-limit:]

    def read_run_metric(self, run: str, metric: str) -> PastMeasurement | None:
        """Return what one run measured of a metric."""
        found = self.find_run(run)
        return next(iter(self._read_measurements(metric, [found] if found else [])), None)

    def read_period(self, metric: str, since: float, until: float) -> list[PastMeasurement]:
        """Return what the runs that ended between two times measured, the oldest first."""
        span = self._clock() - since
        runs = [run for run in self._read_runs(span) if since <= self._ends[run.uid] < until]
        return self._read_measurements(metric, runs)

    def metrics(self, name: str) -> list[tuple[str, str]]:
        """Return the metrics of a name, those of its parametrised checks too, each with its unit."""
        chosen = make_range(make_selector(name, self._labels, which=None), SPANS[-1])
        found = self._server.query_labels(
            f"group by (__name__, parameters, unit) (last_over_time({chosen}))"
        )
        return sorted({(_metric(name, labels), _unit(name, labels)) for labels in found})

    def runs(self, *, limit: int = 50, fingerprint: str | None = None) -> list[RecordedRun]:
        """Return the last runs, the newest first."""
        found: list[RecordedRun] = []
        for span in SPANS:
            every = self._read_runs(span)
            found = [run for run in every if fingerprint in (None, run.fingerprint)]
            if len(found) >= limit:
                break
        return found[::-1][:limit]

    def find_run(self, name: str) -> RecordedRun | None:
        """Return the run with an id (its begin is enough), or `latest`."""
        if name == "latest":
            return next(iter(self.runs(limit=1)), None)
        began = _parse_run_id(name)
        for span in SPANS:
            runs = self._read_runs(span)[::-1]
            found = next((run for run in runs if run.uid.startswith(name)), None)
            if found is None and began is not None:
                # The id is of the moment in which the history was opened.
                near = [run for run in runs if abs(run.started - began) <= _NEAR]
                found = min(near, key=lambda run: abs(run.started - began), default=None)
            if found is not None:
                return found
        return None

    def report(self, run: str) -> dict[str, Any] | None:  # noqa: ARG002  # a server has none
        """Return None."""
        return None

    def _read_runs(self, span: float) -> list[RecordedRun]:
        """Return the runs of the last `span` seconds, the oldest first."""
        if span not in self._known:
            values = {name: self._read_values(name, span) for name in (ENDED, DURATION, STATUS)}
            kinds = {
                at: labels
                for labels, samples in self._read_samples(INFO, span)
                for at, _ in samples
            }
            found: dict[str, RecordedRun] = {}
            for at in sorted(values[ENDED].keys() & values[DURATION].keys()):
                run = self._make_run(at, values, kinds.get(at, {}))
                found[run.uid] = run
                self._ends[run.uid] = at
            self._known[span] = sorted(found.values(), key=lambda run: run.started)
        return self._known[span]

    def _make_run(
        self, at: float, values: dict[str, dict[float, float]], kind: dict[str, str]
    ) -> RecordedRun:
        started = values[ENDED][at] - values[DURATION][at]
        status = values[STATUS].get(at)
        return RecordedRun(
            uid=_make_run_id(started),
            started=started,
            duration=values[DURATION][at],
            status=next(
                (word.value for word, code in STATUSES.items() if code == status), "unknown"
            ),
            target=self._labels["target"],
            version=kind.get("version"),
            fingerprint=kind.get("fingerprint", ""),
            baseline=None,
        )

    def _read_values(self, name: str, span: float) -> dict[float, float]:
        return {at: value for _, samples in self._read_samples(name, span) for at, value in samples}

    def _read_samples(self, name: str, span: float) -> Iterable[Raw]:
        chosen = join_matchers([f'__name__="{name}"'], self._labels)
        return self._server.read_samples(chosen, self._clock(), span)

    def _read_measurements(self, metric: str, runs: list[RecordedRun]) -> list[PastMeasurement]:
        """Return what runs, the oldest first, measured of a metric; those without are left out."""
        if not runs:
            return []
        first, last = self._ends[runs[0].uid], self._ends[runs[-1].uid]
        chosen = make_selector(
            metric, self._labels, "value|count|min|max|mean|median|stdev|p95|p99"
        )
        found: dict[float, dict[str, float]] = defaultdict(dict)
        for labels, samples in self._server.read_samples(chosen, last + 1, last - first + 2):
            for at, value in samples:
                statistic = labels.get("statistic", "")
                found[at][statistic] = from_base(value, labels.get("unit", "1"), statistic)
        return [
            past
            for run in runs
            for past in _make_measurement(run, found.get(self._ends[run.uid], {}))
        ]


def _make_measurement(run: RecordedRun, figures: dict[str, float]) -> list[PastMeasurement]:
    value = figures.get("value", figures.get("median"))
    if value is None:
        return []
    statistics = {} if "value" in figures else figures
    return [PastMeasurement(run.uid, run.started, value, (value,), statistics)]


def _make_run_id(started: float) -> str:
    """Return a run's id: of two that began in the same second too, and of one sent twice the same."""
    moment = round(started, 2)
    return f"{time.strftime(_STAMP, time.gmtime(moment))}.{round(moment % 1 * 100):02d}"


def _parse_run_id(name: str) -> float | None:
    """Return the moment that an id tells."""
    if not re.match(r"\d{8}T\d{6}", name):
        return None
    try:
        return float(calendar.timegm(time.strptime(name[:15], _STAMP)))
    except ValueError:
        return None


def _metric(name: str, labels: dict[str, str]) -> str:
    which = labels.get("parameters")
    return f"{name}[{which}]" if which else name


def _unit(name: str, labels: dict[str, str]) -> str:
    """Return the unit of a metric: that of its label, else by how its name ends."""
    units = (unit for unit in WORDS if make_metric_name(name, unit) == labels.get("__name__"))
    word = find_unit_word(labels.get("__name__", ""))
    by_word = next(
        (unit for unit, each in WORDS.items() if each == word and word and scale_of(unit) == 1),
        None,
    )
    return labels.get("unit") or by_word or next(units, "1")


def _scale_point(point: Point, unit: str) -> Point:
    """Return a point of base units in `unit`."""
    return msgspec.structs.replace(
        point,
        min=from_base(point.min, unit, "min"),
        max=from_base(point.max, unit, "max"),
        mean=from_base(point.mean, unit, "mean"),
        p95=None if point.p95 is None else from_base(point.p95, unit, "p95"),
    )
