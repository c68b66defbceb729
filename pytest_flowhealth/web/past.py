"""What the pages ask of the history, in threads of their own; the live part goes on without it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from pytest_flowhealth.alerts import store
from pytest_flowhealth.alerts.engine import Event
from pytest_flowhealth.alerts.outbox import Pending
from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.errors import MeasurementUnavailable, UsageError
from pytest_flowhealth.history.availability import Availability, availabilities, read_rounds
from pytest_flowhealth.history.entry import metric_of
from pytest_flowhealth.history.keeping import asked, opened, said
from pytest_flowhealth.history.last_result import last_measured_result
from pytest_flowhealth.history.place import Place
from pytest_flowhealth.history.query import Point, series
from pytest_flowhealth.history.reader import FileReader, Reader
from pytest_flowhealth.history.recent_outcomes import RoundOutcome, check_rounds, component_rounds
from pytest_flowhealth.history.remote.promql import PromQL, ReportingHost
from pytest_flowhealth.install_reports import store as reports
from pytest_flowhealth.install_reports.report import FailureGroup
from pytest_flowhealth.install_reports.store import Received, Totals
from pytest_flowhealth.monitor.ring import Ring
from pytest_flowhealth.web import shapes
from pytest_flowhealth.web.incidents import list_incidents

WAIT = 3.0
"""Seconds that a change waits for another's write lock."""

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

Result = TypeVar("Result")


class NoHistory(Exception):
    """The history can't be read or written; the message says why."""


class TooMany(Exception):
    """There are so many of them already that another one is not taken."""


class Past:
    """The history of one target.

    Args:
        place: Where it is.
        ring: The last hour in memory.
        target: The target's configuration.
    """

    def __init__(self, place: Place, ring: Ring, target: Target) -> None:
        self._place = place
        self._ring = ring
        self._target = target
        self._computing = threading.Lock()
        self._availability: tuple[float, shapes.Availabilities] | None = None

    def series(self, metric: str, since: float, until: float, points: int) -> shapes.Series:
        """Return what a metric was between two times, in at most about so many stretches.

        Raises:
            NoHistory: It can't be read.
        """
        points = max(1, min(points, MOST))
        found = self._recent(metric, since, until, points)
        unit = None
        if found is None:
            found, unit = self._asked(lambda reader: _series(reader, metric, since, until, points))
        single = all(one.count == 1 for one in found)
        return shapes.Series(
            metric=metric,
            unit=unit,
            step=None if single else (until - since) / points,
            at=[round(one.at, 3) for one in found],
            count=[one.count for one in found],
            min=[one.min for one in found],
            max=[one.max for one in found],
            mean=[one.mean for one in found],
            p95=[one.p95 for one in found],
        )

    def _recent(self, metric: str, since: float, until: float, points: int) -> list[Point] | None:
        """Return single seconds from memory, None where it does not reach back or they are too many."""
        known = self._ring.points(metric)
        if not known or known[0][0] > since or until - since > points:
            return None
        return [
            Point(at, 1, value, value, value, None) for at, value in known if since <= at < until
        ]

    def metrics(self, prefix: str) -> shapes.Metrics:
        """Return the metrics whose names begin so.

        Raises:
            NoHistory: It can't be read.
        """
        found: list[tuple[str, str]] = self._in_file(
            lambda file: file.execute("SELECT name, unit FROM metrics ORDER BY name").fetchall(), []
        )
        return shapes.Metrics([shapes.Metric(*row) for row in found if row[0].startswith(prefix)])

    def runs(self, limit: int) -> shapes.Runs:
        """Return the last runs.

        Raises:
            NoHistory: They can't be read.
        """
        found = self._asked(lambda reader: reader.runs(limit=limit))
        return shapes.Runs(
            [
                shapes.Run(one.uid, one.started, one.duration, one.status, one.version)
                for one in found
            ]
        )

    def events(self, since: float, limit: int) -> shapes.AlertEvents:
        """Return what became of alerts.

        Raises:
            NoHistory: They can't be read.
        """
        nothing: list[Event] = []
        found = self._in_file(lambda file: store.events(file, since=since, limit=limit), nothing)
        return shapes.AlertEvents(
            [
                shapes.AlertEvent(one.at.timestamp(), one.what, msgspec.to_builtins(one.alert))
                for one in found
            ]
        )

    def component_rounds(self, limit: int) -> shapes.ComponentRounds:
        """Return the last rounds of each component.

        Raises:
            NoHistory: They can't be read.
        """
        since = time.time() - WEEK
        nothing: dict[str, list[RoundOutcome]] = {}
        found = self._in_file(lambda file: component_rounds(file, since, limit), nothing)
        return msgspec.convert({"components": found}, shapes.ComponentRounds, from_attributes=True)

    def check(self, name: str, since: float, until: float, limit: int) -> shapes.CheckHistory:
        """Return what is known of a check from before.

        Raises:
            NoHistory: It can't be read.
        """
        now = time.time()

        def read(file: sqlite3.Connection) -> shapes.CheckHistory:
            last = last_measured_result(file, name)
            usual = []
            for one in () if last is None else last[1]["measurements"]:
                metric = metric_of(name, last[1]["component"], one["name"]) if last else ""
                points = series(file, metric, now - WEEK, now, 1)
                total = sum(point.count for point in points)
                usual.append(
                    shapes.Usual(
                        metric=metric,
                        unit=one["unit"],
                        mean=sum(point.mean * point.count for point in points) / total
                        if total
                        else None,
                        min=min((point.min for point in points), default=None),
                        max=max((point.max for point in points), default=None),
                    )
                )
            rounds = check_rounds(file, name, since, until, limit)
            return shapes.CheckHistory(
                id=name,
                measured=None if last is None else last[0],
                result=None if last is None else last[1],
                usual=usual,
                rounds=msgspec.convert(rounds, list[shapes.Round], from_attributes=True),
            )

        return self._in_file(read, shapes.CheckHistory(name, None, None, [], []))

    def availability(self) -> shapes.Availabilities:
        """Return the availability of each component; computed at most once a minute.

        Raises:
            NoHistory: It can't be read.
        """
        now = time.time()
        with self._computing:
            if self._availability is None or now - self._availability[0] > FRESH:
                since = now - max(PERIODS.values())
                nothing: dict[str, list[tuple[float, str]]] = {}
                rounds = self._in_file(lambda file: read_rounds(file, since), nothing)
                found = {
                    component: {name: _period(one) for name, one in periods.items()}
                    for component, periods in availabilities(rounds, PERIODS, now).items()
                }
                self._availability = (now, shapes.Availabilities(found))
            return self._availability[1]

    def incidents(self, since: float) -> shapes.Incidents:
        """Return the incidents since a time.

        Raises:
            NoHistory: They can't be read.
        """
        nothing: list[shapes.Incident] = []
        found = self._in_file(
            lambda file: list_incidents(
                store.events(file, since=since, limit=EVENTS),
                store.alerts(file),
                store.acknowledged(file),
            ),
            nothing,
        )
        return shapes.Incidents(found)

    def deliveries(self) -> shapes.Deliveries:
        """Return which receivers take messages.

        Raises:
            NoHistory: It can't be read.
        """
        nothing: list[Pending] = []
        pending = self._in_file(store.outbox, nothing)
        found = []
        for receiver in self._target.config.receivers:
            own = [one for one in pending if one.message.receiver == receiver.name]
            failing = [one for one in own if one.attempts]
            found.append(
                shapes.Delivery(
                    name=receiver.name,
                    type=receiver.type,
                    external=receiver.type not in ("console", "log"),
                    failing=bool(failing),
                    since=min((one.message.at.timestamp() for one in failing), default=None),
                    waiting=len(own),
                )
            )
        return shapes.Deliveries(found)

    def hosts(self, own: shapes.HostSeen) -> shapes.Hosts:
        """Return the hosts and targets that report to the same history; `own` is this one.

        Raises:
            NoHistory: The server does not answer.
        """
        if self._place.server is None:
            return shapes.Hosts([own], "file")
        try:
            found = PromQL(self._place.server, self._place.token, WAIT).hosts()
        except MeasurementUnavailable as error:
            raise NoHistory(str(error)) from None
        others = [one for one in found if one.instance != own.instance]
        now = time.time()
        seen = [
            shapes.HostSeen(
                one.host, one.target, one.instance, _still(one, now), one.at, current=False
            )
            for one in others
        ]
        return shapes.Hosts([own, *seen], "server")

    def silence(self, asked_for: shapes.NewSilence, author: str) -> shapes.Silenced:
        """Keep a silence from now on.

        Raises:
            TooMany: There are too many.
            NoHistory: It can't be written.
        """
        now = time.time()
        one = Silence("", asked_for.pattern, now, now + asked_for.seconds, asked_for.reason, author)

        def keep(file: sqlite3.Connection) -> str:
            if len(store.silences(file, now)) >= SILENCES:
                raise TooMany(f"there are {SILENCES} silences already; end some first")
            return store.silence(file, one)

        name = self._change(keep)
        return shapes.Silenced(name, one.pattern, one.begins, one.ends, one.reason, one.author)

    def end_silence(self, name: str) -> bool:
        """End a silence; tell whether there was one.

        Raises:
            NoHistory: It can't be written.
        """
        return self._change(lambda file: store.end_silence(file, name, time.time()))

    def acknowledge(self, alert: str, author: str) -> None:
        """Note that somebody takes care of an alert.

        Raises:
            NoHistory: It can't be written.
        """
        self._change(lambda file: store.acknowledge(file, alert, time.time(), author))

    def installs(
        self, packages: Sequence[str], since: float, until: float, limit: int
    ) -> tuple[Totals, list[FailureGroup], list[Received]]:
        """Return how installations of packages went, their failures by kind, and the last reports.

        Raises:
            NoHistory: They can't be read.
        """
        nothing: tuple[Totals, list[FailureGroup], list[Received]] = (Totals(0, 0), [], [])
        return self._in_file(
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
        return self._in_file(lambda file: reports.sealed(file, number), None)

    def newest_sealed(self) -> tuple[bytes | None, int]:
        """Return the newest sealed context, and how many there are.

        Raises:
            NoHistory: They can't be read.
        """
        nothing: tuple[bytes | None, int] = (None, 0)
        return self._in_file(reports.newest_sealed, nothing)

    def erase_report(self, name: str) -> bool:
        """Erase the report with an id; tell whether there was one.

        Raises:
            NoHistory: It can't be done.
        """
        if not self._place.path.is_file():
            return False
        return self._change(lambda file: reports.erase(file, name))

    def _asked(self, ask: Callable[[Reader], Result]) -> Result:
        """Ask the server where there is one and it answers, else the file."""
        # Each time anew: one that did not answer is not asked again.
        server = self._place.reader(self._target)
        if server is not None:
            with contextlib.suppress(MeasurementUnavailable):
                return ask(server)
        nothing: list[Result] = []
        found = self._in_file(lambda file: [ask(FileReader(file))], nothing)
        if not found:
            raise NoHistory("there is no history yet")
        return found[0]

    def _in_file(self, ask: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        if not self._place.path.is_file():
            raise NoHistory(
                f"there is no history {self._place.path.name}: nothing was kept yet, or it is gone"
            )
        found, problem = asked(self._place.path, ask, otherwise)
        if problem is not None:
            raise NoHistory(f"the history can't be read: {problem}")
        return found

    def _change(self, do: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            with opened(self._place.path, WAIT) as file:
                return do(file)
        except sqlite3.Error as error:
            raise NoHistory(f"the history can't be written: {said(error)}") from None
        except (UsageError, OSError) as error:
            raise NoHistory(f"the history can't be written: {error}") from None


def _period(one: Availability) -> shapes.Period:
    return shapes.Period(one.share, one.healthy, one.degraded, one.unhealthy, one.unmeasured)


def _still(one: ReportingHost, now: float) -> str:
    """Return a host's status, which is not known any more where it has been silent for too long."""
    silent = one.at is None or now - one.at > SILENT
    return Status.UNKNOWN.value if silent else one.status


def _series(
    reader: Reader, metric: str, since: float, until: float, points: int
) -> tuple[list[Point], str | None]:
    plain = metric.partition("[")[0]
    unit = dict(reader.metrics(plain)).get(metric)
    return reader.series(metric, since, until, points), unit
