"""The whole of a reading in one place: the parts of the score, and the facts that advice follows from; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pytest_flowhealth.errors import FlowHealthError, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.fleet import metrics
from pytest_flowhealth.probes.fleet.recommendations import FleetFacts, list_recommendations
from pytest_flowhealth.probes.fleet.sampling import FleetSample
from pytest_flowhealth.probes.fleet.snapshot import Snapshot
from pytest_flowhealth.probes.fleet.utilisation import Usage


class FleetLimits(msgspec.Struct, frozen=True):
    """What is configured: the fewest tasks that completion is told of, and limits in s."""

    tasks: int = 20
    stuck: float = 600.0
    heartbeat: float = 300.0


def score_parts(
    found: FleetSample, bounds: FleetLimits, spawn: float | None
) -> dict[str, float | str]:
    """Return the figure of each part of the score, or why there is none.

    Args:
        found: What was read.
        bounds: What is configured.
        spawn: The median of the starts, in s; None where none was measured.
    """
    last = found.last
    asked: dict[str, Callable[[], float]] = {
        "completion": lambda: _completed(last, bounds.tasks),
        "progress": lambda: _progress(found),
        "spawn": lambda: _spawned(spawn),
        "utilisation": lambda: _used(found).percent,
        "queue": lambda: last.known("waiting", metrics.drain(last)),
        "stuck": lambda: _stuck_share(found, bounds.stuck),
        "silent": lambda: _silent_share(last, bounds.heartbeat),
        "swarms": lambda: _succeeded(last),
    }
    return {name: _or_why(ask) for name, ask in asked.items()}


def collect_facts(
    found: FleetSample, bounds: FleetLimits, known: dict[str, float | str]
) -> FleetFacts:
    """Return what recommendations follow from; `known` are the score's parts."""
    last, before = found.last, found.first.tasks
    working = last.tasks.working or ()
    usage = None if isinstance(found.usage, FlowHealthError) else found.usage
    figure = {name: value for name, value in known.items() if not isinstance(value, str)}
    return FleetFacts(
        agents=last.agents.total,
        busy=found.busy,
        waiting=last.tasks.waiting,
        grown=None if found.growth is None else (last.tasks.waiting or 0) - (before.waiting or 0),
        growth=None if found.growth is None else 60.0 * found.growth,
        completion=figure.get("completion"),
        utilisation=usage.percent if usage else None,
        scope=_scope(usage) if usage else "",
        spawn=figure.get("spawn"),
        stuck=len(metrics.stuck(working, last.taken, bounds.stuck)),
        abandoned=len(metrics.abandoned(before.working or (), working)),
        silent=len(metrics.silent(last, bounds.heartbeat)),
        paused=last.facts.get("paused") is True,
    )


def _or_why(ask: Callable[[], Any]) -> float | str:
    try:
        return float(ask())
    except FlowHealthError as error:
        return error.message


def _completed(last: Snapshot, least: int) -> float:
    done = last.known("completion", metrics.completion(last.tasks))
    if done.all < least:
        raise NotApplicable(f"{done.all:,} tasks ended, fewer than fleet.tasks = {least:,}")
    return done.percent


def _progress(found: FleetSample) -> float:
    """Return 100 if waiting and delayed work is picked up, 0 if not."""
    found.last.known("waiting", found.last.tasks.waiting)
    return 0.0 if found.untaken or found.overdue else 100.0


def _spawned(spawn: float | None) -> float:
    if spawn is None:
        raise MeasurementUnavailable("no start was measured, see fleet.spawn")
    return spawn


def _used(found: FleetSample) -> Usage:
    if isinstance(found.usage, FlowHealthError):
        raise found.usage
    return found.usage


def _stuck_share(found: FleetSample, limit: float) -> float:
    working = found.last.known("working", found.last.tasks.working)
    if not working:
        raise NotApplicable("no task is under way")
    late = {task.id for task in metrics.stuck(working, found.last.taken, limit)}
    late.update(metrics.abandoned(found.first.tasks.working or (), working))
    return 100.0 * len(late) / len(working)


def _silent_share(last: Snapshot, limit: float) -> float:
    telling = last.known("heartbeat", metrics.with_heartbeat(last) or None)
    return 100.0 * len(metrics.silent(last, limit)) / telling


def _succeeded(last: Snapshot) -> float:
    done = metrics.swarm_success(last.known("swarms", last.swarms))
    if done.all < metrics.LEAST_SWARMS:
        raise NotApplicable(f"{done.all} swarms ended, fewer than {metrics.LEAST_SWARMS}")
    return done.percent


def _scope(usage: Usage) -> str:
    cpu = usage.cpu.percent >= usage.memory.percent
    share, what = (usage.cpu, "CPU time") if cpu else (usage.memory, "memory")
    return f"the {what} of the {share.scope}"


def recommend(
    sample: FleetSample, limits: FleetLimits, parts: dict[str, float | str]
) -> tuple[str, ...]:
    """Return what to do, the most urgent first; `parts` are those of `score_parts`."""
    return list_recommendations(collect_facts(sample, limits, parts))
