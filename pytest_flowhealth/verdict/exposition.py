"""What our measurements are called in Prometheus, and which labels they have.

Names by https://prometheus.io/docs/practices/naming/ and OpenMetrics 1.0: the unit is the end of the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from pytest_flowhealth.verdict.measurement import Measurement
from pytest_flowhealth.verdict.status import Outcome, Status

PREFIX = "flowhealth"

WORDS = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "B": "bytes",
    "KiB": "kibibytes",
    "MiB": "mebibytes",
    "GiB": "gibibytes",
    "kB": "kilobytes",
    "MB": "megabytes",
    "GB": "gigabytes",
    "%": "percent",
    "1/s": "per_second",
    "B/s": "bytes_per_second",
    "x": "times",
    "fps": "frames_per_second",
    "1": "",
}
"""The word for each of our units (verdict/units.py)."""

STATUSES = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.UNHEALTHY: 2, Status.UNKNOWN: 3}
OUTCOMES = {Outcome.PASS: 0, Outcome.WARN: 1, Outcome.FAIL: 2, Outcome.UNKNOWN: 3}
"""The numbers that stand for them: as exit codes, and as in Nagios."""

STATISTICS = ("count", "min", "max", "mean", "median", "stdev", "p95", "p99")


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value of one series: `at` in seconds since 1970."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    at: float


def name_of(metric: str, unit: str) -> str:
    """Return the name of a metric: `redis.connect` in ms is flowhealth_redis_connect_milliseconds."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", metric.partition("[")[0])
    word = WORDS.get(unit, "")
    if not word or plain.endswith(f"_{word}"):
        return f"{PREFIX}_{plain}"
    return f"{PREFIX}_{plain}_{word}"


def labels_of(metric: str, component: str, statistic: str) -> tuple[tuple[str, str], ...]:
    """Return the labels of a figure, besides those of the host and the target."""
    _, bracket, which = metric.partition("[")
    found = (("component", component), ("statistic", statistic))
    return (*found, ("parameters", which.removesuffix("]"))) if bracket else found


def figures(one: Measurement) -> Iterator[tuple[str, float]]:
    """Yield what was measured, by statistic: `value` of a scalar; nothing where nothing was."""
    if one.value is not None:
        yield "value", one.value
    if one.stats is not None:
        for name in STATISTICS:
            value = getattr(one.stats, name)
            if value is not None:
                yield name, float(value)
