"""Whether a measurement is worse than in earlier runs, beyond their noise.

A robust test: the run's figure against the median of the earlier runs' figures, in units of their
spread (the median absolute deviation, times 1.4826 as for a normal distribution: P. J. Rousseeuw
and C. Croux, Alternatives to the Median Absolute Deviation, JASA 1993). Of a series the better
quartile is the figure: what else a machine does makes some samples worse, and none better.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from pytest_flowhealth.verdict.past import Comparison
from pytest_flowhealth.verdict.statistics import compute

FEWEST = 5
"""Earlier runs without which nothing is judged."""

MOST = 50
"""Earlier runs that are looked at, the last ones."""

EFFECT = 0.1
"""The share by which a figure must at least be worse."""

DEVIATIONS = 4.0
"""How many spreads it must lie beyond the median, of many earlier runs; of few, more."""

_TO_NORMAL = 1.4826
_LEAST_SPREAD = 0.01

Better = Literal["lower", "higher"]


def figure_of(samples: Sequence[float], better: Better | None) -> float:
    """Return what stands for a series of samples, at least one: its better quartile, or its median."""
    quartile = {"lower": "p25", "higher": "p75"}.get(better or "")
    return compute(quartile if quartile and len(samples) >= 4 else "median", samples)


def compare(
    measurement: str,
    unit: str,
    now: Sequence[float],
    past: Sequence[Sequence[float]],
    better: Better | None,
) -> Comparison:
    """Compare this run's samples with those of earlier runs, the oldest first.

    Args:
        measurement: Its name.
        unit: Its unit.
        now: At least one sample; of a scalar, itself.
        past: The samples of each earlier run.
        better: Which direction is the better one; None where nobody knows.
    """
    figure = figure_of(now, better)
    earlier = [figure_of(one, better) for one in past[-MOST:] if one]
    middle = statistics.median(earlier) if earlier else None
    change = (figure - middle) / abs(middle) if middle else None

    def told(
        outcome: Literal["worse", "better", "steady", "neutral"],
        limit: float | None = None,
        reason: str | None = None,
    ) -> Comparison:
        return Comparison(
            measurement, unit, figure, middle, len(earlier), change, limit, outcome, reason
        )

    if len(earlier) < FEWEST:
        return told("neutral", reason=f"{len(earlier)} earlier runs, {FEWEST} are needed")
    if middle is None or change is None:
        return told("neutral", reason="the median of the earlier runs is 0")
    limit = max(EFFECT, deviations(len(earlier)) * spread(earlier) / abs(middle))
    if better is None:
        return told("neutral", limit, "neither direction is known to be the better one")
    worse = change if better == "lower" else -change
    return told("worse" if worse > limit else "better" if worse < -limit else "steady", limit)


def spread(values: Sequence[float]) -> float:
    """Return the spread of earlier figures: by the median absolute deviation, never quite nothing."""
    middle = statistics.median(values)
    deviation = statistics.median(abs(value - middle) for value in values)
    return max(_TO_NORMAL * deviation, _LEAST_SPREAD * abs(middle))


def deviations(runs: int) -> float:
    """Return how many spreads are too many: of few runs the spread itself is uncertain."""
    return DEVIATIONS * math.sqrt(1 + 6 / runs)
