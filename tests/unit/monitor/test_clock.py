"""The clock of the monitor, which never goes back."""

import time

import pytest

from pytest_flowhealth.monitor.clock import Clock
from tests.kit.clock import FakeClock

START = 1_000_000.0


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0])
def test_clock_does_not_follow_a_jump_of_the_calendar(jump: float) -> None:
    steady, calendar = FakeClock(100.0), FakeClock(START)
    clock = Clock(None, steady.now, calendar.now)
    steady.at += 5
    calendar.at += jump

    assert clock() == START + 5
    assert clock.moment().wall.timestamp() == START + jump


@pytest.mark.parametrize(("kept", "calendar"), [(START - 1_000, START), (START, 500.0)])
def test_clock_goes_on_from_the_later_of_its_last_time_and_the_calendar(
    kept: float, calendar: float
) -> None:
    assert Clock(kept, FakeClock(100.0).now, FakeClock(calendar).now)() == START


def test_time_in_which_the_machine_is_suspended_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    boot, calendar = FakeClock(100.0), FakeClock(START)
    counted = {getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC): boot.now}
    monkeypatch.setattr(time, "clock_gettime", lambda which: counted[which]())
    clock = Clock(None, wall=calendar.now)
    boot.at += 3_600  # the clock of the running time stands still meanwhile

    assert clock() == START + 3_600
