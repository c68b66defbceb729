"""Detect regressions: a measurement that is worse than in earlier runs, beyond their noise.

A robust test on two figures of a run: its median, and its better tenth. A slow-down moves both; what
else a machine does moves them one by one. Each is compared with the median of the earlier runs'
figures, in units of their spread, with a limit as wide as so few runs make it. docs/history.md says
how often that is right, and what was tried before.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import msgspec

from pytest_flowhealth.domain.run_history import RunComparison
from pytest_flowhealth.domain.statistics import compute

FEWEST = 5
"""Earlier runs without which nothing is judged."""

MOST = 50
"""Earlier runs that are looked at, the last ones."""

EFFECT = 0.1
"""The share by which a figure must at least be worse."""

ALARM_ALONE, ALARM_EACH = 0.002, 0.02
"""How often noise may pass the limit, were it normal: a scalar's, or each of the two of a series."""

SHARING = 4
"""Measurements of a run from which on they share the alarms of so many."""

_LEAST_SPREAD = 0.01
_QN_TO_NORMAL = 2.2219
_QN_EFFICIENCY = 0.82
_DECILE_TO_NORMAL = 1.2816

Better = Literal["lower", "higher"]
Outcome = Literal["worse", "better", "steady", "neutral"]


Figures = tuple[float, ...]
"""What is compared of one run: the same statistics of each."""


class NoiseBand(msgspec.Struct, frozen=True):
    """The median of a figure in earlier runs, and the share of it that counts as noise (`limit`)."""

    median: float
    limit: float

    def outcome(self, now: float, better: Better) -> Outcome:
        """Return whether a figure is beyond the limit, and on which side."""
        change = (now - self.median) / abs(self.median)
        worse = change if better == "lower" else -change
        return "worse" if worse > self.limit else "better" if worse < -self.limit else "steady"


def compare(
    measurement: str,
    unit: str,
    now: Sequence[float],
    past: Sequence[Sequence[float]],
    better: Better | None,
    among: int = 1,
) -> RunComparison:
    """Compare this run's samples with those of earlier runs, the oldest first.

    Args:
        measurement: Its name.
        unit: Its unit.
        now: At least one sample; of a scalar, itself.
        past: The samples of each earlier run.
        better: Which direction is the better one; None where nobody knows.
        among: How many measurements of the run are compared, this one included.
    """
    runs = [samples for samples in past[-MOST:] if samples]
    names = choose_statistics(now, runs, better)
    alarm = (ALARM_EACH if len(names) > 1 else ALARM_ALONE) * min(1.0, SHARING / among)
    ours, earlier = _figures(now, names), [_figures(samples, names) for samples in runs]
    count = count_before_streak(earlier, better, alarm) if better else len(earlier)
    middle = statistics.median(run[0] for run in earlier[:count]) if earlier else None
    change = (ours[0] - middle) / abs(middle) if middle else None

    def make_result(
        outcome: Outcome, reason: str | None = None, limit: float | None = None
    ) -> RunComparison:
        return RunComparison(
            measurement, unit, ours[0], middle, count, change, limit, outcome, reason
        )

    if count < FEWEST:
        return make_result("neutral", f"{count} earlier runs, {FEWEST} are needed")
    usual = estimate_noise_bands(earlier[:count], better, alarm)
    if change is None or not usual:
        return make_result("neutral", "the median of the earlier runs is 0")
    limit = max(band.limit for band in usual)
    if better is None:
        return make_result("neutral", "neither direction is known to be the better one", limit)
    outcomes = {band.outcome(figure, better) for band, figure in zip(usual, ours, strict=True)}
    if len(outcomes) > 1:
        return make_result(
            "steady", "its median and its better samples don't say the same: noise", limit
        )
    since = len(earlier) - count
    note = f"as in the {since} runs before this one" if since > 1 else "as in the run before"
    outcome = outcomes.pop()
    return make_result(outcome, note if since and outcome == "worse" else None, limit)


def count_before_streak(earlier: Sequence[Figures], better: Better, alarm: float) -> int:
    """Return how many runs there are before those that were all worse, up to the last one.

    A slow-down that lasts is no noise of the runs before it: else it would be told only once.
    """
    sign = 1 if better == "lower" else -1
    for count in range(FEWEST, len(earlier)):
        middle = statistics.median(run[0] for run in earlier[:count])
        least = abs(middle) * EFFECT
        if any(sign * (run[0] - middle) <= least for run in earlier[count:]):
            continue
        usual = estimate_noise_bands(earlier[:count], better, alarm)
        if usual and all(
            band.outcome(figure, better) == "worse"
            for run in earlier[count:]
            for band, figure in zip(usual, run, strict=True)
        ):
            return count
    return len(earlier)


def estimate_noise_bands(
    earlier: Sequence[Figures], better: Better | None, alarm: float
) -> tuple[NoiseBand, ...] | None:
    """Return the noise band of each figure; None if the median of one is 0."""
    found = []
    for values in zip(*earlier, strict=True):
        middle = statistics.median(values)
        if middle == 0:
            return None
        noise = (
            compute_deviations(len(values), alarm) * estimate_spread(values, better) / abs(middle)
        )
        found.append(NoiseBand(middle, max(EFFECT, noise)))
    return tuple(found)


def choose_statistics(
    now: Sequence[float], past: Sequence[Sequence[float]], better: Better | None
) -> tuple[str, ...]:
    """Return the statistics that are compared: the median, and the better part that all can tell."""
    fewest = min([len(now), *map(len, past)])
    share = 10 if fewest >= 10 else 25
    if fewest < 4 or better is None:
        return ("median",)
    return ("median", f"p{share if better == 'lower' else 100 - share}")


def estimate_spread(values: Sequence[float], better: Better | None) -> float:
    """Return the spread of earlier figures, at least two; never quite nothing.

    Qn, the first quartile of the distances between any two, which half of the values can't spoil and
    which few of them tell well (P. J. Rousseeuw and C. Croux, Alternatives to the Median Absolute
    Deviation, JASA 1993; corrected for few values as in Time-Efficient Algorithms for Two Highly
    Robust Estimators of Scale, 1992). But at least what the worst tenth tells: a machine that was
    slow at times will be so again.
    """
    count = len(values)
    middle = statistics.median(values)
    half = count // 2 + 1
    distances = sorted(abs(value - other) for value, other in combinations(values, 2))
    few = count / (count + (1.4 if count % 2 else 3.8))
    robust = _QN_TO_NORMAL * few * distances[half * (half - 1) // 2 - 1]
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    tail = middle - tenths[0] if better == "higher" else tenths[-1] - middle
    return max(robust, tail / _DECILE_TO_NORMAL, _LEAST_SPREAD * abs(middle))


def compute_deviations(runs: int, alarm: float) -> float:
    """Return how many spreads from the median are too many.

    The quantile of Student's distribution with as many degrees of freedom as `runs` figures give a
    Qn (its expansion: Abramowitz and Stegun, 26.7.5), wider for what the median itself is uncertain.

    Args:
        runs: How many earlier figures there are, at least two.
        alarm: How often normal noise may be beyond them.
    """
    z = statistics.NormalDist().inv_cdf(1 - alarm)
    freedom = _QN_EFFICIENCY * (runs - 1)
    first = (z**3 + z) / (4 * freedom)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return (z + first + second) * math.sqrt(1 + math.pi / 2 / runs)


def _figures(samples: Sequence[float], names: Sequence[str]) -> Figures:
    return tuple(compute(name, samples) for name in names)
