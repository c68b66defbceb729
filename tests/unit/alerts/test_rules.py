"""The built-in rules, each driven over and under its limit; own rules and what is wrong with them."""

import re

import pytest

from pytest_flowhealth.alerts.evaluation import evaluate_rules
from pytest_flowhealth.alerts.recent_readings import MOST, USUAL, Reading, RecentReadings
from pytest_flowhealth.alerts.rules import (
    Condition,
    find_lookbacks,
    format_metric,
    judge,
    make_conditions,
    read_built_in_rules,
    split_metric,
)
from pytest_flowhealth.alerts.state import Policy, State, step
from pytest_flowhealth.config.alerts import Alerts, Rule
from tests.kit.alerts import DOCUMENTATION

CASES = {
    "highCPU": (85.0, 86.0, "%", 300),
    "highMemory": (85.0, 86.0, "%", 300),
    "criticalCPU": (95.0, 96.0, "%", 60),
    "criticalMemory": (95.0, 96.0, "%", 60),
    "lowDownloads": (10.0, 9.0, "1", 0),
    "highErrorRate": (5.0, 6.0, "%", 0),
    "slowFleet": (3_000.0, 3_001.0, "ms", 0),
    "lowCompletionRate": (95.0, 94.0, "%", 0),
    "redisLatency": (100.0, 101.0, "ms", 0),
    "redisCommandLatency": (5.0, 5.1, "ms", 0),
    "wasmPerformance": (30.0, 29.0, "x", 0),
}
"""A value inside and outside of the limit of each rule, its unit, and its `for` in seconds."""


def named(name: str) -> Condition:
    found = make_conditions([Rule(name=name, enabled=True)])
    return next(one for one in found if one.name == name)


def test_eleven_rules_are_built_in_and_low_downloads_is_off() -> None:
    assert [one.name for one in read_built_in_rules()] == [*CASES]
    assert "lowDownloads" not in {one.name for one in make_conditions(())}


def test_documentation_has_a_table_of_every_rule() -> None:
    assert re.findall(r"^\| (\w+) \| `", DOCUMENTATION, re.MULTILINE) == [*CASES]


@pytest.mark.parametrize("name", CASES)
def test_built_in_rule_fires_past_its_limit_after_its_time_and_resolves(name: str) -> None:
    """At its limit it is still inside it; over it, it fires after `for`, not before."""
    rule = named(name)
    inside, outside, unit, held = CASES[name]
    series, state, policy = RecentReadings(), State(), Policy(rule.held, rule.cooldown)
    firing = []
    for second in range(3 * 400):
        value = outside if 400 <= second < 800 else inside
        series.add(rule.metric, unit, Reading(second, (value,) * 20))
        (judged,) = judge(rule, series, second, 0)
        state = step(state, judged.breached, second, policy)
        firing += [second] * state.fires
    # The mean of ten seconds takes that long to get over a limit.
    slack = 11 if rule.window else 1
    assert 400 + held <= firing[0] <= 400 + held + slack
    assert firing == [*range(firing[0], firing[-1] + 1)]
    assert 799 <= firing[-1] <= 799 + slack


def series_of(metric: str, unit: str, *readings: tuple[float, ...]) -> RecentReadings:
    series = RecentReadings()
    for at, values in enumerate(readings):
        series.add(metric, unit, Reading(60.0 * at, values))
    return series


def own(**settings: object) -> Condition:
    rule = Rule(name="own", **settings)  # type: ignore[arg-type]
    return next(one for one in make_conditions([rule]) if one.name == "own")


def test_window_takes_all_its_values() -> None:
    rule = own(metric="redis.command.max", above=9, window=120.0)
    series = series_of("redis.command", "ms", (1.0, 10.0), (1.0, 2.0), (1.0, 3.0), (1.0, 1.0))

    assert judge(rule, series, 120.0, 0)[0].breached
    assert not judge(rule, series, 180.0, 0)[0].breached


def test_rule_on_a_rate_of_change_needs_two_values() -> None:
    rule = own(metric="redis.memory", above=50, window=600.0, per=3_600.0)
    growing = series_of("redis.memory", "MB", (100.0,), (101.0,), (102.0,))
    steady = series_of("redis.memory", "MB", (100.0,), (100.1,), (100.2,))

    assert judge(rule, growing, 120.0, 0)[0].value == pytest.approx(60.0)
    assert judge(rule, growing, 120.0, 0)[0].breached
    assert not judge(rule, steady, 120.0, 0)[0].breached
    assert judge(rule, series_of("redis.memory", "MB", (1.0,)), 0.0, 0)[0].breached is None


def test_absence_rule_fires_when_no_value_came_for_its_time() -> None:
    rule = own(metric="redis.connect", absent=300.0)

    assert judge(rule, RecentReadings(), 300.0, 0)[0].breached is None, (
        "there may have been one before"
    )
    assert judge(rule, RecentReadings(), 301.0, 0)[0].breached
    there = series_of("redis.connect", "ms", (1.0,))
    assert not judge(rule, there, 299.0, 0)[0].breached
    assert judge(rule, there, 301.0, 0)[0].breached


def test_restart_does_not_end_an_absence() -> None:
    rule = own(metric="redis.connect", absent=300.0)
    state = step(State(), judge(rule, RecentReadings(), 301.0, 0)[0].breached, 301.0, Policy())
    assert state.fires

    for now in (400.0, 699.0, 701.0):  # begun anew at 400
        state = step(state, judge(rule, RecentReadings(), now, 400.0)[0].breached, now, Policy())
        assert state.fires


def test_absence_of_a_metric_ends_with_the_first_value_of_any_parameter() -> None:
    rule = own(metric="http.latency", absent=300.0)
    assert judge(rule, RecentReadings(), 301.0, 0)[0].breached
    series = RecentReadings()
    series.add("http.latency[login]", "ms", Reading(310.0, (9.0,)))

    assert {one.metric: one.breached for one in judge(rule, series, 320.0, 0)} == {
        "http.latency": False,
        "http.latency[login]": False,
    }
    assert {one.metric: one.breached for one in judge(rule, series, 620.0, 0)} == {
        "http.latency": False,
        "http.latency[login]": True,
    }


def test_long_window_is_judged_whole_and_other_metrics_are_not_kept_for_it() -> None:
    rule = own(metric="system.cpu.mean", above=50, window=21_600.0)
    series = RecentReadings(find_lookbacks([rule]))
    hours = 3_600
    for second in range(6 * hours):
        series.add("system.cpu", "%", Reading(second, (100.0 if second < 4 * hours else 0.0,)))
        series.add("system.load", "1", Reading(second, (1.0,)))

    (judged,) = judge(rule, series, 6 * hours - 1, 0)

    assert judged.value == pytest.approx(100 * 4 / 6, rel=0.001)
    assert len(series.since("system.cpu", 0)) <= MOST + 1
    assert len(series.since("system.load", 0)) <= USUAL + 1
    assert series.last("system.cpu") == Reading(6 * hours - 1, (0.0,))


def test_each_parameter_of_a_check_is_judged_by_itself_and_a_rule_may_name_one() -> None:
    series = RecentReadings()
    series.add("http.latency[login]", "ms", Reading(0, (9.0,)))
    series.add("http.latency[home]", "ms", Reading(0, (1.0,)))
    each = judge(own(metric="http.latency.max", above=5), series, 0, 0)
    rule = own(metric="http.latency.max[login]", above=5)
    (judged,) = judge(rule, series, 0, 0)
    (observed,) = evaluate_rules([rule], series, {judged.metric}, Alerts(), (0.0, 0.0))

    assert {condition.metric: condition.breached for condition in each} == {
        "http.latency[login]": True,
        "http.latency[home]": False,
    }
    assert (judged.metric, judged.breached) == ("http.latency[login]", True)
    assert observed.subject.name == "own[login]"
    assert "http.latency.max[login] is 9 ms" in observed.subject.summary


def test_percentile_that_the_sample_cannot_support_is_unknown() -> None:
    rule = own(metric="redis.connect.p95", above=1)

    assert judge(rule, series_of("redis.connect", "ms", (9.0,) * 19), 0, 0)[0].breached is None
    assert judge(rule, series_of("redis.connect", "ms", (9.0,) * 20), 0, 0)[0].breached


def test_unit_of_another_kind_is_unknown() -> None:
    rule = own(metric="redis.connect", above=1, unit="MiB")

    assert judge(rule, series_of("redis.connect", "ms", (9.0,)), 0, 0)[0].breached is None


def test_built_in_rule_can_be_changed_or_switched_off() -> None:
    found = {one.name: one for one in make_conditions([Rule(name="highCPU", above=70.0)])}
    assert (found["highCPU"].above, found["highCPU"].held) == (70.0, 300.0)

    assert "highCPU" not in {
        one.name for one in make_conditions([Rule(name="highCPU", enabled=False)])
    }


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("redis.connect.p95", ("redis.connect", "p95")),
        ("redis.connect.p99.9", ("redis.connect", "p99.9")),
        ("system.cpu", ("system.cpu", None)),
        ("http.latency.max[login]", ("http.latency[login]", "max")),
        ("npm.downloads_day", ("npm.downloads_day", None)),
    ],
)
def test_metric_name_is_split_into_metric_and_statistic_and_joined_again(
    spelled: str, expected: tuple[str, str | None]
) -> None:
    assert split_metric(spelled) == expected
    assert format_metric(*expected) == spelled
