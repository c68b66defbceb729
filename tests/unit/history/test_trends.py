"""Trends: which direction a metric takes over the recorded runs, and which check is the worst."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.model import Configuration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.history.query import PastMeasurement, RecordedRun
from pytest_flowhealth.history.trends import MetricTrend, read_trends


class FakeReader:
    """A history with one run for each value of a metric."""

    def __init__(self, better: str, values: dict[str, Sequence[float]]) -> None:
        self._better = better
        self._values = values

    def runs(self, *, limit: int = 50, fingerprint: str | None = None) -> list[RecordedRun]:
        return [RecordedRun("9", 9.0, 1.0, "healthy", "shop", None, "", None)]

    def report(self, run: str) -> dict[str, Any]:
        limits = {"measurement": "hits", "statistic": None, "better": self._better}
        checks = [
            {
                "id": f"app.page{metric.removeprefix('app.hits')}",
                "component": "app",
                "measurements": [{"name": "hits", "unit": "1"}],
                "thresholds": [limits],
            }
            for metric in self._values
        ]
        return {"health": {"checks": checks}}

    def read_period(self, metric: str, since: float, until: float) -> list[PastMeasurement]:
        return [
            PastMeasurement(str(at), float(at), value, (value,))
            for at, value in enumerate(self._values.get(metric, ()))
        ]


def read(better: str = "lower", **values: Sequence[float]) -> list[MetricTrend]:
    by_metric = {
        f"app.hits[{name}]" if name != "one" else "app.hits": each for name, each in values.items()
    }
    reader: Any = FakeReader(better, by_metric)
    return read_trends(reader, Target(Path("/nowhere"), Configuration()), 0, 1e9)


@pytest.mark.parametrize(
    ("better", "values", "change", "direction", "worse"),
    [
        ("lower", (10, 10, 11, 12, 15, 15), 0.5, "rising", True),
        ("higher", (10, 10, 11, 12, 15, 15), 0.5, "rising", False),
        ("higher", (10, 10, 9, 9, 5, 5), -0.5, "falling", True),
        ("lower", (100, 101, 99, 100, 102, 103), 0.02, "steady", False),
        ("lower", (0, 0, 0, 4, 4, 4), None, "rising", True),
        ("lower", (0, 0, 0, 0, 0, 0), None, "steady", False),
        ("lower", (-10, -10, -10, -5, -5, -5), 0.5, "rising", True),
        ("lower", (1, 100), None, "too few runs", False),
    ],
)
def test_the_direction_of_a_metric(
    better: str, values: Sequence[float], change: float | None, direction: str, worse: bool
) -> None:
    (found,) = read(better, one=values)

    assert found.change == pytest.approx(change, abs=0.01)
    assert (found.direction, found.worse) == (direction, worse)
    assert (found.name, found.runs, found.last) == ("app.hits", len(values), values[-1])


def test_of_a_parametrised_check_the_worst_one_counts_and_is_named() -> None:
    (lower,) = read("lower", a=[1.0] * 6, b=[3.0] * 6)
    (higher,) = read("higher", a=[1.0] * 6, b=[3.0] * 6)

    assert (lower.check, lower.last, lower.runs) == ("app.page[b]", 3.0, 6)
    assert (higher.check, higher.last) == ("app.page[a]", 1.0)


def test_a_metric_without_values_has_no_trend() -> None:
    assert read(one=()) == []
