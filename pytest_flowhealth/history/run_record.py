"""The record of one run in the history, also as it is spooled."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

MOST_SAMPLES = 10_000
"""Samples of one series that are kept; of a longer one, evenly spaced ones."""


class MeasurementRecord(msgspec.Struct, frozen=True):
    """One measurement: `name` as `name_metric` makes it, all samples of a series."""

    name: str
    unit: str
    samples: tuple[float, ...]


class OutcomeRecord(msgspec.Struct, frozen=True):
    """How one check ended; `duration` in seconds."""

    id: str
    component: str
    outcome: str
    duration: float
    message: str


class RunRecord(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        uid: Its unique id; a record that comes twice is stored once.
        started: Seconds since 1970, UTC; `duration` in seconds.
        status: Of the run.
        target, version, instance: The application, and which checkout of it.
        fingerprint: The machine and the target, see fingerprint.py.
        report: The whole report, as JSON, compressed.
    """

    uid: str
    started: float
    duration: float
    status: str
    target: str | None
    version: str | None
    fingerprint: str
    outcomes: tuple[OutcomeRecord, ...]
    taken: tuple[MeasurementRecord, ...]
    report: bytes
    instance: str | None = None


def make_run_record(
    health: Any, report: bytes, samples: Mapping[str, tuple[float, ...]], fingerprint: str, uid: str
) -> RunRecord:
    """Return the record of a run.

    Args:
        health: The report's `domain.report.Report`.
        report: The whole report as JSON.
        samples: The samples of each series by its metric's name; for one that is not there, its
            median stands, which is all that is known.
        fingerprint: Of the machine and the target.
        uid: The run's own name.
    """
    taken: dict[str, MeasurementRecord] = {}
    for check in health.checks:
        for measurement in check.measurements:
            name = name_metric(check.id, check.component, measurement.name)
            value = measurement.value if measurement.stats is None else measurement.stats.median
            if value is not None and name not in taken:
                taken[name] = MeasurementRecord(
                    name, measurement.unit, downsample(samples.get(name) or (value,))
                )
    return RunRecord(
        uid=uid,
        started=health.started.timestamp(),
        duration=health.duration,
        status=health.status.value,
        target=health.target.name,
        version=health.target.version,
        fingerprint=fingerprint,
        outcomes=tuple(
            OutcomeRecord(
                check.id, check.component, check.outcome.value, check.duration, check.message
            )
            for check in health.checks
        ),
        taken=tuple(taken.values()),
        report=zlib.compress(report),
        instance=health.target.instance,
    )


def name_metric(check: str, component: str, measurement: str) -> str:
    """Return the metric name of a check's measurement: `redis.command`, `http.latency[login]`.

    The checks that one parametrised function makes measure under the same names; what is in the
    brackets of their ids keeps them apart.
    """
    brackets = check[check.index("[") :] if "[" in check else ""
    return f"{component}.{measurement}{brackets}"


def downsample(samples: tuple[float, ...], most: int = MOST_SAMPLES) -> tuple[float, ...]:
    """Return `samples`, or `most` of them at even distances."""
    if len(samples) <= most:
        return samples
    return tuple(samples[index * len(samples) // most] for index in range(most))
