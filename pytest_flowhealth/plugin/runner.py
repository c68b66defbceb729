"""Runs one check: blocks it, judges its thresholds, turns our errors into pytest's.

A check that fails, by its body or by a threshold, fails as a pytest test too,
so that every other plugin and a mixed suite see the same.
"""

from __future__ import annotations

import datetime
import time
import warnings
from collections.abc import Generator, Iterator

import pytest
from _pytest.runner import runtestprotocol

from pytest_flowhealth.domain.checks import Ending, limit_text
from pytest_flowhealth.domain.dependencies import root_cause
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.thresholds import ThresholdResult
from pytest_flowhealth.errors import FlowHealthError, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.history.entry import metric_of, thinned
from pytest_flowhealth.plugin.body import watched
from pytest_flowhealth.plugin.exclusive import alone_or_shared
from pytest_flowhealth.plugin.health import STATE, CheckState, hand_over
from pytest_flowhealth.plugin.messages import disarm, gist, summary_of
from pytest_flowhealth.plugin.recorder import EVIDENCE_ATTRIBUTE, Carried, carried_by
from pytest_flowhealth.plugin.scrub import Cleaner
from pytest_flowhealth.plugin.state import Mode, Run
from pytest_flowhealth.plugin.timeouts import arm as arm_alarm
from pytest_flowhealth.plugin.timeouts import disarm as disarm_alarm
from pytest_flowhealth.probes.command import end_all

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0


class HealthWarning(UserWarning):
    """A check of a mixed suite that would count as degraded."""


class Runner:
    """The hooks around each check; the plugin `flowhealth-runner`."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._retry_until: float | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Ask the slow questions of the selected checks before the first one runs."""
        names = [name for item in session.items for name in getattr(item, "fixturenames", ())]
        if not session.config.option.collectonly:
            self._run.answers.start(names)
        try:
            return (yield)
        finally:
            end_all()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> object:
        """Run a check again while it fails and there is time, where --health-retry asks for it."""
        state = item.stash.get(STATE, None)
        if state is None or item.config.option.health_retry is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._attempts(item, nextitem, state):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _attempts(
        self, item: pytest.Item, nextitem: pytest.Item | None, state: CheckState
    ) -> list[pytest.TestReport]:
        pause = _FIRST_PAUSE
        while True:
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            failed = [report for report in reports if report.failed]
            if not failed or not self._time_for(pause, state):
                return reports
            disarm_alarm(state)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            carried = carried_by(failed[0])
            state.try_again(carried.message if carried else failed[0].longreprtext)
            self._run.answers.forget(getattr(item, "fixturenames", ()))
            if failed[0].when != "call":
                # A fixture of a wider scope keeps its error until it is torn down.
                item.session._setupstate.teardown_exact(None)  # noqa: SLF001  # pytest has no public way
            arm_alarm(state)

    def _time_for(self, pause: float, state: CheckState) -> bool:
        """Tell whether another attempt fits: one always does, then until the run's time is up."""
        now = time.monotonic()
        if self._retry_until is None:
            self._retry_until = now + self._run.config.option.health_retry
        return state.attempts == 1 or now + pause <= self._retry_until

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Turn our errors into pytest's."""
        state = item.stash.get(STATE, None)
        if state is None:
            return (yield)
        with alone_or_shared(item.config, exclusive=state.declaration.exclusive):
            state.begin()
            hand_over(item, state)
            return (yield from _translated(state, "setup"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Run the body, then judge the thresholds."""
        state = item.stash.get(STATE, None)
        if state is None:
            return (yield)
        with (
            alone_or_shared(item.config, exclusive=state.declaration.exclusive),
            watched(item, state),
        ):
            try:
                yield from _translated(state, "call")
                _require_body(state)
                self._judge(state)
            except (Exception, pytest.fail.Exception) as error:
                state.judge()
                _tolerate(state, error)
                raise
            except BaseException:
                state.judge()
                raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        """Turn our errors into pytest's."""
        state = item.stash.get(STATE, None)
        return (yield) if state is None else (yield from _translated(state, "teardown"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let the report carry the evidence; as text, for xdist sends nothing else for sure."""
        report = yield
        state = item.stash.get(STATE, None)
        if state is not None and (report.when == "call" or call.excinfo or not report.passed):
            ending, message = _ending(state, report, call)
            carried = Carried(state.evidence(), ending, message)
            setattr(report, EVIDENCE_ATTRIBUTE, carried.encoded(Cleaner(self._run.redact)))
            disarm(report, self._run.redact)
            self._gather(state)
        return report

    def _gather(self, state: CheckState) -> None:
        """Keep the samples of what a check measured, for the history."""
        check = state.declaration
        for name, series in state.notes.series.items():
            if series.samples:
                metric = metric_of(check.id, check.component, name)
                self._run.samples[metric] = thinned(series.samples)

    def _judge(self, state: CheckState) -> None:
        judged = state.judge()
        grave = [one for one in judged if one.outcome.severity > 1]
        if grave:
            state.end("call", Ending.THRESHOLDS, "")
            pytest.fail("; ".join(limit_text(one) for one in grave), pytrace=False)
        if self._run.mode is Mode.MIXED:
            _warn(state, judged)


class Blocker:
    """Skips a check whose requirement does not hold; the plugin `flowhealth-blocker`.

    Not part of the wrapper above: other plugins' wrappers must have set up what
    they tear down.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip, with the root cause."""
        state = item.stash.get(STATE, None)
        if state is None or not state.declaration.requires:
            return
        cause = root_cause(state.declaration.requires, self._run.recorder.find)
        if cause is not None:
            state.notes.blocked_by = cause
            state.end("setup", Ending.BLOCKED, f"blocked by {cause}")
            pytest.skip(f"blocked by {cause}")


def _require_body(state: CheckState) -> None:
    if state.notes.began is False:
        message = "its body never ran: a hook or a plugin took its place"
        state.end("call", Ending.UNMEASURED, message)
        pytest.fail(message, pytrace=False)


def _translated(state: CheckState, when: str) -> Iterator[None]:
    """Yield once to the phase; our errors become a skip or a failure without a traceback."""
    try:
        return (yield)
    except NotApplicable as error:
        pytest.skip(error.message or "not applicable")
    except FlowHealthError as error:
        ending = Ending.UNMEASURED if isinstance(error, MeasurementUnavailable) else Ending.FAILED
        state.end(when, ending, error.message, error.remedy)
        pytest.fail(error.message, pytrace=False)


def _tolerate(state: CheckState, error: BaseException) -> None:
    """Turn a waived failure into an expected one, so that it is none to pytest either."""
    waiver = state.declaration.waiver
    ending, _ = state.notes.endings.get("call", (Ending.FAILED, ""))
    if waiver is None or ending is Ending.UNMEASURED or _today() > waiver.until:
        return
    if "call" not in state.notes.endings:
        state.end("call", Ending.FAILED, summary_of(error))
    state.notes.waived = True
    pytest.xfail(f"waived until {waiver.until}: {waiver.reason}")


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _ending(
    state: CheckState, report: pytest.TestReport, call: pytest.CallInfo[None]
) -> tuple[Ending, str]:
    """Return how a phase ended: as noted while it ran, else as pytest reports it."""
    error = call.excinfo.value if call.excinfo else None
    expected = getattr(report, "wasxfail", None)
    noted = state.notes.endings.get(report.when or "")
    if expected is not None and not state.notes.waived:
        ending = Ending.XFAILED if report.skipped else Ending.XPASSED
        return ending, expected.removeprefix("reason: ") or "no reason given"
    if noted is not None:
        return noted
    if error is None and report.when == "call":
        # A hook of the target's that catches what the body raised must not make it pass.
        error, state.notes.raised = state.notes.raised, None
    if isinstance(error, pytest.skip.Exception):
        return Ending.SKIPPED, str(error.msg or error)
    if error is not None or not report.passed:
        said = summary_of(error) if error else gist(report)
        state.end(report.when or "call", Ending.FAILED, said)
        return state.notes.endings[report.when or "call"]
    return Ending.PASSED, ""


def _warn(state: CheckState, judged: tuple[ThresholdResult, ...]) -> None:
    texts = [limit_text(one) for one in judged if one.outcome is Outcome.WARN]
    for text in [*texts, *state.notes.warnings]:
        warnings.warn(HealthWarning(f"{state.declaration.id}: {text}"), stacklevel=2)
