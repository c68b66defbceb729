"""Figures, score, advice and values: tables of cases."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.errors import NotApplicable, Unmeasured
from pytest_flowhealth.probes.fleet import figures, overview
from pytest_flowhealth.probes.fleet.advice import Facts, recommendations
from pytest_flowhealth.probes.fleet.reading import Reading
from pytest_flowhealth.probes.fleet.score import SCALES, WEIGHTS, points, scored
from pytest_flowhealth.probes.fleet.snapshot import (
    Agent,
    Agents,
    Snapshot,
    Swarm,
    Tasks,
    Working,
)
from pytest_flowhealth.probes.fleet.values import LARGEST, Notes, Taker

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("part", "figure", "expected"),
    [
        ("completion", 95, 100),
        ("completion", 100, 100),
        ("completion", 87.5, 50),
        ("completion", 80, 0),
        ("spawn", 3, 100),
        ("spawn", 6.5, 50),
        ("spawn", 60, 0),
        ("utilisation", 85, 50),
        ("queue", 60, 100),
        ("queue", math.inf, 0),
        ("stuck", 5, 50),
        ("silent", 25, 50),
        ("swarms", 95, 100),
    ],
)
def test_points(part: str, figure: float, expected: float) -> None:
    assert points(part, figure) == pytest.approx(expected)


def test_the_score_is_the_weighted_mean_of_the_parts_that_there_are() -> None:
    found = scored({"completion": 87.5, "spawn": 1.0, "swarms": "no swarms"})
    assert found.value == pytest.approx((30 * 50 + 15 * 100) / 45)
    assert found.absent == {"swarms": "no swarms"}
    assert set(found.parts) == {"completion", "spawn"}


def test_a_score_of_nothing_is_none() -> None:
    with pytest.raises(NotApplicable):
        scored({"completion": "too few"})


@given(st.dictionaries(st.sampled_from([*WEIGHTS]), st.floats(0, 1e9), min_size=1))
def test_the_score_is_from_0_to_100(parts: dict[str, float]) -> None:
    assert 0 <= scored({**parts}).value <= 100


def test_weights_and_scales_are_those_of_the_same_parts() -> None:
    assert set(WEIGHTS) == set(SCALES)
    assert sum(WEIGHTS.values()) == 100


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (Facts(), ()),
        (Facts(agents=4, busy=75, waiting=9, grown=3, growth=12), ("grows by 12/min with 3 of 4",)),
        (Facts(agents=4, busy=100, waiting=9, grown=3, growth=12), ("raise the pool",)),
        (Facts(agents=4, busy=100, waiting=9, grown=2, growth=8), ()),
        (
            Facts(agents=4, busy=100, grown=9, growth=9, utilisation=95, scope="the CPU time"),
            ("95 % of the CPU time",),
        ),
        (Facts(agents=0, waiting=1), ("1 task waits and there is no agent",)),
        (Facts(paused=True), ("paused",)),
        (Facts(completion=90.0), ("10 % of the tasks fail",)),
        (Facts(completion=95.0), ()),
        (Facts(stuck=2, abandoned=1), ("without an agent", "too long")),
        (Facts(silent=3), ("restart",)),
        (Facts(spawn=4.2), ("4.2 s",)),
        (Facts(agents=10, busy=10, waiting=0), ("smaller pool",)),
        (Facts(agents=2, busy=0, waiting=0), ()),
    ],
)
def test_recommendations(facts: Facts, says: tuple[str, ...]) -> None:
    told = recommendations(facts)
    assert len(told) == len(says)
    assert all(words in sentence for words, sentence in zip(says, told, strict=True)), told


def snapshot(**parts: Any) -> Snapshot:
    return Snapshot(taken=NOW, clock=0.0, **parts)


def test_what_a_source_can_never_know_is_not_applicable_else_unmeasured() -> None:
    found = snapshot(never={"waiting": "no `waiting`"})
    with pytest.raises(NotApplicable, match="no `waiting`"):
        found.known("waiting", None)
    with pytest.raises(Unmeasured, match="active"):
        found.known("active", None)
    assert found.known("waiting", 0) == 0


def test_agents_that_are_gone_do_not_count_and_unknown_states_leave_busy_unknown() -> None:
    told = Agents.of((Agent("a", "busy"), Agent("b", "idle"), Agent("c", "terminated")))
    assert (told.total, told.busy) == (2, 1)
    assert Agents.of((Agent("a", "busy"), Agent("b", "odd"))).busy is None


def test_stuck_abandoned_and_silent() -> None:
    working = (
        Working("new", NOW - 5, held=False),
        Working("old", NOW - 700, held=True),
        Working("unknown"),
    )
    assert [one.id for one in figures.stuck(working, NOW, 600)] == ["old"]
    assert figures.abandoned(working, (Working("new", held=False), Working("x", held=False))) == [
        "new"
    ]
    found = snapshot(
        agents=Agents.of((Agent("a", "idle", heartbeat=NOW - 400), Agent("b", heartbeat=NOW))),
        swarms=(
            Swarm("s", "active", heartbeat=NOW - 301),
            Swarm("done", "completed", heartbeat=NOW - 900),
        ),
    )
    assert [one.id for one in figures.silent(found, 300)] == ["a", "s"]
    assert figures.with_heartbeat(found) == 3


@pytest.mark.parametrize(
    ("waiting", "agents", "durations", "expected"),
    [
        (0, 0, (), 0.0),
        (10, 2, (1.0, 3.0), 10.0),
        (10, 0, (1.0,), math.inf),
        (10, 2, (), None),
        (None, 2, (1.0,), None),
    ],
)
def test_drain(
    waiting: int | None, agents: int, durations: tuple[float, ...], expected: float | None
) -> None:
    found = snapshot(agents=Agents(agents), tasks=Tasks(waiting=waiting, durations=durations))
    assert figures.drain(found) == expected


def test_growth_and_busy_come_from_both_looks() -> None:
    first = Snapshot(NOW, 10.0, Agents(4, 2), Tasks(waiting=10))
    last = Snapshot(NOW + 2, 12.0, Agents(4, 4), Tasks(waiting=16, completed=9, failed=1))
    found = Reading("http", "here", first, last, 0.1, NotApplicable("elsewhere"))
    assert (found.growth, found.busy) == (3.0, 75.0)
    parts = overview.parts(found, overview.Bounds(tasks=11), None)
    assert parts["completion"] == "10 tasks ended, fewer than fleet.tasks = 11"
    assert parts["utilisation"] == "elsewhere"
    facts = overview.facts(found, overview.Bounds(), parts)
    assert (facts.grown, facts.growth, facts.waiting) == (6, 180.0, 16)


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(HOSTILE)
def test_values_are_taken_or_told(value: object) -> None:
    notes = Notes()
    take = Taker(NOW, notes)
    number = take.number(value, "n")
    assert number is None or 0 <= number <= LARGEST
    count = take.count(value, "c")
    assert count is None or count >= 0
    moment = take.moment(value, "m")
    assert moment is None or 9e8 < moment <= NOW + 86_400
    text = take.text(value, "t")
    assert text is None or (text.isprintable() and len(text) < 300)
    take.state(value, "s")
    take.share(value, "p")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_789_999_999, 1_789_999_999.0),
        (1_789_999_999_500, 1_789_999_999.5),
        ("1789999999250", 1_789_999_999.25),
        ("2026-09-21T16:53:19Z", 1_790_009_599.0),
        ("2026-09-21T16:53:19.250", 1_790_009_599.25),
        (0, None),
        ("", None),
        (-5, None),
        ("yesterday", None),
        (True, None),
        (1e300, None),
    ],
)
def test_moments(value: object, expected: float | None) -> None:
    assert Taker(NOW + 10_000, Notes()).moment(value, "m") == expected


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000, b'{"a": 1e999}'])
def test_what_is_no_json_is_told(text: bytes) -> None:
    notes = Notes()
    assert Taker(NOW, notes).table(text, "it") is None
    assert len(notes.told()) == 1


def test_many_problems_are_counted() -> None:
    notes = Notes()
    for number in range(1_000):
        notes.add(f"bad {number}\x1b[31m")
    assert len(notes.told()) == 11
    assert notes.told()[-1] == "and 990 more"
    assert "\x1b" not in "".join(notes.told())
