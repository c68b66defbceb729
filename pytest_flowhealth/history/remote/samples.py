"""What is sent of a round, and of a second: samples with the labels host, target and component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_flowhealth.domain.metric_names import (
    Labels,
    Sample,
    exposed,
    labels_of,
    name_of,
    origin_of,
    place,
    to_base,
)

__all__ = ["of_round", "of_second", "origin_of", "place"]

of_round = exposed
"""Of a round is sent what is exposed of it, by the same names."""


def of_second(
    values: Mapping[str, tuple[float, str]], at: float, where: Labels
) -> Iterator[Sample]:
    """Yield what was read in a second, each with its unit."""
    for metric, (value, unit) in values.items():
        component = metric.partition(".")[0]
        labels = labels_of(metric, component, "last", unit)
        yield Sample(name_of(metric, unit), (*where, *labels), to_base(value, unit, "last"), at)
