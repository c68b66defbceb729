"""Compare a run with the history, and record it there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.domain.checks import CheckResult, unit_suffix
from pytest_flowhealth.domain.measurements import Measurement
from pytest_flowhealth.domain.metric_names import find_origin_labels, iterate_samples
from pytest_flowhealth.domain.report import Document
from pytest_flowhealth.domain.run_history import HistoryEntry, RunComparison, Trend, make_trend
from pytest_flowhealth.domain.statistics import DEFAULT, UnsupportedStatistic, compute
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.domain.thresholds import Better, ThresholdResult
from pytest_flowhealth.errors import FlowHealthError, MeasurementUnavailable, UsageError
from pytest_flowhealth.history.database import require_usable
from pytest_flowhealth.history.fingerprint import fingerprint
from pytest_flowhealth.history.location import HistoryLocation, find_location
from pytest_flowhealth.history.query import PastMeasurement
from pytest_flowhealth.history.reader import Reader, query_reader
from pytest_flowhealth.history.recording import record_run
from pytest_flowhealth.history.regression import FEWEST, MOST, compare
from pytest_flowhealth.history.remote.write_request import require_remote_write
from pytest_flowhealth.history.run_record import make_run_record, name_metric
from pytest_flowhealth.history.store import Retention
from pytest_flowhealth.plugin.reporting.messages import make_usage_error
from pytest_flowhealth.plugin.reporting.report_file import encode_report
from pytest_flowhealth.probes.system.runtimes import version

NEEDED = "needs a history: --health-history sqlite:///.flowhealth/history.db"

SHIPPED = 3.0
"""Seconds that a run waits for a server to take it."""

Result = TypeVar("Result")
Samples = Mapping[str, tuple[float, ...]]


class RunHistory:
    """The history of a run's target. What is wrong with the history itself is reported, not raised."""

    def __init__(self, place: HistoryLocation, target: Target, against: str | None) -> None:
        self.path = place.path
        self._place = place
        self.uid = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
        self._target = target
        self._against = against
        self._problem: str | None = None
        self._server = place.reader(target)
        self._past: dict[str, list[PastMeasurement]] = {}
        self._fingerprint = fingerprint(target.name, _node())

    @property
    def compares(self) -> bool:
        """Whether this run is compared with earlier ones."""
        return self._against is not None

    def past(self, metric: str) -> list[PastMeasurement]:
        """Return what earlier runs of this target on this machine measured, the oldest first."""
        if metric not in self._past:
            nothing: list[PastMeasurement] = []
            found, problem = query_reader(
                self.path, lambda file: self._asked(file, metric), nothing
            )
            self._problem = self._problem or problem
            if len(found) < FEWEST:
                # A file that is new here; the server may know more of this host.
                known = self._of_server(lambda server: self._asked(server, metric), nothing)
                found = max(found, known, key=len)
            self._past[metric] = found
        return self._past[metric]

    def _asked(self, history: Reader, metric: str) -> list[PastMeasurement]:
        run = history.find_run(self._against) if self._against else None
        before = run.uid if run else None
        found = history.past(metric, self._fingerprint, limit=MOST, before=before)
        chosen = history.read_run_metric(run.uid, metric) if run else None
        return [one for one in (*found, chosen) if one is not None and one.run != self.uid]

    def _of_server(self, ask: Callable[[Reader], Result], otherwise: Result) -> Result:
        """Ask the server, where there is one; that it keeps a comparison from being made is told."""
        if self._server is None:
            return otherwise
        try:
            return ask(self._server)
        except MeasurementUnavailable as error:
            if self.compares:
                self._problem = self._problem or str(error)
            return otherwise

    def require_run(self) -> None:
        """Refuse a run to compare with that is not there.

        Raises:
            UsageError: It is not.
        """
        if not self._against:
            return
        name = self._against
        run, _ = query_reader(self.path, lambda file: file.find_run(name), None)
        if run is None and self._of_server(lambda server: server.find_run(name), None) is None:
            newest = ", ".join(self._newest())
            told = f"the newest are {newest}" if newest else "the history has none yet"
            raise UsageError(f"--health-compare: there is no run {name!r}; {told}")

    def _newest(self) -> list[str]:
        def newest(history: Reader) -> list[str]:
            return [one.uid for one in history.runs(limit=3)]

        nothing: list[str] = []
        return query_reader(self.path, newest, nothing)[0] or self._of_server(newest, nothing)

    def find_trends(self, checks: Sequence[CheckResult], samples: Samples) -> tuple[Trend, ...]:
        """Return how each threshold's figure went."""
        found = []
        for check in checks:
            units = {one.name: one.unit for one in check.measurements}
            for one in check.thresholds:
                metric = name_metric(check.id, check.component, one.measurement)
                now = _figure(samples.get(metric, ()), one)
                if now is None:
                    continue
                before = [run.figure(one.statistic or DEFAULT) for run in self.past(metric)]
                values = [value for value in before if value is not None]
                name = name_metric(check.id, check.component, one.name)
                found.append(make_trend(name, units.get(one.measurement, "1"), values, now))
        return tuple(found)

    def compare_results(
        self, checks: Sequence[CheckResult], samples: Samples
    ) -> tuple[list[CheckResult], tuple[RunComparison, ...]]:
        """Return the checks, those with a regression as warns, and each measurement's comparison."""
        if not self.compares:
            return list(checks), ()
        found: list[RunComparison] = []
        results = []
        among = _judgeable(checks, samples)
        for check in checks:
            ours = [self._compared(check, one, samples, among) for one in check.measurements]
            told = [one for one in ours if one is not None]
            found += told
            results.append(_warned(check, [one for one in told if one.outcome == "worse"]))
        return results, tuple(found)

    def _compared(
        self, check: CheckResult, taken: Measurement, samples: Samples, among: int
    ) -> RunComparison | None:
        metric = name_metric(check.id, check.component, taken.name)
        now = samples.get(metric)
        if not now:
            return None
        past = [one.samples for one in self.past(metric)]
        return compare(metric, taken.unit, now, past, _better(check, taken.name), among)

    def record(self, document: Document, samples: Samples) -> Document:
        """Keep the run, and return its document with what became of it."""
        settings = self._target.config.history
        reports = self._target.config.feedback.keep
        kept = record_run(
            self.path,
            make_run_record(
                document.health, encode_report(document), samples, self._fingerprint, self.uid
            ),
            Retention(settings.samples, settings.rollups, settings.runs, reports),
        )
        shipped = self._shipped(document)
        problems = [one for one in (kept.problem or self._problem, shipped) if one]
        told = HistoryEntry(self.uid, kept.kept, kept.waiting, "; ".join(problems) or None)
        health = msgspec.structs.replace(document.health, history=told)
        return msgspec.structs.replace(document, health=health)

    def _shipped(self, document: Document) -> str | None:
        """Send the run to the server, where there is one; return what went wrong."""
        shipper = self._place.start_write_client()
        if shipper is None:
            return None
        health = document.health
        shipper.put(iterate_samples(health, find_origin_labels(health), self._fingerprint))
        if shipper.close(SHIPPED):
            return shipper.problem
        return f"{shipper.problem or 'the server has not taken it yet'}; the next run sends it"


def open_history(config: pytest.Config, target: Target) -> RunHistory | None:
    """Return the run's history, None where none is asked for.

    Raises:
        pytest.UsageError: Its address is none, a newer version made it, it has no run of that name.
    """
    try:
        return _open_history(config, target)
    except UsageError as error:
        raise make_usage_error(str(error)) from None


def _open_history(config: pytest.Config, target: Target) -> RunHistory | None:
    against = config.option.health_compare
    place = history_place(config, target)
    if place is None:
        if against is not None:
            raise UsageError(f"--health-compare {NEEDED}")
        return None
    require_usable(place.path)
    if place.server is not None:
        require_remote_write()
    history = RunHistory(place, target, against)
    history.require_run()
    return history


def history_place(config: pytest.Config, target: Target) -> HistoryLocation | None:
    """Return where the history is: of the option, relative to where it was typed, or the configuration's.

    Raises:
        UsageError: Its address is none.
    """
    return find_location(config.option.health_history, config.invocation_params.dir, target)


def _node() -> str | None:
    try:
        return version("node")
    except FlowHealthError:
        return None


def _figure(samples: Sequence[float], threshold: ThresholdResult) -> float | None:
    """Return a threshold's figure of a run's samples, None where they don't support it."""
    if not samples:
        return None
    try:
        return compute(threshold.statistic or DEFAULT, samples)
    except UnsupportedStatistic:
        return None


def _better(check: CheckResult, measurement: str) -> Better | None:
    return next((one.better for one in check.thresholds if one.measurement == measurement), None)


def _judgeable(checks: Sequence[CheckResult], samples: Samples) -> int:
    """Return how many measurements of a run can be told to be worse, at least 1."""
    names = {
        name_metric(check.id, check.component, one.name)
        for check in checks
        for one in check.measurements
        if _better(check, one.name)
    }
    return max(1, len(names & samples.keys()))


def _warned(check: CheckResult, worse: Sequence[RunComparison]) -> CheckResult:
    """Return a check with its regressions told; one that passed warns."""
    if not worse:
        return check
    texts = [
        f"{one.measurement} {format_number(one.now)}{unit_suffix(one.unit)} is {abs(one.change or 0):.0%} worse "
        f"than the median of the last {one.runs} runs here, "
        f"{format_number(one.median or 0)}{unit_suffix(one.unit)}, beyond their noise"
        for one in worse
    ]
    passed = check.outcome is Outcome.PASS
    return msgspec.structs.replace(
        check,
        outcome=Outcome.WARN if passed else check.outcome,
        message="; ".join([check.message, *texts] if check.message else texts),
        remedy=check.remedy or "see what changed since then: git log",
    )
