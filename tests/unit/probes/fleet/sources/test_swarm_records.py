"""Records and events of swarms, parsed: whole ones and hostile ones."""

import json
from typing import Any

import pytest

from pytest_flowhealth.probes.fleet.parsing import ProblemNotes, RecordParser
from pytest_flowhealth.probes.fleet.sources.swarm_events import LARGEST, Events, _heard
from pytest_flowhealth.probes.fleet.sources.swarm_keys import SwarmKeys
from pytest_flowhealth.probes.fleet.sources.swarm_records import ParsedSwarms, Parser, SwarmRecords

NOW = 1_790_000_000.0
MS = int(NOW * 1_000)


def parse(found: SwarmRecords) -> tuple[ParsedSwarms, tuple[str, ...]]:
    notes = ProblemNotes()
    parsed = Parser(RecordParser(NOW, notes), NOW, 3_600.0).parsed(found)
    return parsed, notes.list_problems()


def swarms(**records: dict[str, Any] | bytes | Exception | None) -> SwarmRecords:
    found = SwarmRecords()
    found.swarms = {
        name: json.dumps(record).encode() if isinstance(record, dict) else record
        for name, record in records.items()
    }
    return found


def ended(completed: int, failed: int, **fields: Any) -> dict[str, Any]:
    metrics = {"tasksCompleted": completed, "tasksFailed": failed}
    return {"status": "active", "lastHeartbeat": MS, "metrics": metrics, **fields}


GOOD = ended(9, 1)

HOSTILE = [
    b"no json",
    b"null",
    b'{"metrics": 5}',
    b'{"metrics": {"tasksCompleted": -3, "tasksFailed": 1}}',
    b'{"metrics": {"tasksCompleted": "many", "tasksFailed": 1}}',
    b'{"metrics": {"tasksCompleted": 1.5, "tasksFailed": 1}}',
    b'{"metrics": {"tasksCompleted": true, "tasksFailed": [1]}}',
    b'{"agents": [null, 5, {"id": {"a": 1}, "pid": -4, "status": ["busy"]}]}',
    b'{"status": {"a": 1}}',
    b'{"confidence": 17}',
    b'{"lastHeartbeat": 9e99}',
    b'{"tasks": [{"status": 5, "startedAt": "never"}]}',
    ValueError("larger than 1,048,576 B"),
]


@pytest.mark.parametrize("record", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_records_are_told_and_nothing_is_made_of_them(record: bytes | Exception) -> None:
    parsed, bad = parse(swarms(good=GOOD, bad=record))
    assert (parsed.completed, parsed.failed) == (9, 1)
    assert bad


def test_metrics_agents_and_tasks_of_swarms_are_added_up() -> None:
    tasks = [{"id": "t1", "status": "in_progress", "startedAt": MS - 5_000}]
    tasks += [{"id": "t2", "status": "pending"}, {"id": "t3", "status": "queued"}]
    agents = [{"id": "a1", "status": "busy", "pid": 7}, "a2"]
    one = ended(30, 2, agents=agents, tasks=tasks)
    one["metrics"] |= {"agentsSpawned": 3, "errors": 4}
    parsed, bad = parse(swarms(one=one, two=ended(60, 8, status="completed")))
    told = parsed.tasks_with(None, 3_600.0)
    assert (told.completed, told.failed, told.active, told.waiting) == (90, 10, 1, 2)
    assert [task.since for task in told.working or ()] == [NOW - 5]
    assert {agent.id: agent.pid for agent in parsed.agents_with(None)} == {"a1": 7, "a2": None}
    assert (parsed.errors, parsed.spawned, bad) == (4, 3, ())
    assert [swarm.state for swarm in parsed.swarms] == ["active", "completed"]


def test_archived_swarms_count_once_and_by_why_they_were_archived() -> None:
    found = swarms(both=GOOD)
    archived = json.dumps({"archiveReason": "failed", **ended(5, 1)}).encode()
    found.ended = {"new": archived, "both": archived}
    parsed, _ = parse(found)
    assert (parsed.completed, parsed.failed) == (14, 2)
    assert [(swarm.id, swarm.success) for swarm in parsed.swarms] == [
        ("both", None),
        ("new", False),
    ]


def test_a_swarm_without_a_sign_of_life_in_the_window_does_not_count_but_is_shown() -> None:
    old = MS - 7_200_000
    quiet = ended(50, 0, lastHeartbeat=old)
    parsed, _ = parse(swarms(old=quiet, done={**quiet, "status": "completed"}))
    assert (parsed.completed, parsed.failed) == (0, 0)
    assert [swarm.id for swarm in parsed.swarms] == ["old"]


def test_an_empty_registry_tells_that_there_is_nothing() -> None:
    told = parse(SwarmRecords())[0].tasks_with(None, 3_600.0)
    assert (told.completed, told.failed, told.active, told.waiting) == (0, 0, 0, 0)


def test_the_state_that_a_swarm_is_kept_by_counts_where_its_record_has_none() -> None:
    found = swarms(s={"lastHeartbeat": MS})
    found.states = {"s": "failed"}
    assert parse(found)[0].swarms[0].success is False


def hear(*payloads: object) -> tuple[Events, tuple[str, ...]]:
    notes, events = ProblemNotes(), Events()
    for payload in payloads:
        text = json.dumps(payload).encode() if isinstance(payload, dict) else payload
        _heard(text, events, RecordParser(NOW, notes))
    return events, notes.list_problems()


def test_events_tell_the_ends_of_tasks_and_the_states_of_agents() -> None:
    result = {"success": True, "duration": 1_500}
    events, bad = hear(
        {"type": "agent_registered", "agentId": "a"},
        {"type": "agent_allocated", "agentId": "a"},
        {"type": "pool_scaled"},
        {"type": "something_else"},
        {"type": "agent_released", "agentId": "b", "result": result},
        {"type": "agent_released", "agentId": "b", "result": {**result, "success": False}},
    )
    assert (events.completed, events.failed, events.durations) == (1, 1, [1.5, 1.5])
    assert events.states == {"a": "busy", "b": "idle"}
    assert events.counts == {
        **dict.fromkeys(("agent_registered", "agent_allocated", "pool_scaled", "other"), 1),
        "agent_released": 2,
    }
    assert bad == ()


def test_hostile_events_are_told_and_count_as_others() -> None:
    events, bad = hear(
        *(b"no json", b"[1]", {"type": {"x": 1}}, b"\xff" * (LARGEST + 1)),
        {"type": "agent_released", "result": 5},
        {"type": "agent_released", "result": {"success": 1}},
    )
    assert (events.completed, events.failed) == (0, 0)
    assert events.counts == {"other": 4, "agent_released": 2}
    assert len(bad) == 4


def test_the_last_event_of_an_agent_says_more_than_its_record() -> None:
    parsed, _ = parse(swarms(one=ended(0, 0, agents=[{"id": "a", "status": "idle"}])))
    events, _ = hear(
        {"type": "agent_allocated", "agentId": "a"},
        {"type": "agent_released", "agentId": "b", "result": {"success": True}},
    )
    assert {agent.id: agent.state for agent in parsed.agents_with(events)} == {
        "a": "busy",
        "b": "idle",
    }
    told = parsed.tasks_with(events, 3_600.0)
    assert (told.completed, told.failed) == (1, 0)
    assert "of events" in told.basis


def test_keys_are_named_matched_and_taken_apart() -> None:
    keys = SwarmKeys({"agent": "app[1]:{id}:worker:{agent}"})
    assert keys.name("agent", id="x", agent="w") == "app[1]:x:worker:w"
    assert keys.pattern("agent") == r"app\[1\]:*:worker:*"
    assert keys.parts("agent", "app[1]:x:worker:w") == {"id": "x", "agent": "w"}
    assert keys.parts("agent", "app[1]:x:y:worker:w") is None
    assert keys.pattern("events") == "fleet:*:events"
