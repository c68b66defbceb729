"""Read a history, whether it is a local file or a Prometheus-compatible server."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pytest_flowhealth.history import query
from pytest_flowhealth.history.query import POINTS, PastMeasurement, Point, RecordedRun
from pytest_flowhealth.history.recording import query_history

Result = TypeVar("Result")


class Reader(Protocol):
    """The queries of a history, as in query.py; what a kind of history does not store is absent."""

    def series(self, metric: str, since: float, until: float, points: int = POINTS) -> list[Point]:
        """Return what a metric was between two times, in at most about `points` stretches."""
        ...

    def past(
        self, metric: str, fingerprint: str, *, limit: int = 50, before: str | None = None
    ) -> list[PastMeasurement]:
        """Return what the last runs of a fingerprint measured, the oldest first."""
        ...

    def read_run_metric(self, run: str, metric: str) -> PastMeasurement | None:
        """Return what one run measured of a metric."""
        ...

    def read_period(self, metric: str, since: float, until: float) -> list[PastMeasurement]:
        """Return what the runs between two times measured, the oldest first."""
        ...

    def metrics(self, name: str) -> list[tuple[str, str]]:
        """Return the metrics of a name, those of its parametrised checks too, each with its unit."""
        ...

    def runs(self, *, limit: int = 50, fingerprint: str | None = None) -> list[RecordedRun]:
        """Return the last runs, the newest first."""
        ...

    def find_run(self, name: str) -> RecordedRun | None:
        """Return the run with an id (its begin is enough), the name of a baseline, or `latest`."""
        ...

    def report(self, run: str) -> dict[str, Any] | None:
        """Return the report of a run, None where it is not kept."""
        ...


class FileReader:
    """A history in a file: all samples of each series, and the reports.

    All methods raise sqlite3.Error where it can't be read.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._file = connection

    def series(self, metric: str, since: float, until: float, points: int = POINTS) -> list[Point]:
        """Return what a metric was between two times."""
        return query.read_series(self._file, metric, since, until, points)

    def past(
        self, metric: str, fingerprint: str, *, limit: int = 50, before: str | None = None
    ) -> list[PastMeasurement]:
        """Return what the last runs of a fingerprint measured, the oldest first."""
        return query.read_past(self._file, metric, fingerprint, limit=limit, before=before)

    def read_run_metric(self, run: str, metric: str) -> PastMeasurement | None:
        """Return what one run measured of a metric."""
        return query.read_run(self._file, run).get(metric)

    def read_period(self, metric: str, since: float, until: float) -> list[PastMeasurement]:
        """Return what the runs between two times measured, the oldest first."""
        return query.read_period(self._file, metric, since, until)

    def metrics(self, name: str) -> list[tuple[str, str]]:
        """Return the metrics of a name, each with its unit."""
        return query.list_metrics(self._file, name)

    def runs(self, *, limit: int = 50, fingerprint: str | None = None) -> list[RecordedRun]:
        """Return the last runs, the newest first."""
        return query.list_runs(self._file, limit=limit, fingerprint=fingerprint)

    def find_run(self, name: str) -> RecordedRun | None:
        """Return the run of a name."""
        return query.find_run(self._file, name)

    def report(self, run: str) -> dict[str, Any] | None:
        """Return the report of a run."""
        return query.read_report(self._file, run)


def query_reader(
    path: Path, ask: Callable[[Reader], Result], otherwise: Result
) -> tuple[Result, str | None]:
    """Run a query on a history file, as `recording.query_history` does."""
    return query_history(path, lambda connection: ask(FileReader(connection)), otherwise)
