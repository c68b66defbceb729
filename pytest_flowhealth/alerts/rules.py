"""Rules: the built-in ones, those of the configuration, and their evaluation on readings."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources

import msgspec

from pytest_flowhealth.alerts.recent_readings import Reading, RecentReadings
from pytest_flowhealth.config.alerts import Rule
from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.domain.alerting import Severity
from pytest_flowhealth.domain.checks import unit_suffix
from pytest_flowhealth.domain.statistics import UnsupportedStatistic, compute, is_statistic
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.domain.units import convert, is_convertible
from pytest_flowhealth.errors import UsageError


class Condition(msgspec.Struct, frozen=True):
    """A rule that can be judged; durations in seconds.

    Attributes:
        metric: Without the statistic; `statistic` is None for the one that fits.
        above, below: One of them, in `unit`, or in the metric's own where that is None.
        window: How far back values count; None for those of the last reading.
        per: The time per which a change is judged; None for the value itself.
        absent: After how long without a value it holds, in the place of a limit.
    """

    name: str
    metric: str
    statistic: str | None
    above: float | None
    below: float | None
    unit: str | None
    window: float | None
    per: float | None
    absent: float | None
    held: float
    cooldown: float
    severity: Severity
    summary: str
    remedy: str | None
    runbook: str | None

    @property
    def component(self) -> str:
        """What its metric speaks of."""
        return self.metric.partition(".")[0]

    @property
    def spelled(self) -> str:
        """Its metric with the statistic."""
        return format_metric(self.metric, self.statistic)

    @property
    def limit(self) -> str:
        """Its limit in words."""
        if self.absent is not None:
            return f"no value for {format_number(self.absent)} s"
        side, value = ("above", self.above) if self.above is not None else ("below", self.below)
        per = "" if self.per is None else f" in {format_number(self.per)} s"
        return f"{side} {format_number(value or 0.0)}{unit_suffix(self.unit)}{per}"


class RuleResult(msgspec.Struct, frozen=True):
    """The result of a rule for one metric: whether it is breached (None: unknown), and the value."""

    metric: str
    breached: bool | None
    value: float | None = None
    unit: str | None = None


@cache
def read_built_in_rules() -> tuple[Rule, ...]:
    """Return the built-in rules."""
    text = (resources.files("pytest_flowhealth.alerts") / "rules.toml").read_text(encoding="utf-8")
    decoder = Decoder("rules.toml")
    decoder.table(tomllib.loads(text))
    rules: tuple[Rule, ...] = decoder.values["rules"].value
    return rules


def make_conditions(configured: Sequence[Rule]) -> tuple[Condition, ...]:
    """Return the enabled rules: the built-in ones with the configured changes, then the others.

    Raises:
        UsageError: One says too little, or what can't be meant; all are named.
    """
    named = {rule.name: rule for rule in read_built_in_rules()}
    for rule in configured:
        named[rule.name] = _apply_changes(named[rule.name], rule) if rule.name in named else rule
    found, problems = [], []
    for rule in named.values():
        if rule.enabled is False:
            continue
        try:
            found.append(_condition(rule))
        except ValueError as error:
            problems.append(f"rules: {rule.name}: {error}")
    if problems:
        raise UsageError("the configuration can't be used", problems=problems)
    return tuple(found)


def find_disabled_rules(configured: Sequence[Rule]) -> list[str]:
    """Return the names of the rules that are not used."""
    named = {rule.name: rule.enabled for rule in read_built_in_rules()}
    named |= {rule.name: rule.enabled for rule in configured if rule.enabled is not None}
    return [name for name, enabled in named.items() if enabled is False]


def find_lookbacks(rules: Sequence[Condition]) -> dict[str, float]:
    """Return how many seconds back rules look, by metric; only those that do are named."""
    found: dict[str, float] = {}
    for rule in rules:
        if rule.window:
            found[rule.metric] = max(rule.window, found.get(rule.metric, 0.0))
    return found


def judge(rule: Condition, series: RecentReadings, now: float, begun: float) -> list[RuleResult]:
    """Return what a rule says now, of each metric that it names.

    Args:
        rule: The rule.
        series: What was measured.
        now: The time of the same clock.
        begun: Since when anything could have been measured.
    """
    names = list(series.named(rule.metric))
    if rule.absent is None:
        return [_judge_metric(rule, metric, series, now) for metric in names]
    found = [_judge_absence(rule, metric, series, now, begun) for metric in names or [rule.metric]]
    # That nothing at all came is over with the first value of any parametrised check.
    every = [RuleResult(rule.metric, False)] if names and rule.metric not in names else []
    return every + found


def _judge_metric(rule: Condition, metric: str, series: RecentReadings, now: float) -> RuleResult:
    readings = series.since(metric, now - rule.window) if rule.window else _last(series, metric)
    value = _change(rule, readings) if rule.per else _statistic(rule, readings)
    theirs = series.unit(metric)
    unit = rule.unit or theirs
    if value is None or not is_convertible(theirs, unit):
        return RuleResult(metric, None, None, unit)
    value = convert(value, theirs, unit)
    if rule.above is not None:
        return RuleResult(metric, value > rule.above, value, unit)
    return RuleResult(metric, value < (rule.below or 0.0), value, unit)


def _judge_absence(
    rule: Condition, metric: str, series: RecentReadings, now: float, begun: float
) -> RuleResult:
    last = series.last(metric)
    seconds = now - (begun if last is None else last.at)
    late = seconds > (rule.absent or 0.0)
    # Before the first value it is not known whether there was one before the monitor's start.
    return RuleResult(metric, late or (None if last is None else False), seconds, "s")


def _last(series: RecentReadings, metric: str) -> list[Reading]:
    last = series.last(metric)
    return [] if last is None else [last]


def _statistic(rule: Condition, readings: Sequence[Reading]) -> float | None:
    values = [value for reading in readings for value in reading.values]
    if not values:
        return None
    try:
        found = compute(rule.statistic or "median", values)
    except UnsupportedStatistic:
        return None
    return found if math.isfinite(found) else None


def _change(rule: Condition, readings: Sequence[Reading]) -> float | None:
    """Return the change from the first to the last reading per `rule.per` seconds."""
    if len(readings) < 2 or readings[-1].at <= readings[0].at:
        return None
    first, last = (_statistic(rule, [reading]) for reading in (readings[0], readings[-1]))
    if first is None or last is None:
        return None
    return (last - first) / (readings[-1].at - readings[0].at) * (rule.per or 1.0)


def _apply_changes(rule: Rule, over: Rule) -> Rule:
    """Return a built-in rule with what the configuration says of it."""
    changes = {
        name: value for name in Rule.__struct_fields__ if (value := getattr(over, name)) is not None
    }
    if changes.keys() & {"above", "below", "absent"}:
        changes = {"above": None, "below": None, "absent": None, **changes}
    return msgspec.structs.replace(rule, **changes)


def _condition(rule: Rule) -> Condition:
    if rule.metric is None:
        raise ValueError("'metric' is missing, such as 'redis.connect.p95'")
    if rule.above is None and rule.below is None and rule.absent is None:
        raise ValueError("it needs 'above', 'below' or 'absent'")
    metric, statistic = split_metric(rule.metric)
    return Condition(
        name=rule.name,
        metric=metric,
        statistic=statistic,
        above=rule.above,
        below=rule.below,
        unit=rule.unit,
        window=rule.window,
        per=rule.per,
        absent=rule.absent,
        held=rule.held or 0.0,
        cooldown=rule.cooldown or 300.0,
        severity=rule.severity or "warning",
        summary=rule.summary or f"{rule.metric} is out of bounds",
        remedy=rule.remedy,
        runbook=rule.runbook,
    )


def format_metric(metric: str, statistic: str | None) -> str:
    """Return a metric's name with a statistic: `http.latency.max[login]`."""
    head, bracket, which = metric.partition("[")
    return f"{head}.{statistic}{bracket}{which}" if statistic else metric


def split_metric(spelled: str) -> tuple[str, str | None]:
    """Return a metric and the statistic that its name ends with: `redis.connect.p95`."""
    bracket = spelled.find("[")
    head, brackets = (spelled, "") if bracket < 0 else (spelled[:bracket], spelled[bracket:])
    for dots in (1, 2):  # p99.9 has a dot of its own
        parts = head.rsplit(".", dots)
        if len(parts) == dots + 1 and parts[0].count(".") and is_statistic(".".join(parts[1:])):
            return parts[0] + brackets, ".".join(parts[1:])
    return spelled, None
