"""An interval for a median from few values: order statistics, without a guess at their distribution.

H. A. David and H. N. Nagaraja, Order Statistics, 3rd edition, section 7.1: the
median of the population lies between the k-th smallest and the k-th largest of
n independent values with probability 1 - 2 P(B <= k - 1), B binomial(n, 1/2).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec

CONFIDENCE = 0.95
"""How probable it has to be that the interval holds the median."""

FEWEST = 6
"""Values below which no interval of that confidence exists."""


class Interval(msgspec.Struct, frozen=True):
    """The `median` of `count` values, and where the true one lies with `confidence` at least."""

    median: float
    low: float
    high: float
    count: int
    confidence: float

    @property
    def half_width(self) -> float:
        """Half the width, as a share of the median."""
        return (self.high - self.low) / 2 / self.median if self.median else math.inf


def interval(values: Sequence[float]) -> Interval | None:
    """Return the interval of the median of `values`; None for fewer than six."""
    if len(values) < FEWEST:
        return None
    ordered = sorted(values)
    count = len(ordered)
    rank = max(k for k in range(1, count // 2 + 1) if coverage(count, k) >= CONFIDENCE)
    return Interval(
        statistics.median(ordered),
        ordered[rank - 1],
        ordered[count - rank],
        count,
        coverage(count, rank),
    )


def coverage(count: int, rank: int) -> float:
    """Return how probable it is that the rank-th smallest and largest of `count` enclose the median."""
    below = sum(math.comb(count, successes) for successes in range(rank))
    return 1.0 - 2.0 * below / 2.0**count
