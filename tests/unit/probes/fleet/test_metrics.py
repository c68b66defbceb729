"""Figures that follow from two looks at a fleet."""

import math
from typing import Any

import msgspec
import pytest

from pytest_flowhealth.errors import MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.fleet import metrics, overview
from pytest_flowhealth.probes.fleet.sampling import FleetSample, read
from pytest_flowhealth.probes.fleet.snapshot import Agent, Agents, Snapshot, Swarm, Tasks, Working
from pytest_flowhealth.probes.fleet.utilisation import ProcessMeter
from tests.kit.clock import FakeClock

NOW = 1_790_000_000.0


def snapshot(**parts: Any) -> Snapshot:
    return Snapshot(taken=NOW, clock=0.0, **parts)


def test_agents_that_are_gone_do_not_count_and_unknown_states_leave_busy_unknown() -> None:
    told = Agents.of((Agent("a", "busy"), Agent("b", "idle"), Agent("c", "terminated")))
    assert (told.total, told.busy) == (2, 1)
    assert Agents.of((Agent("a", "busy"), Agent("b", "odd"))).busy is None


def test_tasks_and_agents_are_stuck_abandoned_or_silent_by_both_looks() -> None:
    working = (
        Working("new", NOW - 5, held=False),
        Working("old", NOW - 700, held=True),
        Working("unknown"),
    )
    assert [one.id for one in metrics.stuck(working, NOW, 600)] == ["old"]
    assert metrics.abandoned(working, (Working("new", held=False), Working("x", held=False))) == [
        "new"
    ]
    found = snapshot(
        agents=Agents.of((Agent("a", "idle", heartbeat=NOW - 400), Agent("b", heartbeat=NOW))),
        swarms=(
            Swarm("s", "active", heartbeat=NOW - 301),
            Swarm("done", "completed", heartbeat=NOW - 900),
        ),
    )
    assert [one.id for one in metrics.silent(found, 300)] == ["a", "s"]
    assert metrics.with_heartbeat(found) == 3


@pytest.mark.parametrize(
    ("waiting", "agents", "durations", "expected"),
    [
        (0, 0, (), 0.0),
        (10, 2, (1.0, 3.0), 10.0),
        (10, 0, (1.0,), math.inf),
        (10, 2, (), None),
        (None, 2, (1.0,), None),
    ],
)
def test_the_queue_drains_by_the_mean_duration_and_the_agents(
    waiting: int | None, agents: int, durations: tuple[float, ...], expected: float | None
) -> None:
    found = snapshot(agents=Agents(agents), tasks=Tasks(waiting=waiting, durations=durations))
    assert metrics.drain(found) == expected


def test_growth_and_busy_come_from_both_looks() -> None:
    first = Snapshot(NOW, 10.0, Agents(4, 2), Tasks(waiting=10))
    last = Snapshot(NOW + 2, 12.0, Agents(4, 4), Tasks(waiting=16, completed=9, failed=1))
    found = FleetSample("http", "here", first, last, 0.1, NotApplicable("elsewhere"))
    assert (found.growth, found.busy) == (3.0, 75.0)
    parts = overview.score_parts(found, overview.FleetLimits(tasks=11), None)
    assert parts["completion"] == "10 tasks ended, fewer than fleet.tasks = 11"
    assert parts["utilisation"] == "elsewhere"
    facts = overview.collect_facts(found, overview.FleetLimits(), parts)
    assert (facts.grown, facts.growth, facts.waiting) == (6, 180.0, 16)


class Scripted:
    """A source that gives these snapshots in turn."""

    name, place = "scripted", "here"

    def __init__(self, *snapshots: Snapshot) -> None:
        self._left = [*snapshots]

    def read(self) -> Snapshot:
        return self._left.pop(0)


def test_a_fleet_is_looked_at_twice_a_second_apart() -> None:
    clock = FakeClock()
    first, last = snapshot(tasks=Tasks(waiting=1)), snapshot(tasks=Tasks(waiting=2))
    found = read(Scripted(first, last), sleep=clock.sleep, clock=clock.now)
    assert (found.first, found.last, clock.waited) == (first, last, [1.0])
    assert isinstance(found.usage, NotApplicable)


@pytest.mark.parametrize(
    ("agent", "local", "error", "says"),
    [
        (Agent("a", pid=1, host="another-machine"), True, NotApplicable, "is on this machine"),
        (Agent("a", pid=1), False, NotApplicable, "is on this machine"),
        (Agent("a"), True, NotApplicable, "is on this machine"),
        # The process is younger than the heartbeat, or there is none.
        (
            Agent("a", pid=1, heartbeat=1.0),
            True,
            MeasurementUnavailable,
            "no process of 1 agents was found",
        ),
        (
            Agent("a", pid=2**22 + 1),
            True,
            MeasurementUnavailable,
            "no process of 1 agents was found",
        ),
    ],
)
def test_agents_elsewhere_are_not_applicable_and_without_a_process_unmeasured(
    agent: Agent, local: bool, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ProcessMeter(snapshot(agents=Agents.of((agent,)), local=local))


def at(clock: float, agents: Agents, **tasks: Any) -> Snapshot:
    return Snapshot(taken=NOW, clock=clock, agents=agents, tasks=Tasks(**tasks))


IDLE, FULL, HALF = Agents(2, 0), Agents(2, 2), Agents(2, 1)
WAITS: dict[str, Any] = {"waiting": 3, "next_ids": ("7",), "active": 0}


@pytest.mark.parametrize(
    ("agents", "before", "after", "says"),
    [
        (IDLE, WAITS, WAITS, "3 tasks wait, none was taken in 3.0 s, although 2 of 2 agents"),
        (HALF, WAITS, {**WAITS, "active": 1}, "although 1 of 2 agents have no task"),
        (Agents(0, 0), WAITS, WAITS, "and there is no agent"),
        (Agents(), WAITS, WAITS, "and no task is under way"),
        (Agents(), WAITS, {**WAITS, "active": 1}, ""),
        (Agents(), WAITS, {**WAITS, "active": None}, ""),
        (FULL, WAITS, WAITS, ""),
        (IDLE, WAITS, {**WAITS, "next_ids": ("8",)}, ""),
        (IDLE, WAITS, {**WAITS, "waiting": 0}, ""),
        (IDLE, {**WAITS, "held_back": "paused"}, WAITS, ""),
        (IDLE, {"waiting": 3}, {"waiting": 3}, "none was taken"),
        (IDLE, {"waiting": 3}, {"waiting": 2}, ""),
        (IDLE, {"waiting": 3, "completed": 1}, {"waiting": 3, "completed": 2}, ""),
        (IDLE, {}, {}, ""),
    ],
)
def test_waiting_work_must_be_taken_unless_something_holds_it_back(
    agents: Agents, before: dict[str, Any], after: dict[str, Any], says: str
) -> None:
    found = metrics.find_untaken(at(1.0, agents, **before), at(4.0, agents, **after))
    assert (says in found) if says else found == ""


def test_workers_that_are_elsewhere_are_named() -> None:
    facts: dict[str, Any] = {"workers_elsewhere": "one in database 1"}
    last = msgspec.structs.replace(at(4.0, Agents(0, 0), **WAITS), facts=facts)
    assert "one in database 1" in metrics.find_untaken(at(1.0, Agents(0, 0), **WAITS), last)
