"""Time out checks: pytest-timeout decides when, with an alarm of this plugin.

pytest-timeout itself would print the stacks of all threads and fire once: a body that catches the
exception would go on forever.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import pytest

from pytest_flowhealth.domain.checks import PhaseOutcome
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.plugin.execution.running_check import RUNNING, RunningCheck
from pytest_flowhealth.plugin.reporting.exit_guard import last_word

_GRACE = 10.0
_SWALLOWED = 3


class Timeouts:
    """Set and cancel the alarm when pytest-timeout asks; the plugin `flowhealth-timeouts`."""

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item) -> object:
        """Set the alarm of a check that has a timeout."""
        check = item.stash.get(RUNNING, None)
        return True if check is not None and start_timer(check) else None

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> object:
        """Cancel the alarm."""
        check = item.stash.get(RUNNING, None)
        return True if check is not None and stop_timer(check) else None


def start_timer(check: RunningCheck) -> bool:
    """Start the alarm of a check; return False if it has no timeout, or alarms are not available."""
    limit = check.spec.timeout
    if limit is None or not _can_alarm():
        return False
    signal.signal(signal.SIGALRM, _Alarm(check, limit))
    signal.setitimer(signal.ITIMER_REAL, limit, _GRACE)
    return True


def stop_timer(check: RunningCheck) -> bool:
    """Stop the alarm of a check; return False if it was not started."""
    if check.spec.timeout is None or not _can_alarm():
        return False
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return True


class _Alarm:
    """Raise in the check; if the exception is caught again and again, end the process."""

    def __init__(self, check: RunningCheck, limit: float) -> None:
        self._check = check
        self._limit = limit
        self._fired = 0

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        self._fired += 1
        if self._fired > _SWALLOWED:
            # The report on disk says that the run did not finish.
            name = self._check.spec.id
            last_word(f"{name} caught its timeout again and again: the run was ended")
            os._exit(Status.UNKNOWN.exit_code)
        message = f"no end within its timeout of {format_number(self._limit)} s"
        for when in ("setup", "call", "teardown"):
            self._check.note_outcome(when, PhaseOutcome.TIMEOUT, message)
        pytest.fail(message, pytrace=False)


def _can_alarm() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
