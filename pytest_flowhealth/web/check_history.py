"""What the history knows of one check: its last measurements, what it normally measures, its last rounds."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import msgspec

from pytest_flowhealth.history.query import read_series
from pytest_flowhealth.history.recent_outcomes import read_check_rounds, read_last_measured_result
from pytest_flowhealth.history.run_record import name_metric
from pytest_flowhealth.web import schemas

USUAL_OVER = 7 * 86_400.0
"""Seconds over which what a check normally measures is computed."""


def read_check_history(
    file: sqlite3.Connection, name: str, since: float, until: float, limit: int
) -> schemas.CheckHistory:
    """Return what is known of a check from before; its last `limit` rounds between two times.

    Raises:
        sqlite3.Error: It can't be read.
    """
    last = read_last_measured_result(file, name)
    result = None if last is None else last[1]
    metric, unit = _main_metric(name, result)
    rounds = read_check_rounds(file, name, since, until, limit, metric or "")
    return schemas.CheckHistory(
        id=name,
        measured=None if last is None else last[0],
        result=result,
        usual=[] if result is None else _usual(file, name, result),
        rounds=msgspec.convert(rounds, list[schemas.RoundSummary], from_attributes=True),
        metric=metric,
        unit=unit,
    )


def _main_metric(name: str, result: dict[str, Any] | None) -> tuple[str | None, str | None]:
    """Return the metric of the first limit, or else the first one, and its unit."""
    measured = [] if result is None else result["measurements"]
    if result is None or not measured:
        return None, None
    limited = [limit["measurement"] for limit in result.get("thresholds", ())]
    first = next((found for found in measured if found["name"] in limited), measured[0])
    return name_metric(name, result["component"], first["name"]), first["unit"]


def _usual(file: sqlite3.Connection, name: str, result: dict[str, Any]) -> list[schemas.UsualRange]:
    now = time.time()
    found = []
    for measurement in result["measurements"]:
        metric = name_metric(name, result["component"], measurement["name"])
        points = read_series(file, metric, now - USUAL_OVER, now, 1)
        total = sum(point.count for point in points)
        mean = sum(point.mean * point.count for point in points) / total if total else None
        least = min((point.min for point in points), default=None)
        greatest = max((point.max for point in points), default=None)
        found.append(schemas.UsualRange(metric, measurement["unit"], mean, least, greatest))
    return found
