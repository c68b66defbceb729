"""Alerting rules for Prometheus and vmalert, from what a target measures and from its own rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pytest_flowhealth.alerts.rules import Condition
from pytest_flowhealth.domain.checks import unit_suffix
from pytest_flowhealth.domain.metric_names import CHECK, ENDED, scale_of
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.domain.thresholds import ThresholdResult
from pytest_flowhealth.domain.units import is_convertible
from pytest_flowhealth.formats.promql import (
    LOOKBACK,
    MeasuredSeries,
    format_duration,
    iterate_series,
    select,
    take_last,
)

_OVER = {"mean": "avg", "median": "quantile", "min": "min", "max": "max"}


class PrometheusRule(msgspec.Struct, frozen=True):
    """One alerting rule; `held` in seconds."""

    alert: str
    expr: str
    labels: dict[str, str]
    summary: str
    held: float = 0.0
    remedy: str | None = None


def render_rules(
    report: Report, rules: Sequence[Condition], target: str, intervals: Mapping[str, float]
) -> str:
    """Return a file of rules, as YAML.

    Args:
        report: What was measured, and against which thresholds.
        rules: The rules of the monitor's own alerts.
        target: The label `target`.
        intervals: Seconds between two runs of a component.
    """
    series = [*iterate_series(report)]
    groups = {
        "checks": [*_check_rules(report, target, intervals)],
        "thresholds": [rule for each in series for rule in _limits(each, target, intervals)],
        "rules": [
            translated
            for rule in rules
            for translated in _translate(rule, series, target, intervals)
        ],
    }
    lines = ["groups:"]
    for name, found in groups.items():
        if found:
            lines += [f"  - name: {_quote(f'flowhealth {target} {name}')}", "    rules:"]
            lines += [line for rule in found for line in _write(rule)]
    return "\n".join([*lines, ""])


def _check_rules(
    report: Report, target: str, intervals: Mapping[str, float]
) -> Iterator[PrometheusRule]:
    ended = select(ENDED, target=target)
    # A run ends whenever a component is due: the shortest interval tells that none does any more.
    longest = max(LOOKBACK, 3 * min(intervals.values(), default=0.0))
    yield PrometheusRule(
        "FlowhealthMonitorSilent",
        f"time() - max by (host, target, instance) (last_over_time({ended}[7d])) > {round(longest)}",
        {"severity": "critical"},
        _literal(f"no run of {target} has ended for {round(longest)} s"),
    )
    for component in sorted({check.component for check in report.checks}):
        found = select(CHECK, target=target, component=component)
        last = take_last(found, component, intervals)
        for code, severity, word in ((2, "critical", "fails"), (3, "warning", "is unknown")):
            yield PrometheusRule(
                "FlowhealthCheckFails" if code == 2 else "FlowhealthCheckUnknown",
                f"{last} == {code}",
                {"severity": severity, "component": component},
                f"{{{{ $labels.check }}}} {word} on {{{{ $labels.instance }}}}",
            )


def _limits(
    series: MeasuredSeries, target: str, intervals: Mapping[str, float]
) -> Iterator[PrometheusRule]:
    for threshold in series.check.thresholds:
        statistic = series.statistic(threshold.statistic)
        comparable = is_convertible(
            series.measurement.unit, threshold.unit or series.measurement.unit
        )
        if threshold.measurement != series.measurement.name or statistic is None or not comparable:
            continue
        last = take_last(series.select(target, statistic), series.check.component, intervals)
        for severity, limit in (("warning", threshold.warn), ("critical", threshold.fail)):
            if limit is not None:
                yield _limit(series, threshold, last, severity, limit)


def _limit(
    series: MeasuredSeries, threshold: ThresholdResult, last: str, severity: str, limit: float
) -> PrometheusRule:
    sign, side = (">", "above") if threshold.better == "lower" else ("<", "below")
    unit = threshold.unit or series.measurement.unit
    name = f"{series.check.component}.{threshold.name}"
    return PrometheusRule(
        _camel(f"flowhealth.{name}.{'high' if sign == '>' else 'low'}"),
        f"{last} {sign} {limit * scale_of(unit)!r}",
        {"severity": severity, "check": series.check.id},
        _literal(f"{name} is {side} {format_number(limit)}{unit_suffix(unit)}")
        + " on {{ $labels.instance }}",
        remedy=series.check.remedy,
    )


def _translate(
    rule: Condition, series: Sequence[MeasuredSeries], target: str, intervals: Mapping[str, float]
) -> Iterator[PrometheusRule]:
    """Yield a rule of the monitor, once for each series that it is about."""
    for measured in series:
        unit = rule.unit or measured.measurement.unit
        statistic = measured.statistic(rule.statistic)
        about = rule.metric in (measured.metric, f"{measured.metric}[{measured.parameters}]")
        if not about or statistic is None or not is_convertible(measured.measurement.unit, unit):
            continue
        sign, limit = (">", rule.above) if rule.above is not None else ("<", rule.below)
        expression = _value(rule, measured, statistic, target, intervals)
        yield PrometheusRule(
            _camel(rule.name),
            expression if rule.absent else f"{expression} {sign} {(limit or 0) * scale_of(unit)!r}",
            {"severity": rule.severity, "check": measured.check.id},
            _literal(f"{rule.summary}: {rule.spelled} {rule.limit}"),
            rule.held,
            rule.remedy,
        )


def _value(
    rule: Condition,
    series: MeasuredSeries,
    statistic: str,
    target: str,
    intervals: Mapping[str, float],
) -> str:
    """Return what a rule looks at; what is read every second has the statistic `last`."""
    chosen = series.select(target, statistic)
    if rule.absent is not None:
        return f"absent_over_time({chosen}[{format_duration(rule.absent)}])"
    last = take_last(chosen, series.check.component, intervals)
    if rule.window is None:
        return last
    window = f"{series.select(target, 'last')}[{format_duration(rule.window)}]"
    if rule.per is not None:
        return f"deriv({window}) * {format_duration(rule.per).removesuffix('s')}"
    function = _OVER.get(rule.statistic or "median", "avg")
    arguments = f"0.5, {window}" if function == "quantile" else window
    each = (f"{function}_over_time({arguments})", last)
    return "(" + " or ".join(f"max without (statistic) ({choice})" for choice in each) + ")"


def _write(rule: PrometheusRule) -> Iterator[str]:
    yield f"      - alert: {_quote(rule.alert)}"
    yield f"        expr: {_quote(rule.expr)}"
    if rule.held:
        yield f"        for: {format_duration(rule.held)}"
    yield f"        labels: {_table({key: _literal(text) for key, text in rule.labels.items()})}"
    texts = {"summary": one_line(rule.summary), "remedy": _literal(one_line(rule.remedy or ""))}
    yield f"        annotations: {_table({key: text for key, text in texts.items() if text})}"


def _table(texts: dict[str, Any]) -> str:
    return f"{{{', '.join(f'{key}: {_quote(text)}' for key, text in texts.items())}}}"


def _quote(text: str) -> str:
    """Return a YAML scalar: a JSON string is one."""
    return json.dumps(text, ensure_ascii=False)


def _literal(text: str) -> str:
    """Return a text that the template language of annotations leaves as it is."""
    return text.replace("{{", "{{`{{`}}")


def _camel(text: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", text))
