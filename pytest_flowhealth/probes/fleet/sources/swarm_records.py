"""The records of redis-swarm, parsed: what each swarm, agent and task tells of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.probes.fleet.parsing import RecordParser, decode_text
from pytest_flowhealth.probes.fleet.snapshot import (
    ACTIVE,
    FAILED,
    GONE,
    SUCCEEDED,
    WAITING,
    Agent,
    Swarm,
    Tasks,
    Working,
)

if TYPE_CHECKING:
    from pytest_flowhealth.probes.fleet.sources.swarm_events import Events

BEGUN = ("spawnBegin", "spawnedAt", "startedAt", "createdAt")
READY = ("readyAt", "ready")
BEAT = ("lastHeartbeat", "heartbeat", "lastActive", "lastActivity", "updatedAt")
ENDED = ("completedAt", "finishedAt", "endedAt", "updatedAt")
STATE = ("status", "state")
AGENT = ("id", *STATE, "pid", "host", *BEGUN[:3], *READY, *BEAT)
"""The fields of an agent's hash that are read."""

TASK = (*STATE, "startedAt", "createdAt", *ENDED)
"""The fields of a task's hash that are read."""

_MOST_IN_ONE = 10_000


class SwarmRecords:
    """What one reading found: raw records by swarm."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.swarms: dict[str, bytes | Exception | None] = {}
        self.ended: dict[str, bytes | Exception | None] = {}
        self.hashes: dict[str, dict[str, bytes]] = {}
        self.agents: dict[tuple[str, str], dict[str, bytes]] = {}
        self.tasks: dict[tuple[str, str], dict[str, bytes]] = {}
        self.partial: list[str] = []


class ParsedSwarms(msgspec.Struct):
    """What the records say, added up while they are parsed.

    `tells_agents` and `tells_tasks`: whether any record lists them, an empty list included.
    """

    swarms: tuple[Swarm, ...] = ()
    agents: dict[str, Agent] = {}
    completed: int = 0
    failed: int = 0
    errors: int = 0
    spawned: int = 0
    tells_agents: bool = False
    tells_tasks: bool = False
    tells_ended: bool = False
    tasks: Counter[str] = msgspec.field(default_factory=Counter)
    working: list[Working] = []
    durations: list[float] = []

    def agents_with(self, events: Events | None) -> tuple[Agent, ...]:
        """Return the agents; the last event of one says more than its record."""
        states = events.states if events else {}
        agents = {
            name: msgspec.structs.replace(agent, state=states.get(name, agent.state))
            for name, agent in self.agents.items()
        }
        new = {name: Agent(name, state) for name, state in states.items() if name not in agents}
        return (*agents.values(), *new.values())

    def tasks_with(self, events: Events | None, window: float) -> Tasks:
        """Return the tasks; those that events tell of count where no record does."""
        basis = f"the swarms with a sign of life within {format_number(window / 60)} min"
        completed, failed, durations = self.completed, self.failed, self.durations
        if not self.tells_ended or completed + failed == 0:
            completed = events.completed if events else 0
            failed = events.failed if events else 0
            durations = events.durations if events else []
            basis = f"{format_number(events.seconds)} s of events" if events else "no record"
        known = self.tells_ended or events is not None
        return Tasks(
            completed=completed if known else None,
            failed=failed if known else None,
            active=self.tasks["active"] if self.tells_tasks else None,
            waiting=self.tasks["waiting"] if self.tells_tasks else None,
            durations=tuple(durations),
            working=tuple(self.working) if self.tells_tasks else None,
            basis=basis,
        )

    def spawn_times(self) -> tuple[float, ...]:
        """Return the milliseconds from begin to ready of the agents that tell both."""
        return tuple(
            1_000.0 * (value.ready - value.spawn_begin)
            for value in self.agents.values()
            if value.ready and value.spawn_begin and value.ready >= value.spawn_begin
        )


class Parser:
    """Parses what one reading found.

    Args:
        taker: Takes the values.
        now: Seconds since 1970.
        window: Seconds; a swarm whose last sign of life is older does not count.
    """

    def __init__(self, parser: RecordParser, now: float, window: float) -> None:
        self._parser = parser
        self._since = now - window
        self._parsed = ParsedSwarms()

    def parsed(self, found: SwarmRecords) -> ParsedSwarms:
        """Return all of it, added up."""
        # A registry that is there and empty tells that there is nothing.
        nothing = not (found.swarms or found.ended or found.agents or found.tasks)
        self._parsed.tells_tasks = self._parsed.tells_agents = nothing
        self._parsed.tells_ended = nothing
        hashed = {swarm for swarm, _ in found.tasks}
        swarms = [*self._swarms(found, hashed), *self._ended(found)]
        for (swarm, name), values in found.agents.items():
            self._agent(
                {key: decode_text(value) for key, value in values.items()}, f"{swarm}:{name}"
            )
        for (swarm, name), values in found.tasks.items():
            self._parsed.tells_ended = True
            entry = {key: decode_text(value) for key, value in values.items()}
            self._task(entry, f"{swarm}:{name}", counts=True)
        self._parsed.swarms = tuple(swarms)
        return self._parsed

    def _swarms(self, found: SwarmRecords, hashed: set[str]) -> Iterator[Swarm]:
        for name, record in found.swarms.items():
            entry = self._table(record, f"the swarm {name}", found.hashes.get(name))
            if entry is None:
                continue  # Expired: an index outlives its records.
            swarm = self._swarm(name, entry, found.states.get(name))
            fresh = swarm.heartbeat is None or swarm.heartbeat >= self._since
            self._tells(entry, fresh=fresh)
            if fresh:
                self._inside(swarm, entry, counts=name not in hashed)
            if fresh or swarm.success is None:
                yield swarm  # One that neither ended nor gives a sign of life is silent.

    def _tells(self, entry: Mapping[str, Any], *, fresh: bool) -> None:
        parsed = self._parsed
        parsed.tells_agents |= isinstance(entry.get("agents"), list)
        parsed.tells_tasks |= isinstance(entry.get("tasks"), list)
        parsed.tells_ended |= not fresh and isinstance(entry.get("metrics"), dict)

    def _ended(self, found: SwarmRecords) -> Iterator[Swarm]:
        for name, record in found.ended.items():
            entry = self._table(record, f"the archived swarm {name}", None)
            if entry is None or name in found.swarms:
                continue
            reason = self._parser.state(entry.get("archiveReason"), f"{name}: archiveReason")
            yield self._swarm(name, {**entry, "status": reason or entry.get("status")}, None)
            self._metrics(name, entry)

    def _table(
        self, record: object, where: str, fields: Mapping[str, bytes] | None
    ) -> Mapping[str, Any] | None:
        if isinstance(record, bytes):
            return self._parser.table(record, where)
        if fields:
            return {name: decode_text(value) for name, value in fields.items()}
        if isinstance(record, Exception):
            self._parser.notes.add(f"{where} can't be read: {record}")
        return None

    def _swarm(self, name: str, entry: Mapping[str, Any], listed_status: str | None) -> Swarm:
        parse, where = self._parser, f"the swarm {name}"
        return Swarm(
            id=parse.text(name, where) or "?",
            state=parse.state(_first(entry, STATE), f"{where}: status") or listed_status,
            confidence=parse.share(entry.get("confidence"), f"{where}: confidence"),
            heartbeat=parse.moment(_first(entry, BEAT), f"{where}: lastHeartbeat"),
        )

    def _inside(self, swarm: Swarm, entry: Mapping[str, Any], *, counts: bool) -> None:
        name, ended = swarm.id, swarm.success is not None
        if counts:
            self._metrics(name, entry)
        agents, tasks = entry.get("agents"), entry.get("tasks")
        if isinstance(agents, list):
            for number, agent in enumerate([] if ended else agents[:_MOST_IN_ONE]):
                self._listed_agent(agent, f"{name}:{number}")
        if isinstance(tasks, list):
            for number, task in enumerate(tasks[:_MOST_IN_ONE]):
                if isinstance(task, dict):
                    self._task(task, f"{name}:{number}", counts=False)

    def _metrics(self, name: str, entry: Mapping[str, Any]) -> None:
        metrics = entry.get("metrics")
        if metrics is None:
            return
        if not isinstance(metrics, dict):
            self._parser.notes.add(f"the swarm {name}: metrics is no object")
            return
        where = f"the swarm {name}: metrics"
        count = {
            field: self._parser.count(metrics.get(field), f"{where}.{field}")
            for field in ("tasksCompleted", "tasksFailed", "agentsSpawned", "errors")
        }
        if count["tasksCompleted"] is not None and count["tasksFailed"] is not None:
            self._parsed.tells_ended = True
            self._parsed.completed += count["tasksCompleted"]
            self._parsed.failed += count["tasksFailed"]
        self._parsed.spawned += count["agentsSpawned"] or 0
        self._parsed.errors += count["errors"] or 0

    def _listed_agent(self, entry: object, name: str) -> None:
        if isinstance(entry, dict):
            self._agent(entry, name)
        elif isinstance(entry, str) and entry:
            text = self._parser.text(entry, f"the agent {name}") or name
            self._parsed.agents.setdefault(text, Agent(text))

    def _agent(self, entry: Mapping[str, Any], name: str) -> None:
        parse, where = self._parser, f"the agent {name}"
        found = parse.text(entry.get("id"), f"{where}: id") or name.rpartition(":")[2]
        agent = Agent(
            id=found,
            state=parse.state(_first(entry, STATE), f"{where}: status"),
            pid=parse.count(entry.get("pid"), f"{where}: pid") or None,
            host=parse.text(entry.get("host"), f"{where}: host"),
            spawn_begin=parse.moment(_first(entry, BEGUN[:3]), f"{where}: spawnBegin"),
            ready=parse.moment(_first(entry, READY), f"{where}: readyAt"),
            heartbeat=parse.moment(_first(entry, BEAT), f"{where}: lastHeartbeat"),
        )
        self._parsed.tells_agents = True
        if agent.state not in GONE:
            self._parsed.agents[found] = agent

    def _task(self, entry: Mapping[str, Any], name: str, *, counts: bool) -> None:
        parse, parsed, where = self._parser, self._parsed, f"the task {name}"
        parsed.tells_tasks = True
        state = parse.state(_first(entry, STATE), f"{where}: status")
        since = parse.moment(_first(entry, ("startedAt", "createdAt")), f"{where}: startedAt")
        ended = parse.moment(_first(entry, ENDED), f"{where}: completedAt")
        if state in ACTIVE:
            parsed.tasks["active"] += 1
            parsed.working.append(Working(parse.text(name, where) or "?", since))
        elif state in WAITING:
            parsed.tasks["waiting"] += 1
        elif counts and (ended is None or ended >= self._since):
            parsed.completed += state in SUCCEEDED
            parsed.failed += state in FAILED
            if since and ended and ended >= since:
                parsed.durations.append(ended - since)


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the value of the first of these fields that is there."""
    return next((entry[name] for name in names if entry.get(name) not in (None, "")), None)
