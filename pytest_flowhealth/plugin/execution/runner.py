"""The hooks around each check: block it, run it, evaluate it, report its result.

A check that fails, by its body or by a threshold, fails as a pytest test too, so that every other
plugin and a mixed suite see the same.
"""

from __future__ import annotations

import datetime
import traceback
import warnings
from collections.abc import Generator, Iterator, Sequence
from unittest.case import SkipTest

import msgspec
import pytest
from _pytest.compat import NOTSET

from pytest_flowhealth.domain.checks import (
    CheckResult,
    Phase,
    PhaseOutcome,
    describe_limit,
    evaluate_check,
    evaluate_thresholds,
)
from pytest_flowhealth.domain.dependencies import Index, find_root_cause
from pytest_flowhealth.domain.root_causes import RunProblem
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.thresholds import ThresholdResult
from pytest_flowhealth.errors import FlowHealthError, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.plugin.execution.body_watcher import watch_body
from pytest_flowhealth.plugin.execution.exclusive import hold_lock
from pytest_flowhealth.plugin.execution.fixture import inject_health
from pytest_flowhealth.plugin.execution.observers import ErrorObserver
from pytest_flowhealth.plugin.execution.prefetch import Prefetcher
from pytest_flowhealth.plugin.execution.running_check import RUNNING, Attempt, RunningCheck
from pytest_flowhealth.plugin.reporting.messages import (
    sanitize_report,
    short_message,
    summarize,
)
from pytest_flowhealth.plugin.reporting.recorder import RESULT_ATTRIBUTE, is_final
from pytest_flowhealth.plugin.run import HealthRun, Mode, is_worker

_FAILING = (Outcome.FAIL, Outcome.UNKNOWN)


class HealthWarning(UserWarning):
    """A check of a mixed suite that would count as degraded."""


class CheckRunner:
    """Run the checks and report their results; the plugin `flowhealth-runner`.

    Args:
        run: The run that gets the results.
        keep_samples: Whether a history wants the samples of the series.
    """

    def __init__(self, run: HealthRun, *, keep_samples: bool) -> None:
        self._run = run
        self._keep_samples = keep_samples
        self._current: RunningCheck | None = None
        self._item: pytest.Item | None = None
        self._observer = ErrorObserver(self._report_error)
        self.blockers = Blockers()
        self._prefetcher = Prefetcher()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Start the prefetched probes of the selected checks before the first one runs."""
        self._observer.install()
        if not session.config.option.collectonly:
            self._prefetcher.start(session)
        try:
            return (yield)
        finally:
            self._observer.remove()
            self._prefetcher.stop()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Evaluate the check when everything about it has been reported."""
        check = item.stash.get(RUNNING, None)
        if check is None:
            return (yield)
        self._current, self._item = check, item
        try:
            return (yield)
        finally:
            self._current = self._item = None
            self._finish(item, check)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Give the check its `health`, and turn this package's errors into pytest's."""
        check = item.stash.get(RUNNING, None)
        if check is None:
            return (yield)
        with hold_lock(item.config, exclusive=check.spec.exclusive):
            check.begin_setup()
            inject_health(item, check)
            return (yield from _translate_errors(check, "setup"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Run the body, then evaluate the thresholds."""
        check = item.stash.get(RUNNING, None)
        if check is None:
            return (yield)
        check.begin_call()
        with (
            hold_lock(item.config, exclusive=check.spec.exclusive),
            watch_body(item, check),
        ):
            try:
                yield from _translate_errors(check, "call")
                _require_body(item, check)
                self._require_thresholds(check)
            except (Exception, pytest.fail.Exception) as error:
                _apply_waiver(check, error, self._run.started.date())
                raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """Turn this package's errors into pytest's."""
        check = item.stash.get(RUNNING, None)
        return (yield) if check is None else (yield from _translate_errors(check, "teardown"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note how the phase ended, after every other plugin has had its say."""
        check = item.stash.get(RUNNING, None)
        attempt = check.attempt if check else None
        report = yield
        if check is not None and (report.when == "call" or call.excinfo or not report.passed):
            # pytest-retry runs the check again in this hook: `call` is then of an earlier attempt.
            error = call.excinfo.value if call.excinfo and check.attempt is attempt else None
            check.attempt.outcomes[report.when or "call"] = _phase_outcome(check, report, error)
            sanitize_report(report, self._run.sanitizer)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a phase to the current check."""
        check = self._current
        if check is None or report.nodeid != check.spec.nodeid:
            return
        if not is_final(report):
            return
        attempt = check.attempt
        is_subtest = hasattr(report, "context")
        when: str = report.when or "call"
        outcome, message = attempt.outcomes.get(when) or _reported_outcome(report)
        if is_subtest:
            attempt.subtests += 1
            attempt.outcomes.pop(when, None)
            when = "subtest"
        if when == "setup":
            attempt.phases.clear()
        attempt.phases.append(Phase(when, outcome, 0.0 if is_subtest else report.duration, message))
        if when == "teardown" and self._item is not None and is_worker(self._item.config):
            # So that the controller knows it even if this worker is killed later.
            result = self._evaluate(self._item, check)
            setattr(report, RESULT_ATTRIBUTE, msgspec.json.encode(result).decode())

    def _report_error(self, text: str) -> None:
        if self._current is not None:
            self._current.attempt.doubts.append(text)
        else:
            self._run.problems.append(RunProblem(text))

    def _require_thresholds(self, check: RunningCheck) -> None:
        """Fail the pytest test if a threshold is past its fail limit, or has no value."""
        if not check.spec.thresholds and self._run.mode is not Mode.MIXED:
            return
        results = evaluate_thresholds(check.spec.thresholds, check.attempt.series.values())
        check.attempt.thresholds = results
        failed = [result for result in results if result.outcome in _FAILING]
        if failed:
            check.note_outcome("call", PhaseOutcome.THRESHOLDS, "")
            pytest.fail("; ".join(describe_limit(result) for result in failed), pytrace=False)
        if self._run.mode is Mode.MIXED:
            _warn(check, results)

    def _evaluate(self, item: pytest.Item, check: RunningCheck) -> CheckResult:
        doubts = list(_find_doubts(item, check))
        run = check.to_run()
        if doubts:
            run = msgspec.structs.replace(run, doubts=(*run.doubts, *doubts))
        result = evaluate_check(check.spec, run, self._run.started.date())
        return self._run.sanitizer.check(result)

    def _finish(self, item: pytest.Item, check: RunningCheck) -> None:
        """Evaluate a check that has ended, and tell whoever listens."""
        result = self._evaluate(item, check)
        self._run.results[item.nodeid] = result
        self.blockers.add(check.spec.id, result)
        if self._keep_samples:
            self._run.samples.update(gather_samples(check))
        item.config.hook.pytest_flowhealth_check_result(result=result)


class Blockers:
    """Skip a check whose requirement is not satisfied; the plugin `flowhealth-blockers`.

    Separate from the wrappers above: other plugins' wrappers must have set up what they tear down.
    """

    def __init__(self) -> None:
        self._results: dict[str, CheckResult] = {}
        self._index: Index | None = None

    def add(self, check_id: str, result: CheckResult) -> None:
        """Add the result of a check that has ended."""
        self._results[check_id] = result
        self._index = None

    def find(self, required: str) -> Sequence[CheckResult]:
        """Return the results so far of the checks that a requirement names."""
        if self._index is None:
            self._index = Index(self._results)
        return [self._results[check_id] for check_id in self._index.resolve(required)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a blocked check, and name the root cause."""
        check = item.stash.get(RUNNING, None)
        if check is None or not check.spec.requires:
            return
        cause = find_root_cause(check.spec.requires, self.find)
        if cause is not None:
            check.attempt.blocked_by = cause
            check.note_outcome("setup", PhaseOutcome.BLOCKED, f"blocked by {cause}")
            pytest.skip(f"blocked by {cause}")


def _find_doubts(item: pytest.Item, check: RunningCheck) -> Iterator[str]:
    """Yield why a check that passed, or was skipped, has checked nothing."""
    code = getattr(getattr(item, "function", None), "__code__", None)
    has_subtests = "subtests" in getattr(item, "fixturenames", ())
    has_subtests = has_subtests or (code is not None and "subTest" in code.co_names)
    called = has_subtests and any(phase.when == "call" for phase in check.attempt.phases)
    if called and not check.attempt.subtests:
        yield "it has subtests, and none of them ran"
    call = getattr(item, "callspec", None)
    if call is not None and any(value is NOTSET for value in call.params.values()):
        yield "its parametrisation is empty, so nothing was checked"


def gather_samples(check: RunningCheck) -> dict[str, tuple[float, ...]]:
    """Return the samples of a check's series by metric name, for the history."""
    from pytest_flowhealth.history.run_record import downsample, name_metric

    spec = check.spec
    return {
        name_metric(spec.id, spec.component, name): downsample(series.samples)
        for name, series in check.attempt.series.items()
        if series.samples
    }


def _require_body(item: pytest.Item, check: RunningCheck) -> None:
    # unittest's setUp runs within the call; its errors and skips wait in the item.
    if check.attempt.body_started is False and not getattr(item, "_excinfo", None):
        message = "its body never ran: a hook or a plugin took its place"
        check.note_outcome("call", PhaseOutcome.UNAVAILABLE, message)
        pytest.fail(message, pytrace=False)


def _translate_errors(check: RunningCheck, when: str) -> Iterator[None]:
    """Yield once to the phase; this package's errors become a skip or a failure without traceback."""
    try:
        return (yield)
    except NotApplicable as error:
        pytest.skip(error.message or "not applicable")
    except FlowHealthError as error:
        unavailable = isinstance(error, MeasurementUnavailable)
        outcome = PhaseOutcome.UNAVAILABLE if unavailable else PhaseOutcome.FAILED
        check.note_outcome(when, outcome, error.message, error.remedy, error.diagnosis)
        # Without its chain: the message would be shown twice.
        raise pytest.fail.Exception(error.message, pytrace=False) from None


def _apply_waiver(check: RunningCheck, error: BaseException, today: datetime.date) -> None:
    """Turn a waived failure into an expected one, so that it does not fail for pytest either."""
    waiver = check.spec.waiver
    outcome, _ = check.attempt.outcomes.get("call", (PhaseOutcome.FAILED, ""))
    if waiver is None or outcome is PhaseOutcome.UNAVAILABLE or not check.attempt.body_started:
        return
    if today > waiver.until:
        return
    if "call" not in check.attempt.outcomes:
        check.note_outcome("call", PhaseOutcome.FAILED, summarize(error))
    check.attempt.waived = True
    pytest.xfail(f"waived until {waiver.until}: {waiver.reason}")


def _phase_outcome(
    check: RunningCheck, report: pytest.TestReport, error: BaseException | None
) -> tuple[PhaseOutcome, str]:
    """Return how a phase ended: as noted while it ran, otherwise as pytest reports it."""
    attempt = check.attempt
    expected = getattr(report, "wasxfail", None)
    noted = attempt.outcomes.get(report.when or "")
    if expected is not None and not attempt.waived:
        outcome = PhaseOutcome.XFAILED if report.skipped else PhaseOutcome.XPASSED
        return outcome, expected.removeprefix("reason: ") or "no reason given"
    if noted is not None:
        return noted
    if report.when == "call" and (error is None or _is_skip(error)):
        # A hook of another plugin that catches what the body raised must not make it pass, or skip.
        raised, attempt.raised = attempt.raised, None
        error = error if raised is None or (error and _is_skip(raised)) else raised
    if error is not None:
        return _explain_error(attempt, report.when, error)
    return (
        (PhaseOutcome.PASSED, "") if report.passed else (PhaseOutcome.FAILED, short_message(report))
    )


def _explain_error(
    attempt: Attempt, when: str | None, error: BaseException
) -> tuple[PhaseOutcome, str]:
    """Return what an error says of a phase: of the body's own phase it may be from before or after it."""
    if _is_skip(error):
        return PhaseOutcome.SKIPPED, str(getattr(error, "msg", None) or error)
    if when == "call" and attempt.body_started is False:
        return PhaseOutcome.UNAVAILABLE, f"its body never ran: {summarize(error)}"
    if when == "call" and attempt.body_started and not attempt.raised and _is_tear_down(error):
        return PhaseOutcome.UNAVAILABLE, f"its tear-down failed: {summarize(error)}"
    return PhaseOutcome.FAILED, summarize(error)


def _is_skip(error: BaseException) -> bool:
    return isinstance(error, (pytest.skip.Exception, SkipTest, NotApplicable))


def _is_tear_down(error: BaseException) -> bool:
    """Tell whether a unittest.TestCase raised it after its test: pytest runs both in one phase."""
    names = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    return not names.isdisjoint(("tearDown", "asyncTearDown", "doCleanups"))


def _reported_outcome(report: pytest.TestReport) -> tuple[PhaseOutcome, str]:
    """Return how a phase ended whose report another plugin made."""
    if report.when not in ("setup", "call", "teardown"):
        return PhaseOutcome.LOST, short_message(report)
    if report.passed:
        return PhaseOutcome.PASSED, ""
    outcome = PhaseOutcome.FAILED if report.failed else PhaseOutcome.SKIPPED
    return outcome, short_message(report)


def _warn(check: RunningCheck, results: Sequence[ThresholdResult]) -> None:
    texts = [describe_limit(result) for result in results if result.outcome is Outcome.WARN]
    for text in [*texts, *check.attempt.warnings]:
        warnings.warn(HealthWarning(f"{check.spec.id}: {text}"), stacklevel=2)
