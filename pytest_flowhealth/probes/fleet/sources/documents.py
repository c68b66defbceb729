"""A snapshot out of a JSON document: in our own form, or by a path for each field.

The form: ``{"agents": 3 or [{"id", "state", "pid", "host", "address", "spawn_begin",
"ready", "heartbeat"}], "busy": 2, "tasks": {"completed", "failed", "active", "waiting",
"delayed", "durations": [s], "working": [{"id", "since"}], "basis"}, "swarms": [{"id", "state",
"confidence", "heartbeat"}], "spawn_times": [ms]}``; every part may be left out. Moments are in
s or ms since 1970, or ISO 8601.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.fleet.parsing import ProblemNotes, RecordParser
from pytest_flowhealth.probes.fleet.snapshot import Agent, Agents, Snapshot, Swarm, Tasks, Working

MOST = 10_000
"""Members of a list that are read."""

PLACES = {
    "agents": "agents",
    "busy": "busy",
    "completed": "tasks.completed",
    "failed": "tasks.failed",
    "active": "tasks.active",
    "waiting": "tasks.waiting",
    "delayed": "tasks.delayed",
    "durations": "tasks.durations",
    "working": "tasks.working",
    "swarms": "swarms",
    "spawn_times": "spawn_times",
}
"""Each field, and where our own form has it."""

NESTED = {
    "agents": ("id", "state", "pid", "host", "address", "spawn_begin", "ready", "heartbeat"),
    "working": ("id", "since"),
    "swarms": ("id", "state", "confidence", "heartbeat"),
}
"""The fields of a list's members, named ``agents.id`` and so on."""

_ABSENT = object()
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class DocumentReader:
    """Takes a snapshot's fields out of a document.

    Args:
        fields: A path for each field: ``stats.queues[0].waiting``; `{}` for our own form.
        taker: Takes the values.

    Raises:
        CheckFailed: There is no such field.
    """

    def __init__(self, fields: Mapping[str, str], parser: RecordParser) -> None:
        known = {*PLACES, *(f"{part}.{name}" for part, names in NESTED.items() for name in names)}
        unknown = [name for name in fields if name not in known]
        if unknown:
            raise CheckFailed(
                f"fleet.fields has no field {unknown[0][:40]!r}",
                remedy=f"the fields are {', '.join(sorted(known))}",
            )
        self._ours = not fields
        self._paths = {**PLACES} if self._ours else fields
        self._parser = parser

    def snapshot(self, found: Any, times: tuple[float, float], *, local: bool) -> Snapshot:
        """Return the snapshot; `times` are seconds since 1970 and by a clock that only goes up."""
        members = self._agents(found)
        busy = self._count(found, "busy")
        agents = self._count(found, "agents") if members is None else None
        return Snapshot(
            taken=times[0],
            clock=times[1],
            agents=Agents(agents, busy) if members is None else _with(Agents.of(members), busy),
            tasks=self._tasks(found),
            swarms=self._swarms(found),
            spawn_times=self._series(found, "spawn_times"),
            local=local,
            never=self._never(found),
            bad=self._parser.notes.list_problems(),
        )

    def _never(self, found: Any) -> dict[str, str]:
        """Return what no path is given for, or what a document in our form leaves out."""
        words = "the JSON has no `{}`" if self._ours else "fleet.fields names no `{}`"
        entry = {
            name
            for name in PLACES
            if name in self._paths and (not self._ours or self._at(found, name) is not _ABSENT)
        }
        needs = {
            "completion": ("completed", "failed"),
            "processes": ("agents",),
            "heartbeat": ("agents",),
            "spawn": ("spawn_times",),
        }
        needs |= {name: (name,) for name in ("agents", "active", "waiting", "swarms", "working")}
        never = {}
        for name, parts in needs.items():
            lacking = [part for part in parts if part not in entry]
            if lacking:
                never[name] = words.format("`, `".join(lacking))
        if "busy" not in entry and not self._lists(found, "agents"):
            never["busy"] = words.format("busy")
        return never

    def _lists(self, found: Any, field: str) -> bool:
        return isinstance(self._at(found, field), list)

    def _at(self, found: Any, field: str) -> Any:
        path = self._paths.get(field)
        return _ABSENT if path is None else at(found, path)

    def _count(self, found: Any, field: str) -> int | None:
        value = self._at(found, field)
        if value is _ABSENT:
            if not self._ours and field in self._paths:
                self._parser.notes.add(f"there is nothing at {self._paths[field]} for `{field}`")
            return None
        return self._parser.count(value, field)

    def _tasks(self, found: Any) -> Tasks:
        basis = at(found, "tasks.basis") if self._ours else _ABSENT
        return Tasks(
            completed=self._count(found, "completed"),
            failed=self._count(found, "failed"),
            active=self._count(found, "active"),
            waiting=self._count(found, "waiting"),
            delayed=self._count(found, "delayed"),
            durations=self._series(found, "durations"),
            working=self._working(found),
            basis=(self._parser.text(basis, "tasks.basis") if basis is not _ABSENT else None)
            or "all that the source counted",
        )

    def _series(self, found: Any, field: str) -> tuple[float, ...]:
        listed = self._at(found, field)
        taken = (
            self._parser.number(value, f"{field}[{number}]")
            for number, value in enumerate(listed[:MOST] if isinstance(listed, list) else [])
        )
        return tuple(value for value in taken if value is not None)

    def _members(self, found: Any, field: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield where each member of a list is, and its fields by our names."""
        for number, value in enumerate(self._at(found, field)[:MOST]):
            where = f"{field}[{number}]"
            if isinstance(value, str):
                yield where, {"id": value}
            elif isinstance(value, dict):
                paths = {name: self._paths.get(f"{field}.{name}", name) for name in NESTED[field]}
                entry = {name: at(value, path) for name, path in paths.items()}
                yield where, {name: entry[name] for name in entry if entry[name] is not _ABSENT}
            else:
                self._parser.notes.add(f"{where} is no object")

    def _agents(self, found: Any) -> tuple[Agent, ...] | None:
        if not self._lists(found, "agents"):
            return None
        parse = self._parser
        return tuple(
            Agent(
                id=parse.text(entry.get("id"), f"{where}.id") or where,
                state=parse.state(entry.get("state"), f"{where}.state"),
                pid=parse.count(entry.get("pid"), f"{where}.pid") or None,
                host=parse.text(entry.get("host"), f"{where}.host"),
                address=parse.text(entry.get("address"), f"{where}.address"),
                spawn_begin=parse.moment(entry.get("spawn_begin"), f"{where}.spawn_begin"),
                ready=parse.moment(entry.get("ready"), f"{where}.ready"),
                heartbeat=parse.moment(entry.get("heartbeat"), f"{where}.heartbeat"),
            )
            for where, entry in self._members(found, "agents")
        )

    def _working(self, found: Any) -> tuple[Working, ...] | None:
        if not self._lists(found, "working"):
            return None
        return tuple(
            Working(
                id=self._parser.text(entry.get("id"), f"{where}.id") or where,
                since=self._parser.moment(entry.get("since"), f"{where}.since"),
            )
            for where, entry in self._members(found, "working")
        )

    def _swarms(self, found: Any) -> tuple[Swarm, ...] | None:
        if not self._lists(found, "swarms"):
            return None
        parse = self._parser
        return tuple(
            Swarm(
                id=parse.text(entry.get("id"), f"{where}.id") or where,
                state=parse.state(entry.get("state"), f"{where}.state"),
                confidence=parse.share(entry.get("confidence"), f"{where}.confidence"),
                heartbeat=parse.moment(entry.get("heartbeat"), f"{where}.heartbeat"),
            )
            for where, entry in self._members(found, "swarms")
        )


def at(found: Any, path: str) -> Any:
    """Return what is at a path such as ``a.b[0].c``; a marker of our own where nothing is."""
    for name, number in _STEP.findall(path):
        if name and isinstance(found, dict) and name in found:
            found = found[name]
        elif number and isinstance(found, list) and int(number[:9]) < len(found):
            found = found[int(number[:9])]
        else:
            return _ABSENT
    return found


def parse_snapshot(
    text: bytes,
    fields: Mapping[str, str],
    times: tuple[float, float],
    *,
    local: bool,
    where: str,
) -> Snapshot:
    """Return the snapshot that a JSON text holds.

    Raises:
        CheckFailed: It is no JSON object, or `fields` has a field that there is not.
    """
    notes = ProblemNotes()
    parser = RecordParser(times[0], notes)
    document = DocumentReader(fields, parser)
    found = parser.document(text, where)
    if not isinstance(found, (dict, list)):
        raise CheckFailed(
            notes.list_problems()[0] if notes.list_problems() else f"{where} is no JSON object",
            diagnosis="docs/fleet.md: the form",
        )
    return document.snapshot(found, times, local=local)


def _with(agents: Agents, busy: int | None) -> Agents:
    if busy is None:
        return agents
    return Agents(agents.total, busy, agents.members)
