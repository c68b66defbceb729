"""How a threshold's figure went over the last runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pytest_flowhealth.domain.run_history import Trend

SHOWN = 20
"""Values that are shown, the last ones with this run's."""


def trend(threshold: str, unit: str, past: Sequence[float], now: float) -> Trend:
    """Return the trend of a figure: of the runs before, and now."""
    values = (*past[-(SHOWN - 1) :], now)
    middle = statistics.median(past) if past else None
    change = (now - middle) / abs(middle) if middle else None
    return Trend(threshold, unit, values, middle, change)
