"""A snapshot out of a JSON document."""

import json
from collections.abc import Mapping

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.fleet import metrics
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.sources.documents import at, parse_snapshot

NOW = 1_790_000_000.0
OURS = {
    "agents": [
        {"id": "a", "state": "busy", "pid": 1, "host": "elsewhere"},
        {"id": "b", "state": "idle", "heartbeat": NOW},
    ],
    "tasks": {"completed": 19, "failed": 1, "active": 1, "waiting": 4, "durations": [1, 2.5]},
    "swarms": [{"id": "s", "state": "completed", "confidence": 0.9}],
    "spawn_times": [1200, 900],
}


def read(document: object, fields: Mapping[str, str] | None = None) -> Snapshot:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_snapshot(text, fields or {}, (NOW, 1.0), local=True, where="the page")


def test_our_own_form_is_read() -> None:
    found = read(OURS)
    assert (found.agents.total, found.agents.busy) == (2, 1)
    done = metrics.completion(found.tasks)
    assert done is not None
    assert done.percent == 95.0
    assert (found.tasks.waiting, found.tasks.durations) == (4, (1.0, 2.5))
    assert found.swarms is not None
    assert found.swarms[0].confidence == 0.9
    assert found.spawn_times == (1200.0, 900.0)
    assert (found.bad, found.never) == ((), {"working": "the JSON has no `working`"})


def test_each_field_has_a_path() -> None:
    document = {
        "stats": {"queues": [{"depth": 7}], "ok": 90, "bad": "10"},
        "crew": [{"name": "x", "mood": {"now": "Busy"}}, {"name": "y"}],
    }
    fields = {
        "waiting": "stats.queues[0].depth",
        "completed": "stats.ok",
        "failed": "stats.bad",
        "agents": "crew",
        "agents.id": "name",
        "agents.state": "mood.now",
        "active": "stats.nothing",
    }
    found = read(document, fields)
    assert (found.tasks.waiting, found.tasks.completed, found.tasks.failed) == (7, 90, 10)
    assert [(one.id, one.state) for one in found.agents.members] == [("x", "busy"), ("y", None)]
    assert found.never["swarms"] == "fleet.fields names no `swarms`"
    assert found.bad == ("there is nothing at stats.nothing for `active`",)
    with pytest.raises(MeasurementUnavailable, match="active"):
        found.known("active", found.tasks.active)
    with pytest.raises(NotApplicable, match="names no `swarms`"):
        found.known("swarms", found.swarms)
    assert found.known("active", 0) == 0
    with pytest.raises(CheckFailed, match=r"fleet\.fields has no field 'nonsense'"):
        read({}, {"nonsense": "x"})


@pytest.mark.parametrize("path", ["a.x", "[0]", "a.b[2]", "a.b[99999999999]", "a.b.c"])
def test_nothing_is_where_a_path_leads_nowhere(path: str) -> None:
    document = {"a": {"b": [0, {"c": 5}]}}
    assert at(document, "a.b[1].c") == 5
    assert at(document, path) is at({}, "x")


@pytest.mark.parametrize(
    "document",
    [
        {"agents": [{"pid": -1, "id": ["x"]}, 5, None]},
        {"tasks": {"completed": -1, "failed": 2.5}},
        {"tasks": {"durations": ["x", -1, None, 3]}},
        {"swarms": [{"confidence": 2}]},
        {"spawn_times": [{"a": 1}]},
        {"agents": [{"heartbeat": "soon"}]},
        {"tasks": {"working": [5]}},
    ],
    ids=str,
)
def test_hostile_values_are_told(document: object) -> None:
    assert read(document).bad


@pytest.mark.parametrize(
    "text", [b"<html>", b"NaN", b"5", b"[" * 100_000, b"\xff\x00"], ids=range(5)
)
def test_what_is_no_json_is_told(text: bytes) -> None:
    with pytest.raises(CheckFailed, match="JSON"):
        read(text)
