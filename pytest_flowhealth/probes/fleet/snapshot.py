"""What a fleet's records tell at one moment, whatever they were read from.

What a source does not tell is `None`; what it can never tell is named in
`Snapshot.never`, with the reason. Nothing is put in for what is missing.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable, NotApplicable

Value = TypeVar("Value")

BUSY = frozenset({"busy", "working", "allocated", "in_progress", "processing", "executing"})
"""States of an agent that is at a task."""

IDLE = frozenset({"active", "available", "idle", "ready", "running", "waiting", "healthy"})
"""States of an agent that is there and could take a task."""

GONE = frozenset(
    {
        *("completed", "crashed", "dead", "disconnected", "error", "exited", "failed"),
        *("offline", "released", "removed", "stopped", "terminated", "unregistered"),
    }
)
"""States of an agent that is no more."""

SUCCEEDED = frozenset({"completed", "complete", "done", "finished", "success", "succeeded"})
"""States of a task or a swarm that ended well."""

FAILED = frozenset({"aborted", "crashed", "error", "failed", "interrupted", "timeout"})
"""States of a task or a swarm that did not."""

ACTIVE = frozenset(
    {"active", "assigned", "executing", "in_progress", "processing", "running", "started"}
)
"""States of a task that an agent is at."""

WAITING = frozenset(
    {"blocked", "created", "delayed", "new", "paused", "pending", "queued", "ready", "todo"}
    | {"wait", "waiting"}
)
"""States of a task that waits for an agent."""


class Agent(msgspec.Struct, frozen=True):
    """One agent.

    Attributes:
        id: Its name.
        state: As the source words it, in lower case.
        pid: Its process.
        host: The machine that the process is on.
        address: Host and port of its connection to the source, where that leads to its process.
        spawn_begin: When it began to be started; like all moments in s since 1970.
        ready: When it was ready.
        heartbeat: Its last sign of life.
    """

    id: str
    state: str | None = None
    pid: int | None = None
    host: str | None = None
    address: str | None = None
    spawn_begin: float | None = None
    ready: float | None = None
    heartbeat: float | None = None

    @property
    def gone(self) -> bool:
        """Whether it is no more."""
        return self.state in GONE

    @property
    def busy(self) -> bool | None:
        """Whether it is at a task, None where its state does not tell."""
        if self.state in BUSY:
            return True
        return False if self.state in IDLE | GONE else None


class Agents(msgspec.Struct, frozen=True):
    """The agents: how many there are (`total`) and are at a task (`busy`), and those known by name."""

    total: int | None = None
    busy: int | None = None
    members: tuple[Agent, ...] = ()

    @classmethod
    def of(cls, members: tuple[Agent, ...]) -> Agents:
        """Return what the agents that are known by name make."""
        alive = tuple(agent for agent in members if not agent.gone)
        flags = [agent.busy for agent in alive]
        busy = None if None in flags else sum(bool(is_busy) for is_busy in flags)
        return cls(total=len(alive), busy=busy, members=alive)


class Working(msgspec.Struct, frozen=True):
    """A task under way: its id, since when, whether an agent still holds it, and which one."""

    id: str
    since: float | None = None
    held: bool | None = None
    holder: str = ""


class Tasks(msgspec.Struct, frozen=True):
    """The tasks.

    Attributes:
        completed: How many ended well, within `basis`.
        failed: How many did not.
        active: How many are under way.
        waiting: How many wait for an agent.
        delayed: How many are not due yet.
        durations: Seconds from begin to end of finished ones, the most recent.
        working: Those under way, where they are known one by one.
        basis: What `completed` and `failed` were counted over, in words.
        next_ids: The waiting tasks that an agent would take next; () where they are not known.
        overdue: How many delayed ones are past their time, by at least 5 s.
        orphaned: Parents that wait for tasks which are gone or have failed.
        stalled: How often an agent lost a task, within `basis`.
        lost: Tasks that wait or are under way, although their data are gone.
        lost_schedules: Schedules that are past their time, and whose next task does not exist.
        held_back: Why waiting tasks rightly wait (paused, a rate limit), "" if nothing does.
    """

    completed: int | None = None
    failed: int | None = None
    active: int | None = None
    waiting: int | None = None
    delayed: int | None = None
    durations: tuple[float, ...] = ()
    working: tuple[Working, ...] | None = None
    basis: str = ""
    next_ids: tuple[str, ...] = ()
    overdue: int | None = None
    orphaned: tuple[str, ...] = ()
    stalled: int | None = None
    lost: tuple[str, ...] = ()
    lost_schedules: tuple[str, ...] = ()
    held_back: str = ""


class Swarm(msgspec.Struct, frozen=True):
    """One swarm: its state in lower case, its confidence from 0 to 1, its last sign of life."""

    id: str
    state: str | None = None
    confidence: float | None = None
    heartbeat: float | None = None

    @property
    def success(self) -> bool | None:
        """Whether it ended well; None where it did not end."""
        if self.state in SUCCEEDED:
            return True
        return False if self.state in FAILED else None


class Snapshot(msgspec.Struct, frozen=True):
    """What a source told.

    Attributes:
        taken: When, in s since 1970.
        clock: When, by a clock that only goes up, in s.
        agents: The agents.
        tasks: The tasks.
        swarms: The swarms, None where the source has none.
        spawn_times: Milliseconds from begin to ready of the starts that the source recorded.
        local: Whether process ids without a host are this machine's.
        never: What the source can't know, with the reason: agents, busy, processes, heartbeat,
            completion, active, waiting, working, swarms.
        bad: Records that could not be used, with the reason.
        partial: What was not looked at because there is too much of it.
        facts: What else it told.
    """

    taken: float
    clock: float
    agents: Agents = Agents()
    tasks: Tasks = Tasks()
    swarms: tuple[Swarm, ...] | None = None
    spawn_times: tuple[float, ...] = ()
    local: bool = False
    never: dict[str, str] = {}
    bad: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    facts: dict[str, str | int | float | bool] = {}

    def known(self, name: str, value: Value | None) -> Value:
        """Return `value`.

        Args:
            name: What it is, as in `never`.
            value: What the source told of it.

        Raises:
            NotApplicable: It is None, and the source can never know it.
            MeasurementUnavailable: It is None.
        """
        if value is not None:
            return value
        if name in self.never:
            raise NotApplicable(f"not known to this source: {self.never[name]}")
        raise MeasurementUnavailable(f"the source's records did not tell it ({name})")
