"""Metric names, labels and values of a run in Prometheus: written, scraped and read back.

By https://prometheus.io/docs/practices/naming/ and OpenMetrics 1.0, values are in base units (seconds,
bytes, ratios), names are in snake_case, and the unit is the end of the name. If a check measures in
another unit, such as ms or %, the label `unit` has it. `promtool check metrics` has no complaint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.measurements import Measurement
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.status import Outcome, Status
from pytest_flowhealth.domain.units import UNITS

PREFIX = "flowhealth"

WORDS = {
    **dict.fromkeys(("s", "ms", "us"), "seconds"),
    **dict.fromkeys(("B", "KiB", "MiB", "GiB", "kB", "MB", "GB"), "bytes"),
    "%": "ratio",
    "1/s": "per_second",
    "B/s": "bytes_per_second",
    "x": "times",
    "fps": "frames_per_second",
    "1": "",
}
"""The word for each unit's base unit."""

_SPELLINGS = {
    "seconds": frozenset(
        [
            "s",
            "sec",
            "secs",
            "second",
            "seconds",
            "ms",
            "msec",
            "milliseconds",
            "us",
            "usec",
            "microseconds",
        ]
    ),
    "bytes": frozenset(
        [
            "b",
            "byte",
            "bytes",
            "kb",
            "kib",
            "mb",
            "mib",
            "gb",
            "gib",
            "kilobytes",
            "megabytes",
            "gigabytes",
        ]
    ),
    "ratio": frozenset(["percent", "percentage", "pct", "ratio"]),
}
"""How the end of a measurement's name may spell its unit; the base unit takes its place."""

_RESERVED = ("_total", "_count", "_sum", "_bucket", "_info", "_created")
"""Endings that have a meaning in Prometheus, and that a gauge must not have."""

_REFUSED = re.compile(
    r"s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d|counter|gauge|histogram|summary|"
    r"minutes|hours|days|weeks|kelvins|fahrenheit|rankine|inches|yards|miles|bits|calories|pounds|ounces|"
    r"(pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega|mibi|mebi|giga|gibi|tera|tebi|peta|pebi)"
    r"(amperes|bytes|bits|celsius|grams|joules|kelvin|meters|metres|moles|seconds|volts)"
)
"""Parts of names that `promtool check metrics` refuses: abbreviated units, other than base units, types."""

STATUSES = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.UNHEALTHY: 2, Status.UNKNOWN: 3}
OUTCOMES = {Outcome.PASS: 0, Outcome.WARN: 1, Outcome.FAIL: 2, Outcome.UNKNOWN: 3}
"""The numbers that stand for them: as exit codes, and as in Nagios."""

STATISTICS = ("count", "min", "max", "mean", "median", "stdev", "p95", "p99")

STATUS = f"{PREFIX}_status"
STATE = f"{PREFIX}_state"
DURATION = f"{PREFIX}_round_duration_seconds"
ENDED = f"{PREFIX}_last_round_timestamp_seconds"
COMPONENT = f"{PREFIX}_component_status"
CHECK = f"{PREFIX}_check_status"
INFO = f"{PREFIX}_target_info"

HELP = {
    STATUS: "The verdict: 0 healthy, 1 degraded, 2 unhealthy, 3 unknown.",
    STATE: "The verdict: 1 for the status that holds, 0 for the others.",
    DURATION: "How long the run took.",
    ENDED: "When the run ended, in seconds since 1970.",
    COMPONENT: "A component: 0 healthy, 1 degraded, 2 unhealthy, 3 unknown; absent where all was skipped.",
    CHECK: "A check: 0 pass, 1 warn, 2 fail, 3 unknown; absent where it was skipped.",
    INFO: "Which version was looked at, and on what kind of machine.",
}
"""The help texts of the metrics of every run."""

Labels = tuple[tuple[str, str], ...]


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value of one series: `at` in seconds since 1970."""

    name: str
    labels: Labels
    value: float
    at: float


def make_origin_labels(host: str, target: str, instance: str) -> Labels:
    """Return the labels of the origin: host, target and instance."""
    return (("host", host), ("target", target), ("instance", instance))


def find_origin_labels(health: Report) -> Labels:
    """Return the labels that say where a run is from; a target without a name has its folder's."""
    target = health.target.name or PurePath(health.target.path).name
    instance = health.target.instance or f"{health.host.name}:{health.target.path}"
    return make_origin_labels(health.host.name, target, instance)


def iterate_samples(
    health: Report, where: Labels, fingerprint: str | None = None
) -> Iterator[Sample]:
    """Yield what a run found, each series once: its verdict, its checks' outcomes, what they measured.

    Args:
        health: The run; its samples are of its end.
        where: Labels as `make_origin_labels` returns them.
        fingerprint: Of the machine and the target (history/fingerprint.py), where it is known.
    """
    at = health.started.timestamp() + health.duration
    seen: set[tuple[str, Labels]] = set()
    for name, labels, value in _iterate_verdict(health, fingerprint, at):
        yield Sample(name, (*where, *labels), value, at)
    for check in health.checks:
        for name, labels, value in _iterate_measurements(check):
            # Two checks that measured the same: the first counts, as everywhere.
            if (name, labels) not in seen:
                seen.add((name, labels))
                yield Sample(name, (*where, *labels), value, at)


def iterate_second_samples(
    values: Mapping[str, tuple[float, str]], at: float, where: Labels
) -> Iterator[Sample]:
    """Yield the samples of one second: `values` are each metric's value and unit."""
    for metric, (value, unit) in values.items():
        labels = make_labels(metric, metric.partition(".")[0], "last", unit)
        yield Sample(
            make_metric_name(metric, unit), (*where, *labels), to_base(value, unit, "last"), at
        )


def scale_of(unit: str) -> float:
    """Return how many base units (seconds, bytes, ratios) a unit has; 1 for units of other kinds."""
    if unit == "%":
        return 0.01
    return UNITS[unit].factor if WORDS.get(unit) in ("seconds", "bytes") else 1.0


def to_base(value: float, unit: str, statistic: str) -> float:
    """Return a statistic of a series, or a value, in the base unit; a count has no unit."""
    return value if statistic == "count" else value * scale_of(unit)


def from_base(value: float, unit: str, statistic: str) -> float:
    """Return what `to_base` was given, to 15 digits: 0.07 of a ratio is 7 %, not 7.000000000000001 %."""
    return value if statistic == "count" else float(f"{value / scale_of(unit):.15g}")


def make_metric_name(metric: str, unit: str) -> str:
    """Return the name of a metric: `redis.connect` in ms is flowhealth_redis_connect_seconds.

    Endings that stand for other kinds of metrics (`_count`, `_total`) are followed by `_value`. A part that
    Prometheus' linter refuses is joined to its neighbour: `app.queue_b` is flowhealth_app_queueb.
    """
    plain = re.sub(r"[^A-Za-z0-9_]", "_", metric.partition("[")[0])
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()
    word = WORDS.get(unit, "")
    stem, _, last = plain.rpartition("_")
    if stem.count("_") and (last == word or last in _SPELLINGS.get(word, ())):
        plain = stem
    plain = _join_refused(plain)
    plain += f"_{word}" if word and not plain.endswith(f"_{word}") else ""
    plain += "_value" if plain.endswith(_RESERVED) else ""
    name = f"{PREFIX}_{plain}"
    return f"{PREFIX}_measured_{plain}" if name in HELP else name


def _join_refused(name: str) -> str:
    """Return a name without parts that Prometheus' linter refuses: each is joined to a neighbour."""
    parts: list[str] = []
    for part in name.split("_"):
        if parts and (_REFUSED.fullmatch(part) or _REFUSED.fullmatch(parts[-1])):
            parts[-1] += part
        else:
            parts.append(part)
    if _REFUSED.fullmatch(parts[-1]):
        parts[-1] += "value"
    return "_".join(parts)


def find_unit_word(name: str) -> str:
    """Return the word of the unit that a name ends with; empty for none."""
    words = sorted(filter(None, WORDS.values()), key=len, reverse=True)
    return next((word for word in words if name.endswith(f"_{word}")), "")


def make_labels(metric: str, component: str, statistic: str, unit: str) -> Labels:
    """Return the labels of a figure, besides those of the host and the target."""
    _, bracket, which = metric.partition("[")
    found = (("component", component), ("statistic", statistic))
    scaled = () if scale_of(unit) == 1 else (("unit", unit),)
    return (*found, *scaled, *((("parameters", which.removesuffix("]")),) if bracket else ()))


def iterate_statistics(measurement: Measurement) -> Iterator[tuple[str, float]]:
    """Yield what was measured, by statistic: `value` of a scalar; nothing where nothing was."""
    if measurement.value is not None:
        yield "value", measurement.value
    if measurement.stats is not None:
        for name in STATISTICS:
            value = getattr(measurement.stats, name)
            if value is not None:
                yield name, float(value)


def _iterate_verdict(
    health: Report, fingerprint: str | None, at: float
) -> Iterator[tuple[str, Labels, float]]:
    yield STATUS, (), STATUSES[health.status]
    yield DURATION, (), health.duration
    yield ENDED, (), at
    known = (("version", health.target.version), ("fingerprint", fingerprint))
    yield INFO, tuple((key, value) for key, value in known if value), 1.0
    for name, component in health.components.items():
        if component.status is not None:
            yield COMPONENT, (("component", name),), STATUSES[component.status]
    for check in health.checks:
        if check.outcome is not Outcome.SKIP:
            named = (("component", check.component), ("check", check.id))
            yield CHECK, named, OUTCOMES[check.outcome]


def _iterate_measurements(check: CheckResult) -> Iterator[tuple[str, Labels, float]]:
    _, bracket, which = check.id.partition("[")
    for measurement in check.measurements:
        metric = f"{check.component}.{measurement.name}"
        for statistic, value in iterate_statistics(measurement):
            labels = make_labels(
                f"{metric}{bracket}{which}", check.component, statistic, measurement.unit
            )
            yield (
                make_metric_name(metric, measurement.unit),
                labels,
                to_base(value, measurement.unit, statistic),
            )
