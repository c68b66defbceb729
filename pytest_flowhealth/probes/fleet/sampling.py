"""Two looks at a fleet, a second apart, and what its processes used in between."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes.fleet import metrics
from pytest_flowhealth.probes.fleet.metrics import Counted
from pytest_flowhealth.probes.fleet.snapshot import Agent, Snapshot, Swarm, Working
from pytest_flowhealth.probes.fleet.source import Source
from pytest_flowhealth.probes.fleet.utilisation import ProcessMeter, Usage

CONFIRM = 2.0
"""Seconds until another snapshot, if waiting work seems not to be picked up."""

BETWEEN = 1.0
"""Seconds between two looks."""


class FleetSample(msgspec.Struct, frozen=True):
    """What was read.

    Attributes:
        source: The source's name.
        place: Where it reads, without secrets.
        first: The first snapshot.
        last: The second one.
        seconds: What the first one took to be read.
        usage: What the agents' processes used, or why that is not known.
    """

    source: str
    place: str
    first: Snapshot
    last: Snapshot
    seconds: float
    usage: Usage | FlowHealthError

    @property
    def apart(self) -> float:
        """Seconds between the two snapshots."""
        return self.last.clock - self.first.clock

    @property
    def growth(self) -> float | None:
        """Waiting tasks that came on top a second; below zero, they become fewer."""
        before, after = self.first.tasks.waiting, self.last.tasks.waiting
        if before is None or after is None or self.apart <= 0:
            return None
        return (after - before) / self.apart

    @property
    def completion(self) -> Counted | None:
        """How many of the tasks that ended did so well; None where that is not known."""
        return metrics.completion(self.last.tasks)

    @property
    def untaken(self) -> str:
        """Why waiting work is not picked up, "" if it is."""
        return metrics.find_untaken(self.first, self.last)

    @property
    def overdue(self) -> int | None:
        """How many delayed tasks are past their time in both snapshots; None if not known."""
        before, after = self.first.tasks.overdue, self.last.tasks.overdue
        return None if before is None or after is None else min(before, after)

    @property
    def orphaned(self) -> list[str]:
        """The parents that wait for tasks which are gone or failed, in both snapshots."""
        return [
            parent for parent in self.last.tasks.orphaned if parent in self.first.tasks.orphaned
        ]

    @property
    def lost(self) -> list[str]:
        """The tasks whose data are gone, in both snapshots."""
        return [task for task in self.last.tasks.lost if task in self.first.tasks.lost]

    @property
    def lost_schedules(self) -> list[str]:
        """The schedules without a next task, in both snapshots."""
        before = self.first.tasks.lost_schedules
        return [name for name in self.last.tasks.lost_schedules if name in before]

    @property
    def swarm_success(self) -> Counted:
        """How many of the swarms that ended did so well."""
        return metrics.swarm_success(self.last.swarms or ())

    @property
    def with_heartbeat(self) -> int:
        """How many agents, and swarms that have not ended, record a heartbeat."""
        return metrics.with_heartbeat(self.last)

    @property
    def abandoned(self) -> list[str]:
        """The ids of the tasks that no agent holds in both snapshots."""
        return metrics.abandoned(self.first.tasks.working or (), self.last.tasks.working or ())

    def stuck(self, limit: float) -> list[Working]:
        """Return the tasks that are under way for longer than `limit` seconds, the longest first."""
        return metrics.stuck(self.last.tasks.working or (), self.last.taken, limit)

    def silent(self, limit: float) -> list[Agent | Swarm]:
        """Return the agents and swarms whose last heartbeat is older than `limit` seconds."""
        return metrics.silent(self.last, limit)

    @property
    def busy(self) -> float | None:
        """Percent of the agents that are at a task, the mean of both looks."""
        shares = [_busy(snapshot) for snapshot in (self.first, self.last)]
        known = [share for share in shares if share is not None]
        return sum(known) / len(known) if known else None


def read(
    source: Source,
    *,
    between: float = BETWEEN,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> FleetSample:
    """Look at a fleet twice.

    Args:
        source: Where its records are.
        between: Seconds between both looks.
        sleep: Waits.
        clock: Seconds that only go up.

    Raises:
        CheckFailed: The source is down.
        MeasurementUnavailable: It may not be read.
    """
    begin = clock()
    first = source.read()
    seconds = clock() - begin
    processes: ProcessMeter | FlowHealthError
    try:
        processes = ProcessMeter(first, clock=clock)
    except FlowHealthError as error:
        processes = error
    sleep(between)
    usage = _usage(processes)
    last = source.read()
    if metrics.find_untaken(first, last):
        # A worker that has just reconnected takes a moment: look once more before it is said.
        sleep(CONFIRM)
        last = source.read()
    return FleetSample(source.name, source.place, first, last, seconds, usage)


def _usage(processes: ProcessMeter | FlowHealthError) -> Usage | FlowHealthError:
    if isinstance(processes, FlowHealthError):
        return processes
    try:
        return processes.usage()
    except FlowHealthError as error:
        return error


def _busy(snapshot: Snapshot) -> float | None:
    agents = snapshot.agents
    if not agents.total or agents.busy is None:
        return None
    return 100.0 * min(agents.busy, agents.total) / agents.total
