"""One figure of 0 to 100 for a fleet: a weighted mean of the parts that were measured; pure.

`score = sum(weight * points) / sum(weight)`, over the measured parts only: a part that is absent
is named, never filled in. The table is in docs/fleet.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable, NotApplicable

WEIGHTS = {
    "completion": 25,
    "progress": 25,
    "spawn": 10,
    "utilisation": 10,
    "queue": 10,
    "stuck": 10,
    "silent": 5,
    "swarms": 5,
}
"""How much each part counts: that tasks are done, more than how."""

SCALES = {
    "completion": (80.0, 95.0),
    "progress": (0.0, 100.0),
    "spawn": (10.0, 3.0),
    "utilisation": (100.0, 70.0),
    "queue": (600.0, 60.0),
    "stuck": (10.0, 0.0),
    "silent": (50.0, 0.0),
    "swarms": (80.0, 95.0),
}
"""Where a part gives 0 points, and where 100; in proportion between them.

completion, utilisation and swarms in %; progress: 100 if waiting work is picked up, else 0; spawn: the median in s; queue: seconds until what waits
is done at the present pace; stuck: % of the tasks under way; silent: % of the agents.
"""


class ScorePart(msgspec.Struct, frozen=True):
    """A part: its figure, its points of 100, and how much it counts."""

    value: float
    points: float
    weight: int


class FleetScore(msgspec.Struct, frozen=True):
    """The score of 0 to 100, what it is made of, and why the other parts are absent."""

    value: float
    parts: dict[str, ScorePart]
    absent: dict[str, str]


def score_fleet(figures: Mapping[str, float | str]) -> FleetScore:
    """Return the score.

    Args:
        figures: For each part of `WEIGHTS` its figure, or why there is none.

    Raises:
        NotApplicable: No part was measured.
        MeasurementUnavailable: A part has no scale.
    """
    unknown = [name for name in figures if name not in WEIGHTS]
    if unknown:
        raise MeasurementUnavailable(f"the score has no part {unknown[0]}")
    parts = {
        name: ScorePart(figure, points(name, figure), WEIGHTS[name])
        for name, figure in figures.items()
        if not isinstance(figure, str)
    }
    absent = {name: figure for name, figure in figures.items() if isinstance(figure, str)}
    if not parts:
        raise NotApplicable("none of the score's parts could be measured")
    whole = sum(part.weight for part in parts.values())
    value = sum(part.weight * part.points for part in parts.values()) / whole
    return FleetScore(value=value, parts=parts, absent=absent)


def points(name: str, figure: float) -> float:
    """Return the points of a part's figure: 0 to 100."""
    none, full = SCALES[name]
    return max(0.0, min(100.0, 100.0 * (figure - none) / (full - none)))
