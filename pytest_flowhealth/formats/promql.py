"""PromQL selectors for the measurements of a report, as the openmetrics format and remote write name them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from pytest_flowhealth.domain.checks import CheckResult
from pytest_flowhealth.domain.measurements import Measurement
from pytest_flowhealth.domain.metric_names import STATISTICS, make_metric_name
from pytest_flowhealth.domain.report import Report

LOOKBACK = 300.0
"""How far a server looks back for a value by default, in seconds."""


class MeasuredSeries(msgspec.Struct, frozen=True):
    """One measurement of a check, as a Prometheus-compatible server stores it.

    Attributes:
        metric: `redis.command`, without the parameters of a parametrised check.
        name: Its name in Prometheus.
        parameters: The parameters of a parametrised check, otherwise empty.
    """

    check: CheckResult
    measurement: Measurement
    metric: str
    name: str
    parameters: str

    def statistic(self, wanted: str | None) -> str | None:
        """Return the value of the label `statistic`; None if that statistic is not exported."""
        if self.measurement.stats is None:
            return "value"
        found = {None: "median", "p50": "median"}.get(wanted, wanted)
        return found if found in STATISTICS else None

    def select(self, target: str, statistic: str, **matchers: str) -> str:
        """Return the selector of a statistic; a matcher that begins with ``~`` is a regular expression."""
        labels = {"component": self.check.component, "statistic": statistic}
        return select(self.name, target=target, **labels, parameters=self.parameters, **matchers)


def iterate_series(report: Report) -> Iterator[MeasuredSeries]:
    """Yield what the checks measured; a measurement without a value is left out."""
    for check in report.checks:
        parameters = check.id.partition("[")[2].removesuffix("]")
        for measurement in check.measurements:
            if measurement.problem is None:
                metric = f"{check.component}.{measurement.name}"
                yield MeasuredSeries(
                    check,
                    measurement,
                    metric,
                    make_metric_name(metric, measurement.unit),
                    parameters,
                )


def select(name: str, **matchers: str) -> str:
    """Return a selector; empty matchers are left out, ``~...`` is a regular expression."""
    parts = [
        f'{label}{"=~" if value[0] == "~" else "="}"{escape(value.removeprefix("~"))}"'
        for label, value in matchers.items()
        if value
    ]
    return f"{name}{{{', '.join(parts)}}}"


def take_last(selector: str, component: str, intervals: Mapping[str, float]) -> str:
    """Return a query for the last value within three intervals of a component; an older one is missing."""
    seconds = 3 * intervals.get(component, 0.0)
    if seconds <= LOOKBACK:
        return selector
    return f"last_over_time({selector}[{format_duration(seconds)}])"


def format_duration(seconds: float) -> str:
    """Return a duration for PromQL, in whole seconds."""
    return f"{max(1, round(seconds))}s"


def escape(text: str) -> str:
    """Escape a label's value for PromQL's quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
