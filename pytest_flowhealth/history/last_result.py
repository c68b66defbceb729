"""The last result of a check that has measurements: what it measures, and against which limits."""

from __future__ import annotations

import json
import zlib
from sqlite3 import Connection
from typing import Any

RUNS = 20
"""Runs that are looked through at the most: a check that passed without measuring has nothing to show."""


def last_measured_result(connection: Connection, check: str) -> tuple[float, dict[str, Any]] | None:
    """Return when a check last measured something, and its result as the report has it.

    Raises:
        sqlite3.Error: The history can't be read.
    """
    rows = connection.execute(
        "SELECT r.started, r.report FROM runs r JOIN outcomes o ON o.run = r.id AND o.id = ? "
        "WHERE o.outcome IN ('pass', 'warn') ORDER BY r.started DESC LIMIT ?",
        (check, RUNS),
    )
    for at, report in rows:
        content = json.loads(zlib.decompress(report))
        for result in content.get("health", {}).get("checks", ()):
            if result.get("id") == check and result.get("measurements"):
                return at, result
    return None
