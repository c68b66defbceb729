"""Units of measurement and their conversion.

A unit belongs to a kind; within a kind values are converted, between kinds
never. Sizes follow IEC 80000-13 (KiB = 1024 B) and SI (kB = 1000 B).
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from pytest_flowhealth.errors import UsageError


class Unit(NamedTuple):
    """A unit: its `kind` and its size in the kind's base unit."""

    kind: str
    factor: float


UNITS = {
    "s": Unit("time", 1.0),
    "ms": Unit("time", 1e-3),
    "us": Unit("time", 1e-6),
    "B": Unit("size", 1.0),
    "KiB": Unit("size", 2.0**10),
    "MiB": Unit("size", 2.0**20),
    "GiB": Unit("size", 2.0**30),
    "kB": Unit("size", 1e3),
    "MB": Unit("size", 1e6),
    "GB": Unit("size", 1e9),
    "%": Unit("share", 1.0),
    "1/s": Unit("rate", 1.0),
    "B/s": Unit("byte rate", 1.0),
    "x": Unit("factor", 1.0),
    "fps": Unit("frame rate", 1.0),
    "1": Unit("count", 1.0),
}
"""Every unit that a measurement or a threshold may carry."""

_DURATION_UNITS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_QUANTITY = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*\Z", re.ASCII)


def find_unit(name: str) -> Unit:
    """Return the unit called `name`.

    Raises:
        UsageError: There is no such unit.
    """
    try:
        return UNITS[name]
    except (KeyError, TypeError):
        known = " ".join(UNITS)
        raise UsageError(f"unknown unit {name!r}; known are {known}") from None


def is_convertible(source: str, wanted: str) -> bool:
    """Tell whether a value in `source` can be converted to `wanted`; unknown units can't."""
    if source not in UNITS or wanted not in UNITS:
        return False
    return source == wanted or UNITS[source].kind == UNITS[wanted].kind


def convert(value: float, source: str, wanted: str) -> float:
    """Return `value`, given in `source`, in `wanted`, a unit of the same kind."""
    if source == wanted:
        return value
    return value * (find_unit(source).factor / find_unit(wanted).factor)


def parse_duration(text: str) -> float:
    """Return the seconds that a text such as ``5 s``, ``250ms`` or ``10 min`` names.

    Raises:
        ValueError: No number with us, ms, s, min, h or d, or not above zero.
    """
    return _parse_quantity(text, _DURATION_UNITS, "a duration such as '5 s' or '10 min'")


def parse_size(text: str, wanted: str = "MiB") -> float:
    """Return the size that a text such as ``512 MiB`` names, in `wanted`.

    Raises:
        ValueError: No number with B, KiB, MiB, GiB, kB, MB or GB, or not above zero.
    """
    sizes = {name: unit_.factor for name, unit_ in UNITS.items() if unit_.kind == "size"}
    return _parse_quantity(text, sizes, "a size such as '512 MiB'") / UNITS[wanted].factor


def _parse_quantity(text: str, factors: dict[str, float], expected: str) -> float:
    match = _QUANTITY.match(text)
    factor = factors.get(match["unit"]) if match else None
    if match is None or factor is None:
        raise ValueError(f"expected {expected}, got {text!r}")
    value = float(match["number"]) * factor
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"expected {expected} above zero, got {text!r}")
    return value
