"""Serialise the monitor's state for the pages, once a second; unchanged parts are reused."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pytest_flowhealth.alerts.engine import Timestamp, TrackedAlert
from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.monitor.loop import UNITS, Monitor
from pytest_flowhealth.monitor.pipeline import Pipeline
from pytest_flowhealth.monitor.status_board import BoardState
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.web.maintenance import describe_silence

RECENT = 5.0
"""Maximum age in seconds of the one-second sample that is shown."""

NAMED = 200
"""Maximum number of agents, and of swarms, that are listed by name."""

State = dict[str, msgspec.Raw]


class StateSerializer:
    """Serialise the state; cache each part by the object it was made from."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[object, msgspec.Raw]] = {}

    def of(self, monitor: Monitor, at: float) -> State:
        """Return the whole state of the monitor at a time, in seconds since 1970."""
        moment = monitor.clock.moment()
        state: State = {"monitor": _json(_monitor(monitor))}
        state |= self._components(monitor.board.state)
        state |= self._alerts(monitor.pipeline, moment)
        state["deliveries"] = _json(monitor.pipeline.deliveries())
        state["units"] = self._serialize_once("units", UNITS, UNITS)
        last = monitor.ring.last()
        # An old sample is left out: it would look current.
        if last is not None and at - last[0] < RECENT:
            state["second"] = _json({"at": last[0], "values": last[1]})
        fleet = monitor.fleet.last
        if fleet is not None:
            state["fleet"] = self._fleet(fleet, at)
        self._made = {key: entry for key, entry in self._made.items() if key in state}
        return state

    def _components(self, state: BoardState) -> Iterator[tuple[str, msgspec.Raw]]:
        for name, component in state.components.items():
            at = None if component.checked is None else component.checked.timestamp()
            yield (
                f"component:{name}",
                _json(
                    {
                        "status": component.status,
                        "since": component.since.timestamp(),
                        "at": at,
                        "cause": component.cause,
                        "message": component.message,
                        "checks": [check.id for check in component.checks],
                    }
                ),
            )
            for check in component.checks:
                since = state.since_by_check[check.id].timestamp()
                yield f"check:{check.id}", self._check(check, at, since)

    def _alerts(self, pipeline: Pipeline, moment: Timestamp) -> Iterator[tuple[str, msgspec.Raw]]:
        silences = pipeline.silences(moment)
        for record in pipeline.tracked():
            if record.state.phase in ("pending", "firing") or record.state.flapping:
                fields = _alert(record, pipeline, moment, silences)
                yield f"alert:{record.subject.name}", _json(fields)
        for silence in silences:
            yield f"silence:{silence.id}", _json(describe_silence(silence))

    def _check(self, check: CheckResult, at: float | None, since: float) -> msgspec.Raw:
        return self._serialize_once(f"check:{check.id}", check, lambda: _check(check, at, since))

    def _fleet(self, snapshot: Snapshot, at: float) -> msgspec.Raw:
        return self._serialize_once("fleet", snapshot, lambda: _fleet(snapshot, at))

    def _serialize_once(self, key: str, of: object, content: Any) -> msgspec.Raw:
        """Return the JSON of an object, serialised once."""
        before = self._made.get(key)
        if before is not None and before[0] is of:
            return before[1]
        made = _json(content() if callable(content) else content)
        self._made[key] = (of, made)
        return made


def _monitor(monitor: Monitor) -> dict[str, Any]:
    state, pipeline = monitor.board.state, monitor.pipeline
    following, unreachable = monitor.next_round(), pipeline.unreachable()
    return {
        "status": state.status,
        "since": None if state.since is None else state.since.timestamp(),
        "at": None if state.ended is None else state.ended.timestamp(),
        "host": platform.node(),
        "instance": monitor.settings.target.instance,
        "target": monitor.settings.target.name or monitor.settings.target.root.name,
        "version": state.version,
        "started": monitor.started,
        "reasons": state.problems,
        "not_monitored": state.not_monitored,
        "receivers": [
            {"name": receiver.name, "type": receiver.type, "error": unreachable.get(receiver.name)}
            for receiver in monitor.settings.receivers
        ],
        "fleet": monitor.fleet.source,
        "fleet_problem": monitor.fleet.problem,
        "problem": monitor.problem,
        "running": monitor.running,
        "next": following,
        "late": monitor.late,
        "firing": len(pipeline.firing()),
        "receives_reports": monitor.settings.target.config.feedback.receive != "off",
        "history": "file" if pipeline.location.server is None else "server",
    }


def _check(check: CheckResult, at: float | None, since: float) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(check)
    return fields | {"at": at, "since": since}


def _alert(
    record: TrackedAlert, pipeline: Pipeline, moment: Timestamp, silences: Sequence[Silence]
) -> dict[str, Any]:
    subject, state = record.subject, record.state
    fields: dict[str, Any] = {
        key: value for key, value in msgspec.to_builtins(subject).items() if value not in (None, [])
    }
    fields |= {
        "phase": "firing" if state.fires else "pending" if state.phase == "pending" else "resolved",
        "since": (
            (record.since or moment.wall) if state.ended is None else moment.calendar(state.ended)
        ).timestamp(),
        "fired": None if record.fired is None else record.fired.timestamp(),
        "notified": sorted(state.firing_sent),
    }
    if state.flapping:
        fields["flapping"] = True
    if state.acknowledged:
        fields["acknowledged"] = pipeline.acknowledged.get(subject.name, "somebody")
    until = pipeline.silenced_until(subject, moment, silences)
    if until is not None:
        fields["silenced"] = until
    return fields


def _fleet(snapshot: Snapshot, at: float) -> dict[str, Any]:
    swarms = snapshot.swarms
    agents = snapshot.agents
    more = max(0, len(agents.members) - NAMED) + max(0, len(swarms or ()) - NAMED)
    return {
        "at": snapshot.taken or at,
        "agents": {
            "total": agents.total,
            "busy": agents.busy,
            "members": [
                _fields(agent, "id", "state", "pid", "host", "heartbeat")
                for agent in agents.members[:NAMED]
            ],
        },
        "tasks": _fields(
            snapshot.tasks, "completed", "failed", "active", "waiting", "delayed", "basis"
        ),
        "swarms": None
        if swarms is None
        else [
            _fields(swarm, "id", "state", "confidence", "heartbeat", "success")
            for swarm in swarms[:NAMED]
        ],
        "more": more,
        "never": snapshot.never,
    }


def _fields(source: object, *names: str) -> Mapping[str, Any]:
    return {name: getattr(source, name) for name in names}


def _json(content: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(content))
