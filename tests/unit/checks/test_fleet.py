"""The checks of the fleet, judged on two looks at its records and on the starts of an agent."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from checks import test_fleet as checks
from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.fleet import FleetProbe
from pytest_flowhealth.probes.fleet.sampling import FleetSample
from pytest_flowhealth.probes.fleet.snapshot import Agent, Agents, Snapshot, Swarm, Tasks, Working
from pytest_flowhealth.probes.fleet.spawn import AgentStart
from pytest_flowhealth.probes.fleet.utilisation import Share, Usage
from tests.kit.checks import assert_outcome, run_check

NOW = 1_790_000_000.0
SOURCE = 'source = "command"\ncommand = ["x"]'


def reading(usage: Any = None, first: Snapshot | None = None, **parts: Any) -> FleetSample:
    last = Snapshot(taken=NOW, clock=1.0, **parts)
    before = first or Snapshot(taken=NOW - 1, clock=0.0, **parts)
    return FleetSample("command", "x", before, last, 0.1, usage or NotApplicable("elsewhere"))


def judge(
    folder: Path, name: str, found: object, *, toml: str = SOURCE, starts: Any = ()
) -> CheckResult:
    """Run one check; `starts` are what starting agents returns, or raises."""
    (folder / "flowhealth.toml").write_text(f"[fleet]\n{toml}\n")
    check = getattr(checks, f"test_{name}")
    effect = {"side_effect" if isinstance(starts, Exception) else "return_value": starts}
    with patch.object(FleetProbe, "spawn_agents", **effect):
        return run_check(check, folder, fleet_sample=found)


def usage(cpu: float, unseen: int = 0) -> Usage:
    return Usage(Share(cpu, "machine"), Share(20.0, "machine"), 2, 2, unseen, 1.0, 50.0, 1.0)


def swarms(*states: str) -> tuple[Swarm, ...]:
    return tuple(Swarm(str(number), state) for number, state in enumerate(states))


DENIED = MeasurementUnavailable("Redis does not let user 'app' send TYPE")
LOOSE = Tasks(working=(Working("loose", NOW - 1, held=False), Working("w", NOW - 1, held=True)))
THREE = Tasks(waiting=3)
QUIET = Agent("quiet", "idle", heartbeat=NOW - 301)
LIVELY = Agent("lively", "busy", heartbeat=NOW - 299)


@pytest.mark.parametrize(
    ("check", "found", "outcome", "says"),
    [
        ("source", reading(), "pass", ""),
        ("source", reading(bad=("a is no JSON", "b")), "warn", "can't be used: a is no JSON"),
        ("source", reading(partial=("only 10 of 20",)), "warn", "only 10 of 20"),
        ("source", CheckFailed("no Redis listens"), "fail", "no Redis listens"),
        ("source", DENIED, "unknown", "send TYPE"),
        ("completion", reading(tasks=Tasks(20, 0)), "pass", ""),
        ("completion", reading(tasks=Tasks(90, 10)), "warn", "completion"),
        ("completion", reading(tasks=Tasks(70, 30)), "fail", "completion"),
        ("completion", reading(tasks=Tasks(19, 0)), "skip", "19 tasks ended, fewer than"),
        ("completion", reading(), "unknown", "completion"),
        ("completion", reading(never={"completion": "no `failed`"}), "skip", "no `failed`"),
        ("utilisation", reading(usage(50.0)), "pass", ""),
        ("utilisation", reading(usage(75.0)), "warn", "utilisation"),
        ("utilisation", reading(usage(95.0)), "fail", "utilisation"),
        ("utilisation", reading(usage(50.0, unseen=1)), "warn", "1 agents were not found"),
        ("utilisation", reading(), "skip", "elsewhere"),
        ("utilisation", reading(MeasurementUnavailable("they ended")), "unknown", "they ended"),
        ("agents", reading(agents=Agents(2, 1)), "pass", ""),
        ("agents", reading(agents=Agents(0, 0)), "warn", "agents"),
        ("agents", reading(agents=Agents(0), tasks=THREE), "fail", "3 tasks wait, and there is no"),
        ("queue", reading(tasks=Tasks(waiting=1_000)), "pass", ""),
        ("queue", reading(tasks=Tasks(waiting=1_001)), "warn", "queue"),
        ("queue", reading(tasks=Tasks(waiting=5), facts={"paused": True}), "warn", "is paused"),
        ("progress", reading(tasks=Tasks(waiting=0)), "pass", ""),
        (
            "progress",
            reading(tasks=Tasks(waiting=3), agents=Agents(2, 0)),
            "fail",
            "none was taken",
        ),
        (
            "progress",
            reading(tasks=Tasks(waiting=0, overdue=2, active=1)),
            "warn",
            "2 delayed tasks",
        ),
        ("progress", reading(tasks=Tasks(waiting=0, overdue=2, active=0)), "fail", "nobody works"),
        ("progress", reading(tasks=Tasks(waiting=0, stalled=2)), "warn", "tasks stalled 2 times"),
        ("progress", reading(tasks=Tasks(waiting=0, orphaned=("p",))), "warn", "1 parents wait"),
        (
            "progress",
            reading(tasks=Tasks(waiting=2, lost=("a",), held_back="the queue is paused")),
            *("fail", "1 tasks wait, and their data are gone (evicted, or deleted): a"),
        ),
        (
            "progress",
            reading(tasks=Tasks(waiting=0, lost_schedules=("nightly",))),
            *("warn", "their next task does not exist: nightly"),
        ),
        (
            "progress",
            reading(tasks=Tasks(waiting=0, completed=0, failed=3)),
            *("warn", "none of the 3 tasks that ended succeeded"),
        ),
        ("progress", reading(tasks=Tasks(waiting=0, completed=1, failed=3)), "pass", ""),
        ("progress", reading(tasks=Tasks(waiting=0, completed=0, failed=0)), "pass", ""),
        ("progress", reading(), "unknown", "waiting"),
        ("stuck", reading(tasks=Tasks(working=())), "pass", ""),
        ("stuck", reading(tasks=Tasks(working=(Working("long", NOW - 601),))), "warn", "stuck"),
        ("stuck", reading(tasks=LOOSE), "warn", "abandoned"),
        ("silent", reading(agents=Agents.of((LIVELY,))), "pass", ""),
        ("silent", reading(agents=Agents.of((LIVELY, QUIET))), "warn", "silent"),
        ("silent", reading(agents=Agents.of((QUIET,))), "fail", "all 1 agents and swarms"),
        ("silent", reading(agents=Agents.of((Agent("a"),))), "unknown", "heartbeat"),
        ("swarms", reading(swarms=swarms(*["completed"] * 5, "active")), "pass", ""),
        ("swarms", reading(swarms=swarms(*["completed"] * 9, "failed")), "warn", "swarm_success"),
        ("swarms", reading(swarms=swarms(*["completed"] * 3, *["failed"] * 2)), "fail", "swarm"),
        ("swarms", reading(swarms=swarms("completed")), "skip", "1 swarms ended, fewer than 5"),
    ],
)
def test_each_part_of_a_reading_is_judged(
    tmp_path: Path, check: str, found: object, outcome: str, says: str
) -> None:
    assert_outcome(judge(tmp_path, check, found), outcome, says)


def test_what_is_stuck_by_the_configured_limit_or_silent_is_named(tmp_path: Path) -> None:
    long = Working("long", NOW - 601)
    found = reading(tasks=Tasks(working=(long,)), agents=Agents.of((LIVELY, QUIET)))
    assert judge(tmp_path, "stuck", found).details["stuck"] == {"long": "601 s"}
    assert judge(tmp_path, "stuck", found, toml='stuck = "11 min"').outcome == "pass"
    assert judge(tmp_path, "silent", found).details["silent"] == {"quiet": "301 s"}
    assert judge(tmp_path, "stuck", reading(tasks=LOOSE)).details["abandoned"] == ["loose"]


def test_a_queue_that_grows_tells_how_quickly(tmp_path: Path) -> None:
    first = Snapshot(taken=NOW - 2, clock=-1.0, tasks=Tasks(waiting=10))
    result = judge(tmp_path, "queue", reading(first=first, tasks=Tasks(waiting=16)))
    figures = {one.name: one.value for one in result.measurements}
    assert figures == {"queue": 16, "queue_growth": 3.0}


SPAWN = '[fleet.spawn]\ncommand = ["agent"]'
WELL = AgentStart(1_000.0)
FAILED = AgentStart(None, "it ended with exit code 3 before it was ready", 3)


@pytest.mark.parametrize(
    ("starts", "outcome", "says"),
    [
        ((WELL,) * 5, "pass", ""),
        ((AgentStart(4_000.0),) * 5, "warn", "spawn"),
        ((AgentStart(6_000.0),) * 5, "fail", "spawn"),
        ((WELL, FAILED), "fail", "1 of 2 starts failed: it ended with exit code 3"),
        (
            (AgentStart(1_000.0, left=2),),
            "fail",
            "2 processes that were started could not be ended",
        ),
        (CheckFailed("`agent` can't be started"), "fail", "can't be started"),
    ],
)
def test_starts_are_judged_by_their_time_their_failures_and_what_they_leave(
    tmp_path: Path, starts: object, outcome: str, says: str
) -> None:
    assert_outcome(judge(tmp_path, "spawn", DENIED, toml=SPAWN, starts=starts), outcome, says)


def test_processes_that_were_hard_to_end_are_told(tmp_path: Path) -> None:
    starts = (AgentStart(1_000.0, detached=1), AgentStart(1_000.0, detached=1, killed=3))
    details = judge(tmp_path, "spawn", DENIED, toml=SPAWN, starts=starts).details
    assert details["detached"].startswith("2 processes had left their session")
    assert details["killed"].startswith("3 processes did not end")


@pytest.mark.parametrize(
    ("toml", "found", "outcome", "says"),
    [
        (SOURCE, reading(spawn_times=(1_200.0,)), "pass", ""),
        (SOURCE, reading(), "skip", "the source recorded no starts"),
        (SOURCE, CheckFailed("down"), "skip", "the source can't be read (fleet.source)"),
        ("", NotApplicable("none"), "skip", "no fleet is configured"),
    ],
)
def test_without_a_command_the_recorded_starts_count(
    tmp_path: Path, toml: str, found: object, outcome: str, says: str
) -> None:
    result = judge(tmp_path, "spawn", found, toml=toml, starts=())
    assert_outcome(result, outcome, says)
    assert [one.name for one in result.measurements] == (["spawn"] if outcome == "pass" else [])
