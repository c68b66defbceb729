"""Run failing checks again (`--health-retry`)."""

from __future__ import annotations

import time

import pytest
from _pytest.runner import runtestprotocol

from pytest_flowhealth.plugin.execution.prefetch import forget_prefetched
from pytest_flowhealth.plugin.execution.running_check import RUNNING, RunningCheck
from pytest_flowhealth.plugin.execution.timeouts import start_timer, stop_timer

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0

# A check may leave a mock of these behind.
_monotonic, _sleep = time.monotonic, time.sleep


class Retrier:
    """Run a failing check again while there is time; the plugin `flowhealth-retrier`.

    Args:
        seconds: How long the checks of the run may be retried, from the first failure on.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: float | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> object:
        """Run a check until it passes or the time is up, and report its last attempt."""
        check = item.stash.get(RUNNING, None)
        if check is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._run_attempts(item, nextitem, check):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _run_attempts(
        self, item: pytest.Item, nextitem: pytest.Item | None, check: RunningCheck
    ) -> list[pytest.TestReport]:
        pause = _FIRST_PAUSE
        while True:
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            failed = [report for report in reports if report.failed]
            if not failed or not self._has_time(pause, check):
                return reports
            stop_timer(check)
            _sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            if failed[0].when == "call":
                forget_prefetched(item)
            else:
                # A fixture of a wider scope keeps its error until it is torn down.
                item.session._setupstate.teardown_exact(None)  # noqa: SLF001  # pytest has no public way
            start_timer(check)

    def _has_time(self, pause: float, check: RunningCheck) -> bool:
        """Tell whether another attempt fits: one always does, then until the time is up."""
        now = _monotonic()
        if self._until is None:
            self._until = now + self._seconds
        return check.attempts == 1 or now + pause <= self._until
