"""The figures that follow from a reading, each measured or absent; pure."""

from __future__ import annotations

import math

import msgspec

from pytest_flowhealth.probes.fleet.snapshot import Agent, Snapshot, Swarm, Tasks, Working

LEAST_SWARMS = 5
"""Ended swarms without which their success is not judged."""


class Counted(msgspec.Struct, frozen=True):
    """How many of how many: the rest failed."""

    good: int
    all: int

    @property
    def percent(self) -> float:
        """The share of the good ones."""
        return 100.0 * self.good / self.all


def completion(tasks: Tasks) -> Counted | None:
    """Return how many of the tasks that ended did so well; None where that is not known."""
    if tasks.completed is None or tasks.failed is None:
        return None
    return Counted(tasks.completed, tasks.completed + tasks.failed)


def drain(snapshot: Snapshot) -> float | None:
    """Return the seconds until what waits is done: waiting * mean duration / agents.

    Each agent is taken to do one task at a time. Infinite where no agent is there; None where
    the agents or how long a task takes are not known.
    """
    waiting, agents = snapshot.tasks.waiting, snapshot.agents.total
    durations = snapshot.tasks.durations
    if waiting is None or agents is None:
        return None
    if waiting == 0:
        return 0.0
    if agents == 0:
        return math.inf
    return waiting * math.fsum(durations) / len(durations) / agents if durations else None


def swarm_success(swarms: tuple[Swarm, ...]) -> Counted:
    """Return how many of the swarms that ended did so well."""
    ends = [swarm.success for swarm in swarms if swarm.success is not None]
    return Counted(sum(ends), len(ends))


def stuck(working: tuple[Working, ...], taken: float, limit: float) -> list[Working]:
    """Return the tasks that are under way for longer than `limit` seconds, the longest first."""
    late = [task for task in working if task.since is not None and taken - task.since > limit]
    return sorted(late, key=lambda task: task.since or 0.0)


def abandoned(working: tuple[Working, ...], last: tuple[Working, ...]) -> list[str]:
    """Return the tasks that no agent holds, at two looks: in between, one may just be handed over."""
    loose = {task.id for task in working if task.held is False}
    return [task.id for task in last if task.held is False and task.id in loose]


def silent(snapshot: Snapshot, limit: float) -> list[Agent | Swarm]:
    """Return the agents, and the swarms that have not ended, whose heartbeat is older than `limit` s."""
    lives: list[Agent | Swarm] = [agent for agent in snapshot.agents.members if not agent.gone]
    lives += [swarm for swarm in snapshot.swarms or () if swarm.success is None]
    return [
        agent
        for agent in lives
        if agent.heartbeat is not None and snapshot.taken - agent.heartbeat > limit
    ]


def with_heartbeat(snapshot: Snapshot) -> int:
    """Return how many agents and living swarms tell a heartbeat at all."""
    return sum(agent.heartbeat is not None for agent in snapshot.agents.members) + sum(
        agent.heartbeat is not None and agent.success is None for agent in snapshot.swarms or ()
    )


def find_untaken(first: Snapshot, last: Snapshot) -> str:
    """Return why waiting work is not picked up, "" if it is, or if nothing waits.

    Work is not picked up if it waits in both snapshots, none of it was taken in between although
    nothing holds it back, and an agent has no task. Without knowledge of the agents, any task under
    way counts as an agent that is busy.
    """
    before, after = first.tasks, last.tasks
    if not before.waiting or not after.waiting or before.held_back or after.held_back:
        return ""
    if _was_taken(before, after):
        return ""
    agents, busy = last.agents.total, last.agents.busy
    if agents is None or busy is None:
        if after.active is None or after.active or before.active:
            return ""
        idle = "and no task is under way"
    elif busy >= agents > 0:
        return ""
    else:
        idle = (
            f"although {agents - busy:,} of {agents:,} agents have no task"
            if agents
            else "and there is no agent"
        )
    seconds = last.clock - first.clock
    elsewhere = last.facts.get("workers_elsewhere")
    hint = f"; workers of a queue with this name: {elsewhere}" if elsewhere else ""
    return f"{after.waiting:,} tasks wait, none was taken in {seconds:.1f} s, {idle}{hint}"


def _was_taken(before: Tasks, after: Tasks) -> bool:
    if before.next_ids and after.next_ids:
        return before.next_ids != after.next_ids
    return (
        (after.waiting or 0) < (before.waiting or 0)
        or (before.completed, before.failed) != (after.completed, after.failed)
        or before.active != after.active
    )
