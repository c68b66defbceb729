"""The source prometheus: counters and gauges, from a page of metrics or by PromQL.

The text format: https://prometheus.io/docs/instrumenting/exposition_formats/ (and OpenMetrics,
which is read alike); the API: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.fleet.parsing import ProblemNotes, RecordParser
from pytest_flowhealth.probes.fleet.snapshot import Agents, Snapshot, Tasks
from pytest_flowhealth.probes.fleet.sources.fetch import WebAddress, fetch

FIELDS = ("agents", "busy", "completed", "failed", "active", "waiting", "delayed")
"""What may be read."""

MOST_LINES = 100_000
"""Lines of a page that are read."""

_NAME = re.compile(r"[A-Za-z_:][\w:]*(?=[\s{])", re.ASCII)
_NEVER = "metrics are sums: they tell no single {}"


class Prometheus:
    """Reads metrics.

    Args:
        address: The page of metrics, or the server's base address.
        fields: A metric (``name`` or ``name{label="x"}``) or a query for each field.
        promql: Whether the address is a server's, and the fields are queries.
        now: Seconds since 1970.
        clock: Seconds that only go up.

    Raises:
        CheckFailed: There is no such field, or none at all.
    """

    name = "prometheus"

    def __init__(
        self,
        address: WebAddress,
        fields: Mapping[str, str],
        *,
        promql: bool = False,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        unknown = [name for name in fields if name not in FIELDS]
        if unknown or not fields:
            what = f"has no field {unknown[0][:40]!r}" if unknown else "names no metric"
            raise CheckFailed(f"fleet.fields {what}", remedy=f"the fields are {', '.join(FIELDS)}")
        self.address = address
        self.fields = fields
        self.promql = promql
        self._now = now
        self._clock = clock

    @property
    def place(self) -> str:
        """Where it reads, without user, password and query."""
        return self.address.shown

    def read(self) -> Snapshot:
        """Return what the metrics tell now.

        Raises:
            CheckFailed: There is no whole answer, or it holds no metrics.
        """
        notes = ProblemNotes()
        parser = RecordParser(self._now(), notes)
        values = self._queried(notes) if self.promql else self._read(notes)
        count = {name: _count(values.get(name), name, parser) for name in FIELDS}
        return Snapshot(
            taken=parser.now,
            clock=self._clock(),
            agents=Agents(count["agents"], count["busy"]),
            tasks=Tasks(
                completed=count["completed"],
                failed=count["failed"],
                active=count["active"],
                waiting=count["waiting"],
                delayed=count["delayed"],
                basis="the query's own range" if self.promql else "since the counters began",
            ),
            never=self._never(),
            bad=notes.list_problems(),
        )

    def _never(self) -> dict[str, str]:
        never = {
            "processes": _NEVER.format("process"),
            "heartbeat": _NEVER.format("agent"),
            "working": _NEVER.format("task"),
            "spawn": _NEVER.format("start"),
            "swarms": _NEVER.format("swarm"),
        }
        missing = [name for name in FIELDS if name not in self.fields]
        never |= {name: f"fleet.fields names no `{name}`" for name in missing}
        lacking = [name for name in ("completed", "failed") if name in missing]
        if lacking:
            never["completion"] = never[lacking[0]]
        return never

    def _read(self, notes: ProblemNotes) -> dict[str, float]:
        lines = fetch(self.address).decode("utf-8", "replace").splitlines()[:MOST_LINES]
        if not any(_is_sample(line) for line in lines):
            raise CheckFailed(
                f"{self.place} holds no metrics in the text format",
                remedy="set promql = true in [fleet] where the address is a Prometheus server's",
            )
        found = {}
        for field, metric in self.fields.items():
            wanted = _parse_selector(metric, field)
            values = [
                sample.value
                for sample in _samples(lines, wanted.name, notes)
                if wanted.labels.items() <= sample.labels.items() and math.isfinite(sample.value)
            ]
            if values:
                found[field] = math.fsum(values)
            else:
                notes.add(f"there is no metric {metric} for `{field}`")
        return found

    def _queried(self, notes: ProblemNotes) -> dict[str, float]:
        found = {}
        for field, query in self.fields.items():
            answer = fetch(self.address, "/api/v1/query", {"query": query})
            value = self._value(answer, field, notes)
            if value is not None:
                found[field] = value
        return found

    def _value(self, answer: bytes, field: str, notes: ProblemNotes) -> float | None:
        """Return the sum of an instant vector, or a scalar."""
        body = RecordParser(0, notes).table(answer, f"the answer to the query for `{field}`")
        if body is None:
            raise CheckFailed(f"what answers at {self.place} is no Prometheus server")
        if body.get("status") != "success":
            reason = one_line(str(body.get("error", "no reason")), 200)
            raise CheckFailed(f"the query for `{field}` failed: {reason}")
        data = body.get("data")
        values = [*_results(data if isinstance(data, dict) else {})]
        if not values:
            notes.add(f"the query for `{field}` gives nothing")
        elif None in values:
            notes.add(f"the query for `{field}` gives what is no number")
        else:
            return math.fsum(value for value in values if value is not None)
        return None


def _results(data: Mapping[str, Any]) -> Iterator[float | None]:
    result = data.get("result")
    if data.get("resultType") == "scalar":
        yield _float(result)
    elif data.get("resultType") == "vector" and isinstance(result, list):
        for entry in result[:MOST_LINES]:
            yield _float(entry.get("value") if isinstance(entry, dict) else None)


def _float(pair: object) -> float | None:
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    return _finite(str(pair[1]))


def _samples(lines: list[str], name: str, notes: ProblemNotes) -> Iterator[Any]:
    """Yield the samples of a metric; a line that is not valid is noted."""
    for line in lines:
        match = _NAME.match(line)
        if match and match[0] == name:
            try:
                # OpenMetrics adds exemplars, which are not read.
                yield from _parse(line.partition(" # ")[0])
            except ValueError:
                notes.add(f"a line is no metric: {line[:60]}")


def _is_sample(line: str) -> bool:
    try:
        return _NAME.match(line) is not None and bool(_parse(line.partition(" # ")[0]))
    except ValueError:
        return False


def _parse_selector(metric: str, field: str) -> Any:
    """Return the name and the labels of ``name{label="value"}`` as a sample."""
    try:
        (sample,) = _parse(f"{metric.strip()} 0")
    except ValueError:
        pass
    else:
        return sample
    raise CheckFailed(
        f"fleet.fields.{field} is no metric: {metric[:80]!r}",
        remedy='write it as name or name{label="value"}, or set promql = true',
    )


def _parse(line: str) -> list[Any]:
    """Return the samples in a line of the text format.

    Raises:
        ValueError: It is not valid.
    """
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError:
        raise MeasurementUnavailable(
            "the source prometheus needs prometheus-client: pip install 'pytest-flowhealth[fleet]'"
        ) from None
    return [sample for family in text_string_to_metric_families(line) for sample in family.samples]


def _finite(text: str) -> float | None:
    try:
        number = float(text[:40])
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _count(value: float | None, field: str, parser: RecordParser) -> int | None:
    """Return a whole number; increase() extrapolates, so that its results are rounded."""
    number = parser.number(value, f"`{field}`")
    return None if number is None else round(number)
