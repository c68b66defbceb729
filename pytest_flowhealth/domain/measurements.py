"""A measurement: a named value or series of samples with a unit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

import msgspec

from pytest_flowhealth.domain import statistics
from pytest_flowhealth.domain.statistics import Statistics
from pytest_flowhealth.domain.units import UNITS


class Measurement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one check measured under one name.

    A scalar has `value`, a series has `stats`; what is no usable number has
    neither, and `problem` says why. `interval` is where the true value of a
    scalar lies, by the method that the check names; `doubt` says why the value
    can't be relied on.
    """

    name: str
    unit: str
    value: float | None = None
    stats: Statistics | None = None
    problem: str | None = None
    interval: tuple[float, float] | None = None
    doubt: str | None = None


class Series(msgspec.Struct, frozen=True, gc=False):
    """A measurement with its samples, as it is judged; never written anywhere."""

    measurement: Measurement
    samples: tuple[float, ...] = ()


def make_series(
    name: str,
    value: object,
    unit: str,
    *,
    interval: tuple[float, float] | None = None,
    doubt: str | None = None,
) -> Series:
    """Return what was measured: `value` is a number or an iterable of numbers.

    NaN, infinity, nothing at all and what is no number give a measurement with
    a `problem` in place of a value: nothing is put in for what is missing.
    """
    if unit not in UNITS:
        return _unusable(name, str(unit), f"its unit {unit!r} is unknown")
    try:
        taken = _scalar(name, value, unit) if _is_number(value) else _series(name, value, unit)
        bounds = None if interval is None else _interval(interval)
    except (TypeError, ValueError, OverflowError) as error:
        return _unusable(name, unit, str(error))
    if bounds is None and doubt is None:
        return taken
    known = msgspec.structs.replace(taken.measurement, interval=bounds, doubt=doubt)
    return Series(known, taken.samples)


def _interval(given: tuple[float, float]) -> tuple[float, float]:
    low, high = (_number(bound) for bound in given)
    if low > high:
        raise ValueError(f"its interval from {low} to {high} is empty")
    return low, high


def _is_number(value: object) -> bool:
    kind = type(value)
    return kind is float or kind is int or (isinstance(value, Real) and kind is not bool)


def _number(value: object) -> float:
    if not _is_number(value):
        raise TypeError(f"{_shown(value)} is no number")
    try:
        number = float(value)  # type: ignore[arg-type]  # a Real, seen above
    except OverflowError:
        raise OverflowError("the number is too large") from None
    if not math.isfinite(number):
        raise ValueError("it is NaN" if math.isnan(number) else "it is infinite")
    return number


def _scalar(name: str, value: object, unit: str) -> Series:
    number = _number(value)
    return Series(Measurement(name, unit, value=number), (number,))


def _series(name: str, values: object, unit: str) -> Series:
    if isinstance(values, (str, bytes, dict)) or not isinstance(values, Iterable):
        raise TypeError(f"{_shown(values)} is no number")
    samples = tuple(_number(value) for value in values)
    if not samples:
        raise ValueError("it has no samples")
    return Series(Measurement(name, unit, stats=statistics.summarise(samples)), samples)


def _unusable(name: str, unit: str, problem: str) -> Series:
    return Series(Measurement(name, unit, problem=problem))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
