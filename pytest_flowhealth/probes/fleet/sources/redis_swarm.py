"""The source redis-swarm: swarms, their agents and tasks, as claude-flow-novice keeps them in Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.fleet.parsing import ProblemNotes, RecordParser, decode_text
from pytest_flowhealth.probes.fleet.snapshot import Agents, Snapshot, Swarm, Tasks
from pytest_flowhealth.probes.fleet.sources import redis_reading
from pytest_flowhealth.probes.fleet.sources.redis_reading import Records
from pytest_flowhealth.probes.fleet.sources.swarm_events import Events, listen
from pytest_flowhealth.probes.fleet.sources.swarm_keys import SwarmKeys
from pytest_flowhealth.probes.fleet.sources.swarm_records import (
    AGENT,
    TASK,
    ParsedSwarms,
    Parser,
    SwarmRecords,
)
from pytest_flowhealth.probes.redis.session import RedisConnection

STATUSES = ("initializing", "active", "recovering", "interrupted", "completed", "failed")
"""The states that swarms are kept by."""

MOST_SWARMS = 1_000
"""Swarms that are read: the newest."""

MOST_HASHES = 5_000
"""Hashes of agents and tasks that are read."""


class RedisSwarm:
    """Reads swarms.

    Args:
        records: Where they are.
        keys: How the keys are named.
        window: Seconds that ended swarms, and those without a sign of life, count for.
        listening: Seconds that the events are listened to; 0 for not at all.
        now: Seconds since 1970.
        clock: Seconds that only go up.
    """

    name = "redis-swarm"

    def __init__(
        self,
        records: Records,
        keys: SwarmKeys,
        *,
        window: float = 3_600.0,
        listening: float = 1.0,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.records = records
        self.keys = keys
        self.window = window
        self.listening = listening
        self._now = now
        self._clock = clock
        self._heard: Events | None = None

    @property
    def place(self) -> str:
        """Where it reads, without a password."""
        return self.records.address.shown

    def read(self) -> Snapshot:
        """Return what the records tell now.

        Raises:
            CheckFailed: There is no connection, or it broke off.
            MeasurementUnavailable: Our user may not read the records.
        """
        if self.records.address.kind == "cluster":
            raise MeasurementUnavailable(
                "swarms in a Redis Cluster are not read: their keys are spread over its nodes",
                remedy="name one server: [fleet] url in flowhealth.toml",
            )
        notes, now = ProblemNotes(), self._now()
        parser = RecordParser(now, notes)
        events = self._listen(parser)
        index = self.keys.name("index")
        clock = self._clock()
        found = self.records.ask(lambda session: self._find(session, now), key=index)
        parsed = Parser(parser, now, self.window).parsed(found)
        return self._snapshot(parsed, events, found, (now, clock, notes))

    def _listen(self, parser: RecordParser) -> Events | None:
        """Listen once for this source's life: the window is for the whole check."""
        if self._heard is not None or not self.listening:
            return self._heard
        pattern = self.keys.pattern("events")
        try:
            self._heard = self.records.ask(
                lambda session: listen(session, pattern, self.listening, parser), key=pattern
            )
        except MeasurementUnavailable as error:
            parser.notes.add(f"the events were not listened to: {error.message}")
        return self._heard

    def _find(self, session: RedisConnection, now: float) -> SwarmRecords:
        found = SwarmRecords()
        ids = self._ids(session, found)
        keys = [self.keys.name("swarm", id=swarm) for swarm in ids]
        found.swarms = dict(zip(ids, list(redis_reading.read_texts(session, keys)), strict=True))
        hashed = [swarm for swarm in ids if isinstance(found.swarms[swarm], Exception)]
        names = [self.keys.name("swarm", id=swarm) for swarm in hashed]
        read = redis_reading.read_hashes(session, names, ("status", "state", "confidence", *_BEATS))
        found.hashes = {swarm: entry for swarm, entry in zip(hashed, read, strict=True) if entry}
        self._archive(session, now, found)
        self._members(session, found)
        return found

    def _ids(self, session: RedisConnection, found: SwarmRecords) -> list[str]:
        """Return the ids of the swarms, newest first, and note the state that each is kept by."""
        index = self.keys.name("index")
        listed = redis_reading.send(session, "ZREVRANGE", index, 0, MOST_SWARMS)
        if isinstance(listed, Exception):
            found.partial.append(f"{index} is no sorted set")
            listed = []
        ids = dict.fromkeys(decode_text(name) for name in listed[:MOST_SWARMS])
        for status in STATUSES:
            listed_names, whole = redis_reading.read_members(
                session, self.keys.name("status", status=status), MOST_SWARMS
            )
            found.states.update({decode_text(name): status for name in listed_names})
            ids.update(dict.fromkeys(decode_text(name) for name in listed_names))
            if not whole:
                found.partial.append(f"only {MOST_SWARMS:,} of the {status} swarms were read")
        if len(listed) > MOST_SWARMS:
            found.partial.append(f"only the newest {MOST_SWARMS:,} swarms of {index} were read")
        return [*ids][: 2 * MOST_SWARMS]

    def _archive(self, session: RedisConnection, now: float, found: SwarmRecords) -> None:
        since = int((now - self.window) * 1_000)
        index = self.keys.name("archive_index")
        reply = redis_reading.send(
            session, "ZREVRANGEBYSCORE", index, "+inf", since, "LIMIT", 0, MOST_SWARMS
        )
        if isinstance(reply, Exception):
            return
        ids = [decode_text(name) for name in reply]
        keys = [self.keys.name("archive", id=swarm) for swarm in ids]
        found.ended = dict(zip(ids, list(redis_reading.read_texts(session, keys)), strict=True))
        if len(ids) == MOST_SWARMS:
            found.partial.append(f"only the latest {MOST_SWARMS:,} archived swarms were read")

    def _members(self, session: RedisConnection, found: SwarmRecords) -> None:
        """Find the hashes of agents and tasks, by going over the database once for each."""
        for role, fields in (("agent", AGENT), ("task", TASK)):
            keys, whole = redis_reading.scan_keys(session, self.keys.pattern(role), MOST_HASHES)
            if not whole:
                found.partial.append(
                    f"the database was not gone over to its end for {self.keys.pattern(role)}"
                )
            texts = [decode_text(key) for key in keys]
            entries = redis_reading.read_hashes(session, texts, fields)
            into = found.agents if role == "agent" else found.tasks
            for key, values in zip(texts, entries, strict=True):
                parts = self.keys.parts(role, key)
                if parts and values:
                    into[parts["id"], parts[role]] = values

    def _snapshot(
        self,
        parsed: ParsedSwarms,
        events: Events | None,
        found: SwarmRecords,
        taken: tuple[float, float, ProblemNotes],
    ) -> Snapshot:
        now, clock, notes = taken
        agents = parsed.agents_with(events)
        tasks = parsed.tasks_with(events, self.window)
        return Snapshot(
            taken=now,
            clock=clock,
            agents=Agents.of(agents) if parsed.tells_agents or agents else Agents(),
            tasks=tasks,
            swarms=parsed.swarms,
            spawn_times=parsed.spawn_times(),
            local=self.records.address.local,
            never=_never(agents, parsed.swarms, tasks),
            bad=notes.list_problems(),
            partial=tuple(found.partial),
            facts=_facts(parsed, events),
        )


_BEATS = ("lastHeartbeat", "lastActivity", "updatedAt")


def _never(agents: Iterable[Any], swarms: tuple[Swarm, ...], tasks: Tasks) -> dict[str, str]:
    """Return what these records do not hold, since their schema leaves it open."""
    agents = [*agents]
    never = {}
    if not agents:
        never["processes"] = never["busy"] = never["heartbeat"] = "no agent is registered"
    elif not any(agent.pid for agent in agents):
        never["processes"] = "the agents' records in redis-swarm hold no process ids"
    if (
        agents
        and not any(agent.heartbeat for agent in agents)
        and not any(swarm.heartbeat for swarm in swarms)
    ):
        never["heartbeat"] = "the records in redis-swarm hold no heartbeats"
    if tasks.working is None:
        never["working"] = "the records in redis-swarm hold no tasks that are under way"
    return never


def _facts(parsed: ParsedSwarms, events: Events | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"swarms": len(parsed.swarms), "errors": parsed.errors}
    facts["agents_spawned"] = parsed.spawned
    if events is not None:
        facts["events"] = sum(events.counts.values())
        facts["events_seconds"] = round(events.seconds, 1)
        facts |= {f"event_{name}": number for name, number in events.counts.items()}
    return facts
