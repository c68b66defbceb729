"""The events of a fleet: what its channel tells while it is listened to.

Messages are JSON with a ``type``: ``agent_registered``, ``agent_allocated``,
``agent_released`` (with ``result.success`` and ``result.duration`` in ms) and
``pool_scaled``; others are counted and left.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pytest_flowhealth.probes.fleet.parsing import RecordParser
from pytest_flowhealth.probes.redis.session import RedisConnection

MOST = 10_000
"""Messages that are taken at the most."""

LARGEST = 65_536
"""Bytes of a message that is read."""


class Events:
    """What was heard: counts by type, the tasks that ended, agents with their last state."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.completed = 0
        self.failed = 0
        self.durations: list[float] = []
        self.states: dict[str, str] = {}
        self.seconds = 0.0
        self.full = False

    def take(self, message: Mapping[str, Any], parser: RecordParser) -> None:
        """Take in one message."""
        kind = parser.text(message.get("type"), "an event's type") or "?"
        self.counts[kind if kind in _STATES or kind == "pool_scaled" else "other"] += 1
        agent = parser.text(message.get("agentId"), "an event's agentId")
        if agent and kind in _STATES:
            self.states[agent] = _STATES[kind]
        if kind == "agent_released":
            self._released(message.get("result"), parser)

    def _released(self, result: object, parser: RecordParser) -> None:
        if not isinstance(result, dict) or not isinstance(result.get("success"), bool):
            return
        self.completed += result["success"]
        self.failed += not result["success"]
        lasted = parser.number(result.get("duration"), "an event's result.duration")
        if lasted is not None:
            self.durations.append(lasted / 1_000.0)


_STATES = {"agent_registered": "idle", "agent_allocated": "busy", "agent_released": "idle"}


def listen(
    session: RedisConnection,
    pattern: str,
    seconds: float,
    parser: RecordParser,
    clock: Callable[[], float] = time.monotonic,
) -> Events:
    """Listen to the channels that match `pattern` for so many seconds, and return what was heard.

    Raises:
        MeasurementUnavailable: Our user may not listen.
    """
    session.query("PSUBSCRIBE", pattern)
    events = Events()
    begin = clock()
    while (left := begin + seconds - clock()) > 0:
        if sum(events.counts.values()) >= MOST:
            events.full = True
            break
        if not session.connection.can_read(timeout=left):
            break
        reply = session.connection.read_response()
        if isinstance(reply, list) and len(reply) == 4 and reply[0] == b"pmessage":
            _heard(reply[3], events, parser)
    events.seconds = clock() - begin
    return events


def _heard(payload: object, events: Events, parser: RecordParser) -> None:
    if not isinstance(payload, bytes) or len(payload) > LARGEST:
        parser.notes.add(f"an event is larger than {LARGEST:,} B")
        events.counts["other"] += 1
        return
    message = parser.table(payload, "an event")
    if message is None:
        events.counts["other"] += 1
    else:
        events.take(message, parser)
