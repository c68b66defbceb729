"""Recommendations, each from figures that were measured; pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pytest_flowhealth.domain.text import format_number

SLOW_SPAWN = 3.0
FULL = 90.0
LOW = 20.0
COMPLETION = 95.0
LEAST_GROWTH = 3
"""Tasks that must come on top between two looks to speak of growth: fewer are chance."""


class FleetFacts(msgspec.Struct, frozen=True):
    """What was measured; None for what was not.

    Attributes:
        agents: How many there are.
        busy: Percent of them at a task.
        waiting: Tasks that wait.
        grown: Tasks that came on top between two looks.
        growth: The same a minute.
        completion: Percent of the ended tasks that ended well.
        utilisation: Percent of the CPU time or the memory that they may use.
        scope: Which of both, and where.
        spawn: Median of the starts, in s.
        stuck: Tasks that are under way for too long.
        abandoned: Tasks that no agent holds.
        silent: Agents without a sign of life.
        paused: Whether the queue is paused.
    """

    agents: int | None = None
    busy: float | None = None
    waiting: int | None = None
    grown: int | None = None
    growth: float | None = None
    completion: float | None = None
    utilisation: float | None = None
    scope: str = ""
    spawn: float | None = None
    stuck: int | None = None
    abandoned: int | None = None
    silent: int | None = None
    paused: bool = False


def list_recommendations(facts: FleetFacts) -> tuple[str, ...]:
    """Return what follows from the facts, the most urgent first; () where nothing does."""
    return (*_stopped(facts), *_queue(facts), *_tasks(facts), *_resources(facts))


def _stopped(facts: FleetFacts) -> Iterator[str]:
    if facts.paused:
        yield "the queue is paused: resume it, or nothing that waits is ever done"
    if facts.agents == 0 and facts.waiting:
        yield f"{_tasks_wait(facts.waiting)} and there is no agent: start some"


def _queue(facts: FleetFacts) -> Iterator[str]:
    if not facts.agents or facts.growth is None or (facts.grown or 0) < LEAST_GROWTH:
        return
    grows = f"the queue grows by {format_number(round(facts.growth))}/min"
    if facts.busy is None:
        yield f"{grows} with {_agents(facts.agents)}: raise the pool, or slow what adds tasks"
    elif facts.busy < FULL:
        busy = round(facts.busy * facts.agents / 100)
        yield (
            f"{grows} with {busy} of {_agents(facts.agents)} busy: see why the others take none, "
            "or raise what each may take at a time"
        )
    elif facts.utilisation is not None and facts.utilisation > FULL:
        yield (
            f"{grows}, all agents are busy and use {format_number(round(facts.utilisation))} % "
            f"of {facts.scope}: more agents here won't help; add a machine, or slow what adds tasks"
        )
    else:
        yield f"{grows} with all of {_agents(facts.agents)} busy: raise the pool"


def _tasks(facts: FleetFacts) -> Iterator[str]:
    if facts.completion is not None and facts.completion < COMPLETION:
        failing = format_number(round(100.0 - facts.completion, 1))
        yield f"{failing} % of the tasks fail: see the reasons of the last ones before adding agents"
    if facts.abandoned:
        yield (
            f"{facts.abandoned:,} tasks are under way without an agent that holds them: "
            "their agents crashed; see their logs, and whether the tasks are taken up again"
        )
    if facts.stuck:
        yield f"{facts.stuck:,} tasks are under way for too long: give tasks a time limit"
    if facts.silent:
        yield f"{facts.silent:,} agents send no heartbeat: restart them"


def _resources(facts: FleetFacts) -> Iterator[str]:
    if facts.spawn is not None and facts.spawn > SLOW_SPAWN:
        yield (
            f"an agent needs {format_number(round(facts.spawn, 1))} s to get ready: load less at its "
            "start, or keep some ready in reserve"
        )
    idle = facts.busy is not None and facts.busy < LOW and facts.waiting == 0
    if idle and facts.agents is not None and facts.agents >= 5:
        yield f"{format_number(round(facts.busy or 0))} % of {_agents(facts.agents)} are busy and nothing waits: a smaller pool would do"


def _agents(number: int) -> str:
    return f"{number:,} agent{'' if number == 1 else 's'}"


def _tasks_wait(number: int) -> str:
    return f"{number:,} task waits" if number == 1 else f"{number:,} tasks wait"
