"""One figure of 0 to 100 for the package: a weighted mean of the parts that were measured.

`score = sum(weight * points) / sum(weight)`, over the measured parts only; each part has 0 to 100
points. The table is in docs/npm.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pytest_flowhealth.errors import MeasurementUnavailable

WEIGHTS = {
    "installable": 35,
    "install_success": 25,
    "growth": 10,
    "latest_major": 10,
    "not_deprecated": 10,
    "not_vulnerable": 10,
}
"""How much each part counts: that it can be installed, more than how well it is liked."""


class Part(msgspec.Struct, frozen=True):
    """A part of the score: its figure, and the points that it gives, of 100."""

    value: float
    points: float
    weight: int


class MissingPart(msgspec.Struct, frozen=True):
    """Why a part was not measured; not `applicable` where the package has nothing to measure."""

    why: str
    applicable: bool = True


class Score(msgspec.Struct, frozen=True):
    """The score.

    Attributes:
        value: 0 to 100.
        parts: What it is made of.
        missing: Why a part that there is could not be measured.
        inapplicable: Why there is no such part.
    """

    value: float
    parts: dict[str, Part]
    missing: dict[str, str]
    inapplicable: dict[str, str]


def compute_score(figures: Mapping[str, float | MissingPart]) -> Score:
    """Return the score of figures by part: `installable` is 1 or 0, the others are percent.

    Raises:
        MeasurementUnavailable: No part was measured.
    """
    parts = {
        name: Part(figure, _POINTS[name](figure), WEIGHTS[name])
        for name, figure in figures.items()
        if not isinstance(figure, MissingPart)
    }
    if not parts:
        raise MeasurementUnavailable("none of the score's parts could be measured")
    whole = sum(part.weight for part in parts.values())
    return Score(
        value=sum(part.weight * part.points for part in parts.values()) / whole,
        parts=parts,
        missing=_why(figures, applicable=True),
        inapplicable=_why(figures, applicable=False),
    )


def _why(figures: Mapping[str, float | MissingPart], *, applicable: bool) -> dict[str, str]:
    return {
        name: figure.why
        for name, figure in figures.items()
        if isinstance(figure, MissingPart) and figure.applicable is applicable
    }


def between(value: float, none: float, full: float) -> float:
    """Return 0 points at `none`, 100 at `full`, in proportion between them."""
    return max(0.0, min(100.0, 100 * (value - none) / (full - none)))


_POINTS: dict[str, Callable[[float], float]] = {
    "installable": lambda value: between(value, 0, 1),
    "install_success": lambda value: between(value, 80, 95),
    "growth": lambda value: between(value, -50, 0),
    "latest_major": lambda value: between(value, 0, 100),
    "not_deprecated": lambda value: between(value, 0, 100),
    "not_vulnerable": lambda value: between(value, 0, 100),
}
