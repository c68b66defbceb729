"""Whether a measurement is worse than in earlier runs, beyond their noise.

A robust test: the run's figure against the median of the earlier runs' figures, in units of their
spread, with a limit as wide as so few runs make it. The spread is Qn, the first quartile of the
distances between any two (P. J. Rousseeuw and C. Croux, Alternatives to the Median Absolute
Deviation, JASA 1993): half of the runs may be anything, as with the median absolute deviation, and
it is known better from few runs (efficiency 82 % against 37 %). Of a series the better quartile is
the figure: what else a machine does makes some samples worse, and none better.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from pytest_flowhealth.verdict.past import Comparison
from pytest_flowhealth.verdict.statistics import compute

FEWEST = 5
"""Earlier runs without which nothing is judged."""

MOST = 50
"""Earlier runs that are looked at, the last ones."""

EFFECT = 0.1
"""The share by which a figure must at least be worse."""

ALARM = 0.005
"""How often noise may pass for a regression of one measurement (were it normal) ..."""

ALARMS = 0.02
"""... and how often for one of any measurement of a run."""

_LEAST_SPREAD = 0.01
_TO_NORMAL = 2.2219
_EFFICIENCY = 0.82
_OF_MEDIAN = math.pi / 2

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
    among: int = 1,
) -> Comparison:
    """Compare this run's samples with those of earlier runs, the oldest first.

    Args:
        measurement: Its name.
        unit: Its unit.
        now: At least one sample; of a scalar, itself.
        past: The samples of each earlier run.
        better: Which direction is the better one; None where nobody knows.
        among: How many measurements of the run are compared, this one included.
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
    limit = max(EFFECT, deviations(len(earlier), among) * spread(earlier) / abs(middle))
    if better is None:
        return told("neutral", limit, "neither direction is known to be the better one")
    worse = change if better == "lower" else -change
    return told("worse" if worse > limit else "better" if worse < -limit else "steady", limit)


def spread(values: Sequence[float]) -> float:
    """Return the spread of earlier figures, at least two: Qn, never quite nothing.

    Corrected for few values as C. Croux and P. J. Rousseeuw do (Time-Efficient Algorithms for Two
    Highly Robust Estimators of Scale, 1992).
    """
    count = len(values)
    half = count // 2 + 1
    distances = sorted(abs(one - other) for one, other in combinations(values, 2))
    quartile = distances[half * (half - 1) // 2 - 1]
    few = count / (count + (1.4 if count % 2 else 3.8))
    return max(_TO_NORMAL * few * quartile, _LEAST_SPREAD * abs(statistics.median(values)))


def deviations(runs: int, among: int = 1) -> float:
    """Return how many spreads from the median are too many.

    The quantile of Student's distribution with as many degrees of freedom as `runs` figures give a
    Qn (its expansion: Abramowitz and Stegun, 26.7.5), wider for what the median itself is uncertain.
    """
    z = statistics.NormalDist().inv_cdf(1 - min(ALARM, ALARMS / among))
    freedom = _EFFICIENCY * (runs - 1)
    first = (z**3 + z) / (4 * freedom)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return (z + first + second) * math.sqrt(1 + _OF_MEDIAN / runs)
