"""The built-in rules, each driven over and under its limit; own rules and what is wrong with them."""

import pytest

from pytest_flowhealth.alerts.rules import Condition, built_in, conditions, judge, split
from pytest_flowhealth.alerts.series import Reading, Series
from pytest_flowhealth.alerts.state import Policy, State, step
from pytest_flowhealth.config.alerts import Rule
from pytest_flowhealth.errors import UsageError

UNITS = {
    "system.cpu": "%",
    "system.memory": "%",
    "npm.downloads_day": "1",
    "npm.install_failures": "%",
    "fleet.spawn": "ms",
    "fleet.completion": "%",
    "redis.connect": "ms",
    "redis.command": "ms",
    "wasm.multiplier": "x",
}
CASES = {
    "highCPU": (85.0, 86.0),
    "highMemory": (85.0, 86.0),
    "criticalCPU": (95.0, 96.0),
    "criticalMemory": (95.0, 96.0),
    "lowDownloads": (10.0, 9.0),
    "highErrorRate": (5.0, 6.0),
    "slowFleet": (3_000.0, 3_001.0),
    "lowCompletionRate": (95.0, 94.0),
    "redisLatency": (100.0, 101.0),
    "redisCommandLatency": (5.0, 5.1),
    "wasmPerformance": (30.0, 29.0),
}
HELD = {"highCPU": 300, "highMemory": 300, "criticalCPU": 60, "criticalMemory": 60}


def named(name: str) -> Condition:
    found = conditions([Rule(name=name, enabled=True)])
    return next(one for one in found if one.name == name)


def test_the_eleven_are_there() -> None:
    assert [one.name for one in built_in()] == [*CASES]
    assert "lowDownloads" not in {one.name for one in conditions(())}


@pytest.mark.parametrize("name", CASES)
def test_each_fires_after_its_time_and_resolves(name: str) -> None:
    """At its limit it is still inside it; over it, it fires after `for`, not before."""
    rule = named(name)
    inside, outside = CASES[name]
    series, state = Series(), State()
    policy = Policy(rule.held, rule.cooldown)
    fired: list[int] = []
    held = HELD.get(name, 0)
    for second in range(3 * 400):
        value = outside if 400 <= second < 800 else inside
        metric = rule.metric
        series.add(metric, UNITS[metric], Reading(second, (value,) * 20))
        (judged,) = judge(rule, series, second, 0)
        before, state = state, step(state, judged.breached, second, policy)
        if state.fires and not before.fires:
            fired.append(second)
        assert not (state.fires and second < 400 + held)
    # The mean of ten seconds takes that long to get over a limit.
    slack = 11 if rule.window else 1
    assert fired, "it never fired"
    assert 400 + held <= fired[0] <= 400 + held + slack
    assert len(fired) == 1
    assert not state.fires


def series_of(metric: str, unit: str, *readings: tuple[float, ...]) -> Series:
    series = Series()
    for at, values in enumerate(readings):
        series.add(metric, unit, Reading(60.0 * at, values))
    return series


def own(**settings: object) -> Condition:
    rule = Rule(name="own", **settings)  # type: ignore[arg-type]
    return next(one for one in conditions([rule]) if one.name == "own")


def test_a_window_takes_all_its_values() -> None:
    rule = own(metric="redis.command.max", above=9, window="2 min")
    series = series_of("redis.command", "ms", (1.0, 10.0), (1.0, 2.0), (1.0, 3.0), (1.0, 1.0))

    assert judge(rule, series, 120.0, 0)[0].breached
    assert not judge(rule, series, 180.0, 0)[0].breached


def test_a_rate_of_change() -> None:
    rule = own(metric="redis.memory", above=50, window="10 min", per="1 h")
    growing = series_of("redis.memory", "MB", (100.0,), (101.0,), (102.0,))
    steady = series_of("redis.memory", "MB", (100.0,), (100.1,), (100.2,))

    assert judge(rule, growing, 120.0, 0)[0].value == pytest.approx(60.0)
    assert judge(rule, growing, 120.0, 0)[0].breached
    assert not judge(rule, steady, 120.0, 0)[0].breached
    assert judge(rule, series_of("redis.memory", "MB", (1.0,)), 0.0, 0)[0].breached is None


def test_absence() -> None:
    rule = own(metric="redis.connect", absent="5 min")

    assert not judge(rule, Series(), 300.0, 0)[0].breached
    assert judge(rule, Series(), 301.0, 0)[0].breached
    there = series_of("redis.connect", "ms", (1.0,))
    assert not judge(rule, there, 299.0, 0)[0].breached
    assert judge(rule, there, 301.0, 0)[0].breached


def test_each_parametrised_check_is_judged_by_itself() -> None:
    rule = own(metric="http.latency.max", above=5)
    series = Series()
    series.add("http.latency[login]", "ms", Reading(0, (9.0,)))
    series.add("http.latency[home]", "ms", Reading(0, (1.0,)))

    assert {one.metric: one.breached for one in judge(rule, series, 0, 0)} == {
        "http.latency[login]": True,
        "http.latency[home]": False,
    }


def test_what_the_sample_can_not_support_is_not_known() -> None:
    rule = own(metric="redis.connect.p95", above=1)

    assert judge(rule, series_of("redis.connect", "ms", (9.0,) * 19), 0, 0)[0].breached is None
    assert judge(rule, series_of("redis.connect", "ms", (9.0,) * 20), 0, 0)[0].breached


def test_a_unit_of_another_kind_is_not_known() -> None:
    rule = own(metric="redis.connect", above=1, unit="MiB")

    assert judge(rule, series_of("redis.connect", "ms", (9.0,)), 0, 0)[0].breached is None


def test_a_built_in_rule_is_changed_or_switched_off() -> None:
    found = {one.name: one for one in conditions([Rule(name="highCPU", above=70.0)])}
    assert (found["highCPU"].above, found["highCPU"].held) == (70.0, 300.0)

    assert "highCPU" not in {one.name for one in conditions([Rule(name="highCPU", enabled=False)])}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Rule(name="a"), "'metric' is missing"),
        (Rule(name="a", metric="redis.connect"), "needs 'above', 'below' or 'absent'"),
    ],
)
def test_rules_that_say_too_little(rule: Rule, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        conditions([rule])


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
def test_statistics_in_names(spelled: str, expected: tuple[str, str | None]) -> None:
    assert split(spelled) == expected
