"""The fleet: agents, their tasks and swarms as the application records them, and how quickly an agent starts.

Where the records are, and what is started, says [fleet] in flowhealth.toml; what each figure
is, and what is asked of the target: docs/fleet.md.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from statistics import median

import pytest

from pytest_flowhealth import (
    CheckFailed,
    FlowHealthError,
    Health,
    NotApplicable,
    Target,
    prefetch,
)
from pytest_flowhealth.probes.fleet import (
    LEAST_SWARMS,
    NONE,
    AgentStart,
    FleetProbe,
    FleetSample,
    Snapshot,
    describe_failed_starts,
    recommend,
    score_fleet,
    score_parts,
)

SHOWN = 10
"""Agents, tasks and swarms that are named."""


@pytest.fixture(scope="session")
def fleet_probe(target: Target) -> FleetProbe:
    """The fleet's records, and what starts agents."""
    return FleetProbe(target)


@prefetch
def fleet_sample(fleet_probe: FleetProbe) -> FleetSample:
    """Two snapshots of the fleet's records, a second apart, and what its processes used meanwhile."""
    return fleet_probe.read_sample()


@pytest.mark.health("fleet", timeout=120)
def test_source(health: Health, fleet_probe: FleetProbe, fleet_sample: Future[FleetSample]) -> None:
    """The fleet's records can be read; what of them can't be used is told."""
    health.detail(diagnosis="what wrote these records; docs/fleet.md: the form that is read")
    if fleet_probe.reads_target_redis:
        health.depends_on("redis.connect")
    found = fleet_sample.result()
    health.detail(
        source=found.source,
        place=found.place,
        read_in=f"{found.seconds:.2f} s",
        facts=found.last.facts,
    )
    if found.last.never:
        health.detail(not_known_to_this_source=found.last.never)
    if found.last.bad:
        health.detail(unusable=found.last.bad)
        health.warn(f"some records can't be used: {found.last.bad[0]}")
    for text in found.last.partial:
        health.warn(text)


@pytest.mark.health("fleet", requires="fleet.source", timeout=120)
@pytest.mark.threshold("completion", warn=95, fail=80, unit="%")
def test_completion(health: Health, target: Target, fleet_sample: Future[FleetSample]) -> None:
    """Of the tasks that ended, as many as planned ended well."""
    health.remedy("the failed tasks' reasons tell; docs/fleet.md says which tasks count")
    last = fleet_sample.result().last
    done = last.known("completion", fleet_sample.result().completion)
    health.detail(completed=done.good, failed=done.all - done.good, counted=last.tasks.basis)
    if last.tasks.durations:
        health.measure("duration", last.tasks.durations, unit="s")
    least = target.config.fleet.tasks
    if done.all < least:
        health.not_applicable(f"{done.all:,} tasks ended, fewer than fleet.tasks = {least:,}")
    health.measure("completion", done.percent, unit="%")


@pytest.mark.health("fleet", requires="fleet.source", timeout=120)
@pytest.mark.threshold("utilisation", warn=70, fail=90, unit="%")
def test_utilisation(health: Health, fleet_sample: Future[FleetSample]) -> None:
    """The agents' processes leave room in the CPU time and the memory that they may use."""
    health.remedy("give the agents more cores or memory, or start fewer of them on this machine")
    found = fleet_sample.result()
    if found.busy is not None:
        health.measure("busy", found.busy, unit="%")
    usage = found.usage
    if isinstance(usage, FlowHealthError):
        raise usage
    health.detail(usage=usage)
    health.measure("cpu_share", usage.cpu.percent, unit="%")
    health.measure("memory_share", usage.memory.percent, unit="%")
    health.measure("utilisation", usage.percent, unit="%")
    if usage.unseen:
        health.warn(f"the processes of {usage.unseen} agents were not found on this machine")


@pytest.mark.health("fleet", requires="fleet.source", timeout=120)
@pytest.mark.threshold("agents", warn=1, better="higher", unit="1")
def test_agents(health: Health, fleet_sample: Future[FleetSample]) -> None:
    """There are agents; where tasks wait and there is none, nothing is ever done."""
    health.remedy("start agents")
    last = fleet_sample.result().last
    total = last.known("agents", last.agents.total)
    states = [agent.state or "state unknown" for agent in last.agents.members]
    health.detail(
        states={state: states.count(state) for state in sorted(set(states))[:SHOWN]},
        busy=last.agents.busy,
    )
    health.measure("agents", total, unit="1")
    waiting = last.tasks.waiting or 0
    if total == 0 and waiting:
        raise CheckFailed(f"{waiting:,} tasks wait, and there is no agent")


@pytest.mark.health("fleet", requires="fleet.source", timeout=120)
@pytest.mark.threshold("queue", warn=1_000, better="lower", unit="1")
def test_queue(health: Health, fleet_sample: Future[FleetSample]) -> None:
    """Few tasks wait for an agent; how quickly they become more is told."""
    health.remedy("raise the pool, or slow what adds tasks")
    found = fleet_sample.result()
    tasks = found.last.tasks
    waiting = found.last.known("waiting", tasks.waiting)
    health.measure("queue", waiting, unit="1")
    if found.growth is not None:
        health.measure("queue_growth", found.growth, unit="1/s")
    health.detail(active=tasks.active, delayed=tasks.delayed)
    if found.last.facts.get("paused") is True:
        health.warn(f"the queue is paused, and {waiting:,} tasks wait")


@pytest.mark.health("fleet", requires="fleet.source", timeout=120)
def test_progress(health: Health, fleet_sample: Future[FleetSample]) -> None:
    """Waiting work is picked up, delayed work is not overdue, and no work waits for what is gone."""
    health.detail(diagnosis="the workers' logs")
    health.remedy("in BullMQ, a worker with autorun: false needs run(), and a paused one resume()")
    sample = fleet_sample.result()
    tasks = sample.last.tasks
    sample.last.known("waiting", tasks.waiting)
    if tasks.held_back and tasks.waiting:
        health.detail(held_back=tasks.held_back)
    for name, number in (("overdue", sample.overdue), ("stalled", tasks.stalled)):
        if number is not None:
            health.measure(name, number, unit="1")
    for text in describe_lost_work(sample):
        health.warn(text)
    if lost := sample.lost:
        raise CheckFailed(
            f"{len(lost):,} tasks wait, and their data are gone (evicted, or deleted): "
            f"{', '.join(lost[:SHOWN])}"
        )
    if sample.overdue and not tasks.active and not sample.first.tasks.active:
        raise CheckFailed(f"{sample.overdue:,} delayed tasks are past their time, and nobody works")
    if sample.untaken:
        raise CheckFailed(sample.untaken)


def describe_lost_work(sample: FleetSample) -> Iterator[str]:
    """Yield which tasks are late, were lost by their workers, or wait for what is gone."""
    if sample.overdue:
        yield f"{sample.overdue:,} delayed tasks are past their time"
    if sample.last.tasks.stalled:
        times = sample.last.tasks.stalled
        yield f"tasks stalled {times:,} times: their workers stopped, or their event loop was blocked"
    if orphaned := sample.orphaned:
        names = ", ".join(orphaned[:SHOWN])
        yield f"{len(orphaned):,} parents wait for children that are gone or failed: {names}"
    if sample.lost_schedules:
        names = ", ".join(sample.lost_schedules[:SHOWN])
        yield f"schedules are past their time, and their next task does not exist: {names}"
    ended = sample.completion
    if ended and ended.all and not ended.good:
        yield f"none of the {ended.all:,} tasks that ended succeeded"


@pytest.mark.health("fleet", requires="fleet.source", timeout=120)
@pytest.mark.threshold("stuck", warn=0, better="lower", unit="1")
@pytest.mark.threshold("abandoned", warn=0, better="lower", unit="1")
def test_stuck(health: Health, fleet_probe: FleetProbe, fleet_sample: Future[FleetSample]) -> None:
    """No task is under way for too long, or without an agent that holds it."""
    health.remedy("give tasks a time limit")
    health.detail(diagnosis="the logs of the agents that took them")
    found = fleet_sample.result()
    last = found.last
    working = last.known("working", last.tasks.working)
    limit = fleet_probe.limits.stuck
    late, loose = found.stuck(limit), found.abandoned
    health.measure("stuck", len(late), unit="1")
    health.measure("abandoned", len(loose), unit="1")
    health.detail(
        limit_s=limit,
        looked_at=len(working),
        stuck={task.id: f"{last.taken - (task.since or 0):.0f} s" for task in late[:SHOWN]},
        abandoned=loose[:SHOWN],
    )


@pytest.mark.health("fleet", requires="fleet.source", timeout=120)
@pytest.mark.threshold("silent", warn=0, better="lower", unit="1")
def test_silent(health: Health, fleet_probe: FleetProbe, fleet_sample: Future[FleetSample]) -> None:
    """Every agent, and every swarm that has not ended, gave a sign of life lately."""
    health.remedy("restart the agents that are named, or remove their records")
    found, limit = fleet_sample.result(), fleet_probe.limits.heartbeat
    last, telling = found.last, found.with_heartbeat
    if not telling:
        last.known("heartbeat", None)
    quiet = found.silent(limit)
    health.detail(
        limit_s=limit,
        looked_at=telling,
        silent={
            agent.id: f"{last.taken - (agent.heartbeat or 0):.0f} s" for agent in quiet[:SHOWN]
        },
    )
    health.measure("silent", len(quiet), unit="1")
    if len(quiet) == telling:
        raise CheckFailed(f"all {telling:,} agents and swarms are silent")


@pytest.mark.health("fleet", requires="fleet.source", timeout=120)
@pytest.mark.threshold("swarm_success", warn=95, fail=80, unit="%")
def test_swarms(health: Health, fleet_sample: Future[FleetSample]) -> None:
    """Of the swarms that ended, as many as planned ended well."""
    health.remedy("the failed swarms' records tell; docs/fleet.md says which swarms count")
    last = fleet_sample.result().last
    swarms = last.known("swarms", last.swarms)
    states = [swarm.state or "state unknown" for swarm in swarms]
    health.detail(states={state: states.count(state) for state in sorted(set(states))[:SHOWN]})
    confidences = [swarm.confidence for swarm in swarms if swarm.confidence is not None]
    if confidences:
        health.detail(median_confidence=median(confidences))
    done = fleet_sample.result().swarm_success
    if done.all < LEAST_SWARMS:
        health.not_applicable(f"{done.all} swarms ended, fewer than {LEAST_SWARMS}")
    health.measure("swarm_success", done.percent, unit="%")


@pytest.mark.health("fleet", timeout=480, exclusive=True)
@pytest.mark.threshold("spawn", warn=3, fail=5, unit="s")
def test_spawn(
    health: Health, target: Target, fleet_sample: Future[FleetSample], fleet_probe: FleetProbe
) -> None:
    """An agent is ready in time: really started, or else by the source's own records."""
    health.detail(diagnosis="[fleet.spawn] command, run by hand: what takes its time")
    if target.config.fleet.spawn is None:
        measure_recorded_starts(health, target, fleet_sample)
        return
    # An agent that can't reach the application's Redis is seldom ready.
    health.depends_on("redis.connect")
    done = fleet_probe.spawn_agents()
    times = [attempt.milliseconds for attempt in done if attempt.milliseconds is not None]
    health.detail(
        command=target.config.fleet.spawn.command[:3],
        ready=target.config.fleet.spawn.ready,
        started=len(done),
        starts=done,
    )
    if times:
        health.measure("spawn", times, unit="ms")
        health.detail(worst_ms=max(times))
    left = sum(attempt.left for attempt in done)
    if left:
        raise CheckFailed(f"{left} processes that were started could not be ended")
    if failed := describe_failed_starts(done):
        raise CheckFailed(failed)
    describe_detached(health, done)


def measure_recorded_starts(health: Health, target: Target, reading: Future[FleetSample]) -> None:
    """Measure the starts that the source recorded."""
    if target.config.fleet.source is None:
        raise NotApplicable(NONE)
    try:
        last = reading.result().last
    except FlowHealthError:
        raise NotApplicable(
            "nothing to start is configured, and the source can't be read (fleet.source)"
        ) from None
    if not last.spawn_times:
        raise NotApplicable(
            "nothing to start is configured ([fleet.spawn] in flowhealth.toml), and the source "
            "recorded no starts"
        )
    health.detail(starts="as the source recorded them", worst_ms=max(last.spawn_times))
    health.measure("spawn", last.spawn_times, unit="ms")


def describe_detached(health: Health, done: tuple[AgentStart, ...]) -> None:
    """Say which processes left their session, and which SIGTERM did not end."""
    detached, killed = (
        sum(getattr(attempt, name) for attempt in done) for name in ("detached", "killed")
    )
    if detached:
        health.detail(detached=f"{detached} processes had left their session, and were ended too")
    if killed:
        health.detail(killed=f"{killed} processes did not end by SIGTERM")


@pytest.mark.health("fleet", requires="fleet.source", timeout=480, exclusive=True)
@pytest.mark.threshold("score", warn=70, fail=50, unit="1")
def test_score(health: Health, fleet_sample: Future[FleetSample], fleet_probe: FleetProbe) -> None:
    """The parts above as one figure of 0 to 100, and what follows from them."""
    found = fleet_sample.result()
    limits = fleet_probe.limits
    parts = score_parts(found, limits, median_start(found.last, fleet_probe.started))
    health.detail(recommendations=recommend(found, limits, parts))
    score = score_fleet(parts)
    health.remedy("the part with the fewest points tells where to begin")
    health.detail(parts=score.parts, absent=score.absent)
    health.measure("score", score.value, unit="1")


def median_start(last: Snapshot, started: tuple[AgentStart, ...]) -> float | None:
    """Return the median of the starts in s: of those made in this run, else of those recorded."""
    times = [attempt.milliseconds for attempt in started if attempt.milliseconds is not None]
    times = times if started else [*last.spawn_times]
    return median(times) / 1_000.0 if times else None
