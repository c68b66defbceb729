"""Statistics of a series of samples, and which of them a sample can support."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import msgspec

DEFAULT = "median"
"""The statistic of a series where none is named."""

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)\Z", re.ASCII)


class UnsupportedStatistic(ValueError):
    """The sample is too small for the statistic; the message says why."""


class Statistics(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The statistics of one series that a report shows; all in the series' unit.

    `stdev`, `p95` and `p99` are absent where the sample can't support them.
    """

    count: int
    min: float
    max: float
    mean: float
    median: float
    stdev: float | None = None
    p95: float | None = None
    p99: float | None = None


def summarise(samples: Sequence[float]) -> Statistics:
    """Return the statistics of `samples`: finite numbers, at least one."""
    return Statistics(
        count=len(samples),
        min=min(samples),
        max=max(samples),
        mean=_mean(samples),
        median=_percentile(samples, 50.0),
        stdev=_if_supported("stdev", samples),
        p95=_if_supported("p95", samples),
        p99=_if_supported("p99", samples),
    )


def is_statistic(name: str) -> bool:
    """Tell whether `name` is a statistic: min, max, mean, median, stdev, count, last, pNN."""
    return name in _PLAIN or _rank(name) is not None


def compute(name: str, samples: Sequence[float]) -> float:
    """Return the statistic `name` of `samples`: finite numbers, in their order.

    Percentiles by linear interpolation (NumPy's default, Hyndman and Fan type 7);
    stdev with n - 1.

    Raises:
        Unsupported: The sample is too small for it.
    """
    plain = _PLAIN.get(name)
    if plain is not None:
        return plain(samples)
    rank = _rank(name)
    if rank is None:
        raise UnsupportedStatistic(f"there is no statistic {name!r}")
    needed = count_needed_samples(rank)
    if len(samples) < needed:
        raise UnsupportedStatistic(
            f"{name} needs at least {needed} samples, there are {len(samples)}"
        )
    return _percentile(samples, rank)


def count_needed_samples(rank: float) -> int:
    """Return how many samples the percentile `rank` needs to have one of them beyond it."""
    if rank == 50.0:
        return 1
    return math.ceil(100.0 / min(rank, 100.0 - rank) - 1e-9)


def _rank(name: str) -> float | None:
    match = _PERCENTILE.match(name)
    rank = float(match[1]) if match else 0.0
    return rank if rank > 0 else None


def _percentile(samples: Sequence[float], rank: float) -> float:
    ordered = sorted(samples)
    position = (len(ordered) - 1) * rank / 100.0
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    share = position - below
    between = ordered[below] * (1.0 - share) + ordered[above] * share
    # Rounding may lead out of the two by the last digit, or to 0 for the smallest numbers.
    return min(max(between, ordered[below]), ordered[above])


def _mean(samples: Sequence[float]) -> float:
    # Halving before adding keeps the sum of two huge numbers finite.
    count = len(samples)
    return math.fsum(sample / count for sample in samples)


def _stdev(samples: Sequence[float]) -> float:
    if len(samples) < 2:
        raise UnsupportedStatistic("stdev needs at least 2 samples, there is 1")
    mean = _mean(samples)
    return math.hypot(*(sample - mean for sample in samples)) / math.sqrt(len(samples) - 1)


def _if_supported(name: str, samples: Sequence[float]) -> float | None:
    try:
        return compute(name, samples)
    except UnsupportedStatistic:
        return None


_PLAIN: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "mean": _mean,
    "median": lambda samples: _percentile(samples, 50.0),
    "stdev": _stdev,
    "count": lambda samples: float(len(samples)),
    "last": lambda samples: samples[-1],
}
