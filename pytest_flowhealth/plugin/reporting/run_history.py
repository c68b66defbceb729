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
                self.path, lambda file: self._find_past(file, metric), nothing
            )
            self._problem = self._problem or problem
            if len(found) < FEWEST:
                # A file that is new here; the server may know more of this host.
                known = self._ask_server(lambda server: self._find_past(server, metric), nothing)
                found = max(found, known, key=len)
            self._past[metric] = found
        return self._past[metric]

    def _find_past(self, history: Reader, metric: str) -> list[PastMeasurement]:
        run = history.find_run(self._against) if self._against else None
        before = run.uid if run else None
        found = history.past(metric, self._fingerprint, limit=MOST, before=before)
        chosen = history.read_run_metric(run.uid, metric) if run else None
        return [past for past in (*found, chosen) if past is not None and past.run != self.uid]

    def _ask_server(self, ask: Callable[[Reader], Result], otherwise: Result) -> Result:
        """Ask the server if there is one; if it fails, note why a comparison is missing."""
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
        if run is None and self._ask_server(lambda server: server.find_run(name), None) is None:
            newest = ", ".join(self._newest())
            hint = f"the newest are {newest}" if newest else "the history has none yet"
            raise UsageError(f"--health-compare: there is no run {name!r}; {hint}")

    def _newest(self) -> list[str]:
        def newest(history: Reader) -> list[str]:
            return [run.uid for run in history.runs(limit=3)]

        nothing: list[str] = []
        return query_reader(self.path, newest, nothing)[0] or self._ask_server(newest, nothing)

    def find_trends(self, checks: Sequence[CheckResult], samples: Samples) -> tuple[Trend, ...]:
        """Return how each threshold's figure went."""
        found = []
        for check in checks:
            units = {measurement.name: measurement.unit for measurement in check.measurements}
            for threshold in check.thresholds:
                metric = name_metric(check.id, check.component, threshold.measurement)
                now = _figure(samples.get(metric, ()), threshold)
                if now is None:
                    continue
                before = [run.figure(threshold.statistic or DEFAULT) for run in self.past(metric)]
                values = [value for value in before if value is not None]
                name = name_metric(check.id, check.component, threshold.name)
                found.append(make_trend(name, units.get(threshold.measurement, "1"), values, now))
        return tuple(found)

    def compare_results(
        self, checks: Sequence[CheckResult], samples: Samples
    ) -> tuple[list[CheckResult], tuple[RunComparison, ...]]:
        """Return the checks, those with a regression as warns, and each measurement's comparison."""
        if not self.compares:
            return list(checks), ()
        found: list[RunComparison] = []
        results = []
        among = _count_comparable(checks, samples)
        for check in checks:
            comparisons = [
                self._compare_measurement(check, measurement, samples, among)
                for measurement in check.measurements
            ]
            made = [comparison for comparison in comparisons if comparison is not None]
            found += made
            results.append(
                _add_regressions(
                    check, [comparison for comparison in made if comparison.outcome == "worse"]
                )
            )
        return results, tuple(found)

    def _compare_measurement(
        self, check: CheckResult, taken: Measurement, samples: Samples, among: int
    ) -> RunComparison | None:
        metric = name_metric(check.id, check.component, taken.name)
        now = samples.get(metric)
        if not now:
            return None
        past = [run.samples for run in self.past(metric)]
        return compare(metric, taken.unit, now, past, _find_direction(check, taken.name), among)

    def record(self, document: Document, samples: Samples) -> Document:
        """Keep the run, and return its document with what became of it."""
        settings = self._target.config.history
        reports = self._target.config.feedback.keep
        result = record_run(
            self.path,
            make_run_record(
                document.health, encode_report(document), samples, self._fingerprint, self.uid
            ),
            Retention(settings.samples, settings.rollups, settings.runs, reports),
        )
        shipped = self._ship(document)
        problems = [problem for problem in (result.problem or self._problem, shipped) if problem]
        entry = HistoryEntry(self.uid, result.kept, result.waiting, "; ".join(problems) or None)
        health = msgspec.structs.replace(document.health, history=entry)
        return msgspec.structs.replace(document, health=health)

    def _ship(self, document: Document) -> str | None:
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


def _find_direction(check: CheckResult, measurement: str) -> Better | None:
    return next(
        (
            threshold.better
            for threshold in check.thresholds
            if threshold.measurement == measurement
        ),
        None,
    )


def _count_comparable(checks: Sequence[CheckResult], samples: Samples) -> int:
    """Return how many measurements of a run can be compared, at least 1."""
    names = {
        name_metric(check.id, check.component, measurement.name)
        for check in checks
        for measurement in check.measurements
        if _find_direction(check, measurement.name)
    }
    return max(1, len(names & samples.keys()))


def _add_regressions(check: CheckResult, worse: Sequence[RunComparison]) -> CheckResult:
    """Return a check with its regressions in its message; a check that passed becomes a warn."""
    if not worse:
        return check
    texts = [
        f"{comparison.measurement} {format_number(comparison.now)}{unit_suffix(comparison.unit)} is {abs(comparison.change or 0):.0%} worse "
        f"than the median of the last {comparison.runs} runs here, "
        f"{format_number(comparison.median or 0)}{unit_suffix(comparison.unit)}, beyond their noise"
        for comparison in worse
    ]
    passed = check.outcome is Outcome.PASS
    return msgspec.structs.replace(
        check,
        outcome=Outcome.WARN if passed else check.outcome,
        message="; ".join([check.message, *texts] if check.message else texts),
        details={"diagnosis": "what changed since then: git log"} | check.details,
    )
