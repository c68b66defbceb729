"""Thresholds: parsing a declaration, overriding its limits, evaluating it."""

from __future__ import annotations

import math
import re
from typing import Literal

import msgspec

from pytest_flowhealth.domain import statistics
from pytest_flowhealth.domain.measurements import Measurement, Series
from pytest_flowhealth.domain.statistics import Unsupported
from pytest_flowhealth.domain.status import Outcome
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.domain.units import UNITS, convert, convertible

Better = Literal["lower", "higher"]

_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*\Z", re.ASCII)


class Threshold(msgspec.Struct, frozen=True, gc=False):
    """The `warn` and `fail` limits of one statistic of one measurement.

    `unit` is that of the limits; None is the measurement's own. A value equal
    to a limit is still inside it. `source` says who set the limits.
    """

    measurement: str
    statistic: str | None
    warn: float | None
    fail: float | None
    unit: str | None
    better: Better
    source: str = "marker"

    @property
    def name(self) -> str:
        """The name as declared: ``command.p95``, or ``connect``."""
        return f"{self.measurement}.{self.statistic}" if self.statistic else self.measurement


class ThresholdResult(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A threshold with what was observed; `note` says what is missing, or how sure it is."""

    measurement: str
    statistic: str | None
    unit: str | None
    warn: float | None
    fail: float | None
    better: Better
    observed: float | None
    outcome: Outcome
    source: str
    note: str | None = None

    @property
    def name(self) -> str:
        """As `Threshold.name`."""
        return f"{self.measurement}.{self.statistic}" if self.statistic else self.measurement


def parse_threshold(
    name: object,
    *,
    warn: object = None,
    fail: object = None,
    unit: object = None,
    better: object = None,
) -> Threshold:
    """Return the threshold that a marker's arguments declare.

    Raises:
        ValueError: They are invalid; the message says why.
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise ValueError(f"its first argument must be a measurement's name, not {name!r}")
    if unit is not None and (not isinstance(unit, str) or unit not in UNITS):
        raise ValueError(f"unknown unit {unit!r}; known are {' '.join(UNITS)}")
    low, high = _limit("warn", warn), _limit("fail", fail)
    measurement, statistic = split_name(name)
    return Threshold(measurement, statistic, low, high, unit, _direction(low, high, better))


def split_name(name: str) -> tuple[str, str | None]:
    """Return the measurement and the statistic in a name such as ``command.p99.9``."""
    parts = name.split(".")
    for size in (2, 1):
        statistic = ".".join(parts[-size:])
        if len(parts) > size and statistics.is_statistic(statistic):
            return ".".join(parts[:-size]), statistic
    return name, None


def override_threshold(
    threshold: Threshold,
    *,
    warn: float | None,
    fail: float | None,
    unit: str | None,
    source: str,
) -> Threshold:
    """Return `threshold` with the limits that are given; one that is not given stays.

    Raises:
        ValueError: The limits turn the direction round, or the unit is of another kind.
    """
    base = _in_unit(threshold, unit)
    limits = {
        "warn": base.warn if warn is None else warn,
        "fail": base.fail if fail is None else fail,
    }
    _in_order(limits["warn"], limits["fail"], base.better)
    whole = warn is not None and fail is not None
    given = "warn" if warn is not None else "fail"
    other = "fail" if given == "warn" else "warn"
    mixed = not whole and limits[other] is not None
    sources = f"{given}: {source}, {other}: {threshold.source}" if mixed else source
    return msgspec.structs.replace(base, **limits, source=sources)


def evaluate(threshold: Threshold, series: Series | None) -> ThresholdResult:
    """Return the result of `threshold` for `series`; a measurement that is absent is unknown."""
    try:
        observed = _compute_observed(threshold, series)
    except Unsupported as missing:
        return _make_result(threshold, None, Outcome.UNKNOWN, note=str(missing))
    outcome, note = _compare(threshold, observed), None
    if series is not None:
        outcome, note = _apply_interval(threshold, outcome, series.measurement)
    return _make_result(threshold, observed, outcome, series=series, note=note)


def _apply_interval(
    threshold: Threshold, outcome: Outcome, taken: Measurement
) -> tuple[Outcome, str | None]:
    """Return the outcome where both ends of the interval agree on it; else, and in doubt, a warn."""
    if taken.doubt is not None:
        return Outcome.WARN, taken.doubt
    if taken.interval is None:
        return outcome, None
    wanted = threshold.unit or taken.unit
    ends = [convert(end, taken.unit, wanted) for end in taken.interval]
    bounds = f"between {format_number(ends[0])} and {format_number(ends[1])}"
    if len({_compare(threshold, end) for end in ends}) == 1:
        return _compare(threshold, ends[0]), bounds
    return Outcome.WARN, f"{bounds}: too noisy to tell"


def _compute_observed(threshold: Threshold, series: Series | None) -> float:
    if series is None:
        raise Unsupported(f"{threshold.measurement} was not measured")
    taken = series.measurement
    if taken.problem is not None:
        raise Unsupported(f"{threshold.measurement} has no value: {taken.problem}")
    wanted = threshold.unit or taken.unit
    if not convertible(taken.unit, wanted):
        raise Unsupported(
            f"{threshold.measurement} was measured in {taken.unit}, its limits are in {wanted}"
        )
    if taken.stats is None and threshold.statistic is None:
        value = series.samples[0]
    else:
        value = statistics.compute(threshold.statistic or statistics.DEFAULT, series.samples)
    if threshold.statistic == "count":
        return value
    observed = convert(value, taken.unit, wanted)
    if not math.isfinite(observed):
        raise Unsupported(f"{threshold.measurement} has no value: it is infinite in {wanted}")
    return observed


def _compare(threshold: Threshold, observed: float) -> Outcome:
    sign = 1.0 if threshold.better == "lower" else -1.0
    if threshold.fail is not None and sign * observed > sign * threshold.fail:
        return Outcome.FAIL
    if threshold.warn is not None and sign * observed > sign * threshold.warn:
        return Outcome.WARN
    return Outcome.PASS


def _make_result(
    threshold: Threshold,
    observed: float | None,
    outcome: Outcome,
    *,
    series: Series | None = None,
    note: str | None = None,
) -> ThresholdResult:
    unit = threshold.unit or (series.measurement.unit if series else None)
    return ThresholdResult(
        measurement=threshold.measurement,
        statistic=threshold.statistic
        or (statistics.DEFAULT if series and series.measurement.stats else None),
        unit=unit,
        warn=threshold.warn,
        fail=threshold.fail,
        better=threshold.better,
        observed=observed,
        outcome=outcome,
        source=threshold.source,
        note=note,
    )


def _limit(which: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{which}={value!r} is no number")  # noqa: TRY004  # one family for callers
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{which} is too large a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{which}={value!r} is no finite number")
    return number


def _direction(warn: float | None, fail: float | None, better: object) -> Better:
    if better not in (None, "lower", "higher"):
        raise ValueError(f"better={better!r} must be 'lower' or 'higher'")
    if warn is None and fail is None:
        raise ValueError("it has neither warn= nor fail=")
    if warn is None or fail is None:
        if better is None:
            raise ValueError("with one limit only, better='lower' or better='higher' is needed")
        return "lower" if better == "lower" else "higher"
    if warn == fail:
        raise ValueError(
            f"warn and fail are both {format_number(warn)}: equal limits have no direction"
        )
    meant: Better = "lower" if warn < fail else "higher"
    if better not in (None, meant):
        raise ValueError(
            f"better={better!r} contradicts warn={format_number(warn)}, fail={format_number(fail)}"
        )
    return meant


def _in_unit(threshold: Threshold, unit: str | None) -> Threshold:
    if unit is None or unit == threshold.unit:
        return threshold
    if threshold.unit is None:
        return msgspec.structs.replace(threshold, unit=unit)
    if not convertible(threshold.unit, unit):
        raise ValueError(f"its limits are in {threshold.unit}, which {unit!r} can't tell")
    source = threshold.unit
    return msgspec.structs.replace(
        threshold,
        unit=unit,
        warn=None if threshold.warn is None else convert(threshold.warn, source, unit),
        fail=None if threshold.fail is None else convert(threshold.fail, source, unit),
    )


def _in_order(warn: float | None, fail: float | None, better: Better) -> None:
    if warn is None or fail is None:
        return
    if warn == fail or (warn < fail) != (better == "lower"):
        raise ValueError(
            f"warn={format_number(warn)}, fail={format_number(fail)} does not fit: {better} is better, "
            f"so warn must be {'below' if better == 'lower' else 'above'} fail"
        )
