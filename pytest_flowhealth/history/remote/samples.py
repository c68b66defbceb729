"""What is sent of a round, and of a second: samples with the labels host, target and component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_flowhealth.history.entry import metric_of
from pytest_flowhealth.verdict.exposition import (
    OUTCOMES,
    PREFIX,
    STATUSES,
    Sample,
    figures,
    labels_of,
    name_of,
)
from pytest_flowhealth.verdict.report import Health
from pytest_flowhealth.verdict.status import Outcome

Labels = tuple[tuple[str, str], ...]


def place(host: str, target: str) -> Labels:
    """Return the labels that say where something is from."""
    return (("host", host), ("target", target))


def of_round(health: Health, where: Labels) -> Iterator[Sample]:
    """Yield what a round found: its verdict, its checks' outcomes, what they measured."""
    at = health.started.timestamp() + health.duration

    def one(name: str, value: float, *labels: tuple[str, str]) -> Sample:
        return Sample(f"{PREFIX}_{name}", (*where, *labels), value, at)

    yield one("status", STATUSES[health.status])
    yield one("round_duration_seconds", health.duration)
    yield one("last_round_timestamp_seconds", at)
    for name, component in health.components.items():
        if component.status is not None:
            yield one("component_status", STATUSES[component.status], ("component", name))
    for check in health.checks:
        if check.outcome is not Outcome.SKIP:
            named = (("component", check.component), ("check", check.id))
            yield one("check_status", OUTCOMES[check.outcome], *named)
        for taken in check.measurements:
            metric = metric_of(check.id, check.component, taken.name)
            for statistic, value in figures(taken):
                labels = labels_of(metric, check.component, statistic)
                yield Sample(name_of(metric, taken.unit), (*where, *labels), value, at)


def of_second(
    values: Mapping[str, tuple[float, str]], at: float, where: Labels
) -> Iterator[Sample]:
    """Yield what was read in a second, each with its unit."""
    for metric, (value, unit) in values.items():
        component = metric.partition(".")[0]
        labels = labels_of(metric, component, "last")
        yield Sample(name_of(metric, unit), (*where, *labels), value, at)
