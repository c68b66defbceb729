"""A check's timeout: pytest-timeout's timer, with our own alarm.

pytest-timeout would print the stacks of all threads, and fire once: a body that
swallows the exception would go on for ever.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

import pytest

from pytest_flowhealth.domain.checks import Ending
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.plugin.guard import last_word
from pytest_flowhealth.plugin.health import STATE, CheckState

_GRACE = 10.0
_SWALLOWED = 3


class Timeouts:
    """The hooks that pytest-timeout asks; the plugin `flowhealth-timeouts`."""

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item) -> object:
        """Set the alarm of a check that has a timeout."""
        state = item.stash.get(STATE, None)
        return True if state is not None and arm(state) else None

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> object:
        """Cancel the alarm."""
        state = item.stash.get(STATE, None)
        return True if state is not None and disarm(state) else None


def arm(state: CheckState) -> bool:
    """Start the check's time anew; False where it has no limit, or no alarm can be had."""
    limit = state.declaration.timeout
    if limit is None or not _can_alarm():
        return False
    signal.signal(signal.SIGALRM, _Alarm(state, limit))
    signal.setitimer(signal.ITIMER_REAL, limit, _GRACE)
    return True


def disarm(state: CheckState) -> bool:
    """Stop the check's time; False where it was not started."""
    if state.declaration.timeout is None or not _can_alarm():
        return False
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return True


class _Alarm:
    """Raises in the check; where the exception is swallowed time after time, ends the process."""

    def __init__(self, state: CheckState, limit: float) -> None:
        self._state = state
        self._limit = limit
        self._fired = 0

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        self._fired += 1
        if self._fired > _SWALLOWED:
            # The report on disk says that the run did not finish.
            check = self._state.declaration.id
            last_word(f"{check} swallowed its timeout again and again: the run was ended")
            os._exit(Status.UNKNOWN.exit_code)
        message = f"no end within its timeout of {format_number(self._limit)} s"
        for when in ("setup", "call", "teardown"):
            self._state.end(when, Ending.TIMEOUT, message)
        pytest.fail(message, pytrace=False)


def _can_alarm() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
