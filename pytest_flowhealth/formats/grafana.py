"""A Grafana dashboard for the metrics that a target has (schema 39, Grafana 10 and later)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from pytest_flowhealth.domain.metric_names import (
    CHECK,
    COMPONENT,
    STATUS,
    find_unit_word,
    scale_of,
)
from pytest_flowhealth.domain.report import Report
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.domain.thresholds import ThresholdResult
from pytest_flowhealth.formats.promql import MeasuredSeries, iterate_series, select, take_last

_UNITS = {"seconds": "s", "bytes": "bytes", "ratio": "percentunit", "per_second": "ops"}
_UNITS |= {"bytes_per_second": "Bps", "frames_per_second": "fps"}
_WORDS = {0: ("healthy", "green"), 1: ("degraded", "yellow"), 2: ("unhealthy", "red")}
_WORDS |= {3: ("unknown", "text")}
_INSTANCE = "~$instance"
_WIDTH, _HEIGHT = 12, 8


def render_dashboard(report: Report, target: str, intervals: Mapping[str, float]) -> str:
    """Return the dashboard as JSON, to be imported into Grafana.

    Args:
        report: What was measured.
        target: The label `target`.
        intervals: Seconds between two runs of a component.
    """
    dashboard = {
        "title": f"Health of {target}",
        "uid": None,
        "schemaVersion": 39,
        "tags": ["flowhealth"],
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [*_variables(target)]},
        "panels": [
            *_lay_out([*_overview(target, report), *_components(report, target, intervals)])
        ],
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _variables(target: str) -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "type": "datasource", "query": "prometheus"}
    yield {
        "name": "instance",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": f"label_values({select(STATUS, target=target)}, instance)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
    }


def _overview(target: str, report: Report) -> Iterator[dict[str, Any]]:
    words = {str(code): {"text": word, "color": color} for code, (word, color) in _WORDS.items()}
    states = {"mappings": [{"type": "value", "options": words}]}
    found = select(STATUS, target=target, instance=_INSTANCE)
    yield {**_make_panel("Status", "stat", [(found, "{{instance}}")], states), "size": (6, 6)}
    found = select(COMPONENT, target=target, instance=_INSTANCE)
    shown = [(f"max by (component) ({found})", "{{component}}")]
    yield {**_make_panel("Components", "state-timeline", shown, states), "size": (18, 6)}
    found = select(CHECK, target=target, instance=_INSTANCE)
    shown = [(f"count by (check) ({found} >= 2)", "{{check}}")]
    if report.checks:
        yield _make_panel("Hosts on which a check fails or is unknown", "timeseries", shown, {})


def _components(
    report: Report, target: str, intervals: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    series = sorted(iterate_series(report), key=lambda each: (each.check.component, each.metric))
    for component, measured in groupby(series, key=lambda each: each.check.component):
        yield {"type": "row", "title": component, "size": (24, 1)}
        for _, same in groupby(measured, key=lambda each: each.name):
            yield _make_chart([*same], target, intervals)


def _make_chart(series: list[MeasuredSeries], target: str, intervals: Mapping[str, float]) -> Any:
    """Return the chart of a metric; the checks of a parametrisation are in one."""
    first = series[0]
    kinds = "value" if first.measurement.stats is None else "~median|p95|max"
    selector = select(
        first.name,
        target=target,
        instance=_INSTANCE,
        component=first.check.component,
        statistic=kinds,
    )
    legend = "{{instance}} {{statistic}} {{parameters}}"
    limits = next(_find_limits(series), None)
    options: dict[str, Any] = {"unit": _UNITS.get(find_unit_word(first.name), "none")}
    if limits is not None:
        options |= _draw_limits(limits, first.measurement.unit)
    expression = take_last(selector, first.check.component, intervals)
    return _make_panel(first.metric, "timeseries", [(expression, legend)], options)


def _find_limits(series: list[MeasuredSeries]) -> Iterator[ThresholdResult]:
    for each in series:
        for threshold in each.check.thresholds:
            if threshold.measurement == each.measurement.name:
                yield threshold


def _draw_limits(limits: ThresholdResult, unit: str) -> dict[str, Any]:
    """Return the options that draw the limits as lines."""
    scale = scale_of(limits.unit or unit)
    colors = [("red", limits.fail), ("yellow", limits.warn)]
    lines = sorted((limit * scale, color) for color, limit in colors if limit is not None)
    if limits.better == "lower":
        steps = [(None, "green"), *lines]
    else:  # below the lowest limit it is worst
        bounds = [value for value, _ in lines]
        steps = [*zip([None, *bounds], [*(color for _, color in lines), "green"], strict=True)]
    return {
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": color} for value, color in steps],
        },
        "custom": {"thresholdsStyle": {"mode": "line"}},
    }


def _make_panel(
    title: str, kind: str, queries: list[tuple[str, str]], defaults: dict[str, Any]
) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "type": kind,
        "title": printable(title),
        "datasource": source,
        "targets": [
            {"refId": chr(65 + at), "datasource": source, "expr": query, "legendFormat": legend}
            for at, (query, legend) in enumerate(queries)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }


def _lay_out(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the panels side by side, in rows of 24 columns."""
    x = y = height = 0
    for number, panel in enumerate(panels, 1):
        width, own = panel.pop("size", (_WIDTH, _HEIGHT))
        if x + width > 24:
            x, y, height = 0, y + height, 0
        yield {**panel, "id": number, "gridPos": {"x": x, "y": y, "w": width, "h": own}}
        x, height = x + width, max(height, own)
