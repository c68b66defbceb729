"""The monitor's pure parts: schedule, clock, ring, what a round is given."""

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.monitor.clock import Clock
from pytest_flowhealth.monitor.console import Console
from pytest_flowhealth.monitor.ring import Ring
from pytest_flowhealth.monitor.sampler import UNITS, Sampler
from pytest_flowhealth.monitor.schedule import REST, Schedule, interval_of
from pytest_flowhealth.monitor.voice import WAITING
from pytest_flowhealth.plugin.monitor import without


def test_components_have_their_own_slots() -> None:
    schedule = Schedule()
    schedule.plan({"redis": 10.0, "npm": 30.0}, 0.0)

    due = {now: sorted(schedule.due(now)) for now in range(5, 65, 5)}

    assert due[10] == due[20] == ["redis"]
    assert due[30] == due[60] == ["npm", "redis"]
    assert due[5] == due[15] == []
    assert schedule.late == 0


def test_a_slot_that_comes_while_a_round_runs_is_left_out_and_counted() -> None:
    schedule = Schedule()
    schedule.plan({"redis": 10.0}, 0.0)

    assert schedule.skip(35.0) == 3
    assert schedule.late == 3
    assert schedule.due(39.0) == frozenset()
    assert schedule.due(40.0) == {"redis"}


def test_what_was_left_out_is_looked_at_by_the_next_round() -> None:
    schedule = Schedule()
    schedule.plan({"own": 6.0, "other": 12.0}, 0.0)

    assert schedule.due(6.0) == {"own"}
    assert schedule.skip(12.0) == 2
    assert schedule.due(18.0) == {"own", "other"}
    assert schedule.due(24.0) == {"own", "other"}
    assert schedule.due(30.0) == {"own"}


def test_after_a_long_sleep_only_one_round_is_due() -> None:
    schedule = Schedule()
    schedule.plan({"redis": 10.0}, 0.0)

    assert schedule.due(1_000.0) == {"redis"}
    assert schedule.due(1_000.0) == frozenset()
    assert schedule.late == 99
    assert schedule.next() == 1_010.0


def test_a_new_plan_keeps_the_slots_of_what_stays() -> None:
    schedule = Schedule()
    schedule.plan({"redis": 10.0}, 0.0)
    schedule.plan({"redis": 10.0, "npm": 60.0}, 7.0)

    assert schedule.due(10.0) == {"redis"}
    assert schedule.due(67.0) == {"redis", "npm"}


@given(st.lists(st.floats(0.1, 100.0), max_size=50))
def test_a_slot_is_never_queued(pauses: list[float]) -> None:
    schedule = Schedule()
    schedule.plan({"a": 7.0, "b": 13.0}, 0.0)
    now = 0.0
    for pause in pauses:
        now += pause
        schedule.due(now)
        assert schedule.due(now) == frozenset()
        assert (schedule.next() or 0) > now


@pytest.mark.parametrize(
    ("component", "general", "all_of_them", "seconds"),
    [
        ("redis", None, False, 60.0),
        ("npm", None, False, 3_600.0),
        ("system", None, False, REST),
        ("redis", 10.0, False, 10.0),
        ("npm", 10.0, False, 10.0),
        ("npm", 10.0, True, 3_600.0),
        ("wasm", 10.0, True, 86_400.0),
        ("build", 10.0, True, 10.0),
        ("own", 10.0, False, 42.0),
    ],
)
def test_intervals(
    component: str, general: float | None, all_of_them: bool, seconds: float
) -> None:
    assert interval_of(component, general, {"own": 42.0}, all_of_them=all_of_them) == seconds


class Times:
    """A steady clock and a calendar's that can be set."""

    def __init__(self) -> None:
        self.steady, self.wall = 100.0, 1_000_000.0

    def clock(self, kept: float | None = None) -> Clock:
        return Clock(kept, lambda: self.steady, lambda: self.wall)


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0])
def test_the_clock_does_not_jump(jump: float) -> None:
    times = Times()
    clock = times.clock()
    times.steady += 5
    times.wall += jump

    assert clock() == 1_000_005.0
    assert clock.moment().wall.timestamp() == 1_000_000.0 + jump


def test_after_a_restart_it_goes_on() -> None:
    times = Times()
    assert times.clock(kept=999_000.0)() == 1_000_000.0
    times.wall = 500.0  # somebody set it back

    assert times.clock(kept=1_000_005.0)() == 1_000_005.0


def test_the_ring_holds_the_last_ones() -> None:
    ring = Ring(3)
    for at in range(5):
        ring.add(float(at), {"a": float(at)} if at != 3 else {"b": 1.0})

    assert ring.points("a") == [(2.0, 2.0), (4.0, 4.0)]
    assert ring.points("b") == [(3.0, 1.0)]
    assert ring.points("a", since=3.0) == [(4.0, 4.0)]
    assert ring.points("c") == []


def test_the_sampler_reads_what_it_says() -> None:
    sampler = Sampler(Path("/"))
    sampler.read()
    for _ in range(200_000):
        math.sqrt(2)
    found = sampler.read()

    assert set(found) <= set(UNITS)
    assert {"system.memory", "system.memory_available", "system.disk", "system.load"} <= set(found)
    assert 0 <= found["system.memory"] <= 100


def test_a_folder_that_is_gone_has_no_figure(tmp_path: Path) -> None:
    found = Sampler(tmp_path / "gone").read()

    assert "system.disk" not in found
    assert "system.memory" in found


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--health", "--health-monitor=10s", "-k", "redis"], ["-k", "redis"]),
        (["--health-monitor", "10s", "checks/"], ["checks/"]),
        (["--health-monitor", "--health", "-q"], ["-q"]),
        (["--health-monitor"], []),
        (["--health-component", "redis", "--health-history", "x", "--lf"], ["--lf"]),
        (["--health-threshold", "a.b=1:2"], ["--health-threshold", "a.b=1:2"]),
    ],
)
def test_what_a_round_is_given(words: list[str], kept: list[str]) -> None:
    assert without(words) == kept


def test_a_pipe_that_nobody_reads_holds_nobody_up() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        console = Console(out)
        for number in range(WAITING + 5_000):
            console.event("tick", number=number, text="x" * 100)
        assert console.lost > 0
        os.read(reading, 2**16)
        os.close(reading)
        console.close()
