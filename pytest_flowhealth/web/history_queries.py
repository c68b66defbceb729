"""The queries of the pages to the history, which run in threads of their own, and their changes."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from pytest_flowhealth.alerts import store
from pytest_flowhealth.alerts.engine import Event
from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.history.availability import Availability, compute_availabilities, read_rounds
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.history.query import Point
from pytest_flowhealth.history.reader import FileReader, Reader
from pytest_flowhealth.history.recent_outcomes import (
    FailedPeriod,
    RoundOutcome,
    read_component_rounds,
    read_failed_periods,
)
from pytest_flowhealth.history.remote.promql_client import PromQLClient, ReportingHost
from pytest_flowhealth.install_reports import store as reports
from pytest_flowhealth.install_reports.report import FailureGroup
from pytest_flowhealth.install_reports.store import Received, Totals
from pytest_flowhealth.monitor.history_writer import HistoryWriter
from pytest_flowhealth.monitor.ring_buffer import Ring
from pytest_flowhealth.web import schemas
from pytest_flowhealth.web.check_history import read_check_history
from pytest_flowhealth.web.history_file import HistoryFile, NoHistory, TooMany
from pytest_flowhealth.web.incidents import list_incidents
from pytest_flowhealth.web.maintenance import (
    PLANNED,
    describe_silence,
    leave_out_maintenance,
    list_windows,
    mark_maintenance,
)

MOST = 2_000
"""Points of a range at the most."""

SILENCES = 200
"""Silences at the same time, at the most: each page is told of all."""

SILENT = 900.0
"""Seconds after a host's last run from which on what it said is no longer believed."""

WEEK = 7 * 86_400.0

PERIODS = {"24h": 86_400.0, "7d": WEEK, "30d": 30 * 86_400.0, "90d": 90 * 86_400.0}
"""Seconds over which availability is computed."""

FRESH = 60.0
"""Seconds for which a computed availability is served."""

EVENTS = 10_000
"""Alert events from which incidents are made, at the most."""

SERVER_WAIT = 3.0
"""Seconds to wait for the server that other hosts report to."""

Result = TypeVar("Result")


class HistoryQueries:
    """The history of one target.

    Args:
        location: Where it is.
        writer: Who writes to it.
        ring: The last hour in memory.
        target: The target's configuration.
    """

    def __init__(
        self, location: HistoryLocation, writer: HistoryWriter, ring: Ring, target: Target
    ) -> None:
        self._location = location
        self._file = HistoryFile(location, writer)
        self._ring = ring
        self.target = target
        self._computing = threading.Lock()
        self._availability: tuple[float, schemas.Availabilities] | None = None

    def series(self, metric: str, since: float, until: float, points: int) -> schemas.MetricSeries:
        """Return what a metric was between two times, in at most about so many stretches.

        Raises:
            NoHistory: It can't be read.
        """
        points = max(1, min(points, MOST))
        found = self._recent(metric, since, until, points)
        unit = None
        if found is None:
            found, unit = self._query(lambda reader: _series(reader, metric, since, until, points))
        single = all(point.count == 1 for point in found)
        return schemas.MetricSeries(
            metric=metric,
            unit=unit,
            step=None if single else (until - since) / points,
            at=[round(point.at, 3) for point in found],
            count=[point.count for point in found],
            min=[point.min for point in found],
            max=[point.max for point in found],
            mean=[point.mean for point in found],
            p95=[point.p95 for point in found],
        )

    def _recent(self, metric: str, since: float, until: float, points: int) -> list[Point] | None:
        """Return single seconds from memory, None where it does not reach back or they are too many."""
        known = self._ring.points(metric)
        if not known or known[0][0] > since or until - since > points:
            return None
        return [
            Point(at, 1, value, value, value, None) for at, value in known if since <= at < until
        ]

    def metrics(self, prefix: str) -> schemas.Metrics:
        """Return the metrics whose names begin so.

        Raises:
            NoHistory: It can't be read.
        """
        found: list[tuple[str, str]] = self._file.read(
            lambda file: file.execute("SELECT name, unit FROM metrics ORDER BY name").fetchall(), []
        )
        return schemas.Metrics([schemas.Metric(*row) for row in found if row[0].startswith(prefix)])

    def runs(self, limit: int) -> schemas.Runs:
        """Return the last runs.

        Raises:
            NoHistory: They can't be read.
        """
        found = self._query(lambda reader: reader.runs(limit=limit))
        return schemas.Runs(
            [
                schemas.Run(run.uid, run.started, run.duration, run.status, run.version)
                for run in found
            ]
        )

    def events(self, since: float, limit: int) -> schemas.AlertEvents:
        """Return what became of alerts.

        Raises:
            NoHistory: They can't be read.
        """
        nothing: list[Event] = []
        found = self._file.read(
            lambda file: store.read_events(file, since=since, limit=limit), nothing
        )
        return schemas.AlertEvents(
            [
                schemas.AlertEvent(
                    event.at.timestamp(), event.what, msgspec.to_builtins(event.alert)
                )
                for event in found
            ]
        )

    def component_rounds(self, limit: int) -> schemas.ComponentRounds:
        """Return the last rounds of each component.

        Raises:
            NoHistory: They can't be read.
        """
        since = time.time() - WEEK
        nothing: dict[str, list[RoundOutcome]] = {}
        found = self._file.read(lambda file: read_component_rounds(file, since, limit), nothing)
        rounds = msgspec.convert(found, dict[str, list[schemas.RoundSummary]], from_attributes=True)
        windows = self._windows()
        return schemas.ComponentRounds(
            {
                name: [mark_maintenance(windows, f"{name}.*", round_) for round_ in own]
                for name, own in rounds.items()
            }
        )

    def check(self, name: str, since: float, until: float, limit: int) -> schemas.CheckHistory:
        """Return what is known of a check from before.

        Raises:
            NoHistory: It can't be read.
        """
        found = self._file.read(
            lambda file: read_check_history(file, name, since, until, limit),
            schemas.CheckHistory(name, None, None, [], []),
        )
        windows = self._windows()
        rounds = [mark_maintenance(windows, name, round_) for round_ in found.rounds]
        return msgspec.structs.replace(found, rounds=rounds)

    def failed_periods(self, name: str, since: float, until: float) -> schemas.FailedPeriods:
        """Return when a check failed or was unknown between two times.

        Raises:
            NoHistory: It can't be read.
        """
        nothing: list[FailedPeriod] = []
        found = self._file.read(lambda file: read_failed_periods(file, name, since, until), nothing)
        return msgspec.convert({"periods": found}, schemas.FailedPeriods, from_attributes=True)

    def availability(self) -> schemas.Availabilities:
        """Return the availability of each component; computed at most once a minute.

        Raises:
            NoHistory: It can't be read.
        """
        now = time.time()
        with self._computing:
            if self._availability is None or now - self._availability[0] > FRESH:
                since = now - max(PERIODS.values())
                nothing: dict[str, list[tuple[float, str]]] = {}
                rounds = self._file.read(lambda file: read_rounds(file, since), nothing)
                windows = self._windows()
                rounds = {
                    name: leave_out_maintenance(windows, name, own) for name, own in rounds.items()
                }
                found = {
                    component: {name: _period(period) for name, period in periods.items()}
                    for component, periods in compute_availabilities(rounds, PERIODS, now).items()
                }
                self._availability = (now, schemas.Availabilities(found))
            return self._availability[1]

    def incidents(self, since: float) -> schemas.Incidents:
        """Return the incidents since a time.

        Raises:
            NoHistory: They can't be read.
        """
        nothing: list[schemas.Incident] = []
        found = self._file.read(
            lambda file: list_incidents(
                store.read_events(file, since=since, limit=EVENTS),
                store.read_alerts(file),
                store.read_acknowledged(file),
            ),
            nothing,
        )
        return schemas.Incidents(found)

    def hosts(self, own: schemas.HostStatus) -> schemas.Hosts:
        """Return the hosts and targets that report to the same history; `own` is this one.

        Raises:
            NoHistory: The server does not answer.
        """
        if self._location.server is None:
            return schemas.Hosts([own], "file")
        try:
            found = PromQLClient(
                self._location.server, self._location.token, SERVER_WAIT
            ).list_hosts()
        except MeasurementUnavailable as error:
            raise NoHistory(str(error)) from None
        others = [host for host in found if host.instance != own.instance]
        now = time.time()
        seen = [
            schemas.HostStatus(
                host.host,
                host.target,
                host.instance,
                _find_status(host, now),
                host.at,
                current=False,
            )
            for host in others
        ]
        return schemas.Hosts([own, *seen], "server")

    async def silence(self, new: schemas.NewSilence, author: str) -> schemas.SilenceInfo:
        """Make a silence from now on, or the maintenance windows that were planned; return the first.

        Raises:
            TooMany: There are too many.
            NoHistory: It can't be written.
        """
        now = time.time()
        silences = [
            Silence(
                f"{PLANNED}{secrets.token_hex(4)}" if new.begins else "",
                *(new.pattern, begin, begin + new.seconds, new.reason, author),
            )
            for begin in new.begins or [now]
        ]

        def add(file: sqlite3.Connection) -> list[str]:
            if len(store.read_silences(file, now)) + len(silences) > SILENCES:
                raise TooMany(f"there can be {SILENCES} silences; end some first")
            return [store.save_silence(file, silence) for silence in silences]

        names = await self._file.change(add)
        return describe_silence(msgspec.structs.replace(silences[0], id=names[0]))

    async def end_silence(self, name: str) -> bool:
        """End a silence; tell whether there was one.

        Raises:
            NoHistory: It can't be written.
        """
        return await self._file.change(lambda file: store.end_silence(file, name, time.time()))

    async def acknowledge(self, alert: str, author: str) -> None:
        """Note that somebody takes care of an alert.

        Raises:
            NoHistory: It can't be written.
        """
        await self._file.change(lambda file: store.acknowledge(file, alert, time.time(), author))

    async def withdraw_acknowledgement(self, alert: str) -> bool:
        """Note that nobody takes care of an alert any more; tell whether somebody did.

        Raises:
            NoHistory: It can't be written.
        """
        return await self._file.change(lambda file: store.withdraw_acknowledgement(file, alert))

    def installs(
        self, packages: Sequence[str], since: float, until: float, limit: int
    ) -> tuple[Totals, list[FailureGroup], list[Received]]:
        """Return how installations of packages went, their failures by kind, and the last reports.

        Raises:
            NoHistory: They can't be read.
        """
        nothing: tuple[Totals, list[FailureGroup], list[Received]] = (Totals(0, 0), [], [])
        return self._file.read(
            lambda file: (
                reports.totals(file, packages, since, until),
                reports.kinds(file, since),
                reports.latest(file, since, until, limit),
            ),
            nothing,
        )

    def sealed(self, number: int) -> bytes | None:
        """Return the sealed context of a report, None where there is none.

        Raises:
            NoHistory: It can't be read.
        """
        return self._file.read(lambda file: reports.sealed(file, number), None)

    def newest_sealed(self) -> tuple[bytes | None, int]:
        """Return the newest sealed context, and how many there are.

        Raises:
            NoHistory: They can't be read.
        """
        nothing: tuple[bytes | None, int] = (None, 0)
        return self._file.read(reports.newest_sealed, nothing)

    async def erase_report(self, name: str) -> bool:
        """Erase the report with an id; tell whether there was one.

        Raises:
            NoHistory: It can't be done.
        """
        if not self._location.path.is_file():
            return False
        return await self._file.change(lambda file: reports.erase(file, name))

    def _query(self, ask: Callable[[Reader], Result]) -> Result:
        """Ask the server where there is one and it answers, else the file."""
        # Each time anew: one that did not answer is not asked again.
        server = self._location.reader(self.target)
        if server is not None:
            with contextlib.suppress(MeasurementUnavailable):
                return ask(server)
        nothing: list[Result] = []
        found = self._file.read(lambda file: [ask(FileReader(file))], nothing)
        if not found:
            raise NoHistory("there is no history yet")
        return found[0]

    def _windows(self) -> list[Silence]:
        """Return all maintenance windows."""
        nothing: list[Silence] = []
        made = self._file.read(lambda file: store.read_silences(file, 0.0), nothing)
        return list_windows(made, self.target.config.silences)


def _period(availability: Availability) -> schemas.Period:
    return schemas.Period(
        availability.share,
        availability.healthy,
        availability.degraded,
        availability.unhealthy,
        availability.unmeasured,
    )


def _find_status(host: ReportingHost, now: float) -> str:
    """Return a host's status, which is not known any more where it has been silent for too long."""
    silent = host.at is None or now - host.at > SILENT
    return Status.UNKNOWN.value if silent else host.status


def _series(
    reader: Reader, metric: str, since: float, until: float, points: int
) -> tuple[list[Point], str | None]:
    plain = metric.partition("[")[0]
    unit = dict(reader.metrics(plain)).get(metric)
    return reader.series(metric, since, until, points), unit
