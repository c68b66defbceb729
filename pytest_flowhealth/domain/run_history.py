"""The part of a report about the history: trends, comparisons, and whether this run was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from pytest_flowhealth.domain.statistics import compute


class Trend(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One threshold's figure over the last runs and this one, the oldest first.

    `change` is how far this run's is from the `median` of the others, as a share of it; None without
    others, or where their median is 0.
    """

    threshold: str
    unit: str
    values: tuple[float, ...]
    median: float | None = None
    change: float | None = None


SHOWN = 20
"""Values of a trend, this run's included."""


def make_trend(threshold: str, unit: str, past: Sequence[float], now: float) -> Trend:
    """Return the trend of a figure: of the earlier runs, the oldest first, and of this one."""
    values = (*past[-(SHOWN - 1) :], now)
    middle = compute("median", past) if past else None
    change = (now - middle) / abs(middle) if middle else None
    return Trend(threshold, unit, values, middle, change)


class RunComparison(msgspec.Struct, frozen=True, gc=False):
    """One measurement beside earlier runs.

    Attributes:
        measurement: `component.name`.
        unit: Of `now` and `median`.
        now: This run's figure; `median` that of the earlier ones, None for none.
        runs: How many earlier runs there are.
        change: How far `now` is from `median`, as a share of it; None where there is none.
        limit: The share from which on it would count as worse or better; None where not judged.
        outcome: "worse", "better", "steady" or "neutral", which `reason` explains.
    """

    measurement: str
    unit: str
    now: float
    median: float | None
    runs: int
    change: float | None
    limit: float | None
    outcome: Literal["worse", "better", "steady", "neutral"]
    reason: str | None = None


class HistoryEntry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What became of this run in the history: its id there, whether it is kept, or waits to be.

    `problem` says why not, or what else is wrong with the history.
    """

    run: str
    kept: bool
    waiting: bool = False
    problem: str | None = None
