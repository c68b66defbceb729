"""Parse the markers of a test into a CheckSpec; every mistake is collected and reported together."""

from __future__ import annotations

import datetime
import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from pytest_flowhealth.domain.alerting import RAISING, SEVERITIES, Alerting
from pytest_flowhealth.domain.checks import CheckSpec, Waiver
from pytest_flowhealth.domain.thresholds import Threshold, parse_threshold
from pytest_flowhealth.domain.units import parse_duration

_NO_TAGS = frozenset({"alert", "skip", "xfail", "asyncio", "anyio", "trio"})
"""Markers without arguments that say how a test is run."""

_COMPONENT = re.compile(r"[A-Za-z][\w-]*\Z", re.ASCII)


class Mistakes:
    """Collect what is wrong with the markers, each with its file and line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, location: str, text: str) -> None:
        """Add a mistake at file:line."""
        line = f"{location}: {text}"
        if line not in self.lines:
            self.lines.append(line)


def find_location(item: pytest.Item) -> str:
    """Return file:line of a test, as seen from pytest's root folder."""
    path, line, _ = item.location
    return f"{path}:{(line or 0) + 1}"


def read_markers(item: pytest.Item, mistakes: Mistakes) -> CheckSpec | None:
    """Return what the markers of `item` declare; None if it is not a check, or has mistakes."""
    marks: dict[str, list[pytest.Mark]] = {}  # by name, the innermost first
    for mark in item.iter_markers():
        marks.setdefault(mark.name, []).append(mark)
    if "health" not in marks:
        _report_strays(item, mistakes)
        return None
    before = len(mistakes.lines)
    where = find_location(item)
    declared = _read(marks["health"][0], _parse_health, where, mistakes)
    thresholds = [
        _read(mark, parse_threshold, where, mistakes) for mark in marks.get("threshold", ())
    ]
    # They are shown as written, from top to bottom.
    distinct = _require_distinct(
        [threshold for threshold in reversed(thresholds) if threshold is not None], where, mistakes
    )
    waived, alerting = (
        _read(marks[name][0], parse, where, mistakes) if name in marks else None
        for name, parse in (("waive", _parse_waive), ("alert", _parse_alert))
    )
    if len(mistakes.lines) > before or declared is None:
        return None
    return CheckSpec(
        id=_make_id(item, declared["component"]),
        nodeid=item.nodeid,
        location=where,
        thresholds=distinct,
        waiver=waived,
        alert=alerting,
        tags=tuple(
            sorted(
                name
                for name, found in marks.items()
                if name not in _NO_TAGS and not any(mark.args or mark.kwargs for mark in found)
            )
        ),
        **declared,
    )


def _read(mark: pytest.Mark, parse: Callable[..., Any], where: str, mistakes: Mistakes) -> Any:
    """Return what `parse` makes of a marker's arguments; report a mistake if it can't."""
    try:
        return parse(*mark.args, **mark.kwargs)
    except (TypeError, ValueError) as error:
        first = f"{mark.args[0]!r}: " if mark.name == "threshold" and mark.args else ""
        problem = _bind_error(parse, mark) or error
        mistakes.add(where, f"@pytest.mark.{mark.name}: {first}{problem}")
        return None


def _bind_error(parse: Callable[..., Any], mark: pytest.Mark) -> TypeError | None:
    """Return what is wrong with the arguments as such, worded without the name of a function of ours."""
    try:
        inspect.signature(parse).bind(*mark.args, **mark.kwargs)
    except TypeError as error:
        return error
    return None


def _parse_health(
    component: object,
    *,
    critical: object = True,
    requires: object = (),
    timeout: object = None,
    remedy: object = None,
    exclusive: object = False,
) -> dict[str, Any]:
    if not isinstance(component, str) or not _COMPONENT.match(component):
        raise ValueError(f"the component must be a name such as 'redis', not {component!r}")
    _expect("critical", critical, isinstance(critical, bool), "True or False")
    _expect("exclusive", exclusive, isinstance(exclusive, bool), "True or False")
    _expect("remedy", remedy, remedy is None or isinstance(remedy, str), "a text")
    _expect("timeout", timeout, timeout is None or _is_seconds(timeout), "seconds above zero")
    names = _parse_names(requires)
    _expect("requires", requires, names is not None, "the id of a check, or a tuple of ids")
    return {
        "component": component,
        "critical": critical,
        "requires": names,
        "timeout": None if timeout is None else float(timeout),  # type: ignore[arg-type]
        "remedy": remedy,
        "exclusive": exclusive,
    }


def _parse_names(requires: object) -> tuple[str, ...] | None:
    if isinstance(requires, str):
        return (requires,)
    if not isinstance(requires, (tuple, list)):
        return None
    names = tuple(name for name in requires if isinstance(name, str))
    return names if len(names) == len(requires) else None


def _parse_waive(*, until: object, reason: object) -> Waiver:
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError("reason= must say why")
    if isinstance(until, datetime.datetime):
        until = until.date()
    if isinstance(until, datetime.date):
        return Waiver(until, reason)
    try:
        return Waiver(datetime.date.fromisoformat(str(until)), reason)
    except ValueError:
        raise ValueError(f"until= must be a day such as '2026-12-31', not {until!r}") from None


def _parse_alert(
    *,
    after: object = 0,
    cooldown: object = None,
    severity: object = None,
    on: object = RAISING,
    runbook: object = None,
) -> Alerting:
    known = severity is None or severity in SEVERITIES
    _expect("severity", severity, known, f"one of {', '.join(SEVERITIES)}")
    names = _parse_names(on)
    fits = names and set(names) <= {"warn", "fail", "unknown"}
    _expect("on", on, fits, "one or several of warn, fail, unknown")
    _expect("runbook", runbook, runbook is None or isinstance(runbook, str), "an address")
    pause = None if cooldown is None else _parse_seconds("cooldown", cooldown)
    return Alerting(_parse_seconds("after", after), pause, severity, names, runbook)  # type: ignore[arg-type]


def _parse_seconds(name: str, value: object) -> float:
    """Return what a duration says: seconds, or a text such as '5m'."""
    if isinstance(value, str) and value.strip() != "0":
        try:
            return parse_duration(value)
        except ValueError as error:
            raise ValueError(f"{name}=: {error}") from None
    if value in (0, "0"):
        return 0.0
    _expect(name, value, _is_seconds(value), "seconds, or a duration such as '5m'")
    return float(value)  # type: ignore[arg-type]  # seen above


def _expect(name: str, value: object, fits: object, wanted: str) -> None:
    if not fits:
        raise ValueError(f"{name}= must be {wanted}, not {value!r}")


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 < value < math.inf


def _require_distinct(
    thresholds: list[Threshold], where: str, mistakes: Mistakes
) -> tuple[Threshold, ...]:
    names = [threshold.name for threshold in thresholds]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        mistakes.add(
            where, f"@pytest.mark.threshold: {name!r} is declared {names.count(name)} times"
        )
    return tuple(thresholds)


def _make_id(item: pytest.Item, component: str) -> str:
    name = str(getattr(item, "originalname", None) or item.name.partition("[")[0])
    call = getattr(item, "callspec", None)
    brackets = f"[{call.id}]" if call is not None else ""
    return f"{component}.{name.removeprefix('test_')}{brackets}"


def _report_strays(item: pytest.Item, mistakes: Mistakes) -> None:
    for name in ("threshold", "waive", "alert"):
        if any(mark.name == name for mark in item.own_markers):
            mistakes.add(
                find_location(item),
                f"@pytest.mark.{name} without @pytest.mark.health: this test is not a check",
            )
