"""What lists of tables must be beyond their types: rules, receivers, silences; raises ValueError."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from pytest_flowhealth.config.alerts import MaintenanceWindow, Receiver, Rule
from pytest_flowhealth.config.extensions import BUILT_IN, RECEIVERS, make_receiver
from pytest_flowhealth.domain.units import UNITS, parse_duration

METRIC = re.compile(r"[A-Za-z][\w-]*(?:\.[\w.\-]+)(?:\[.*\])?\Z", re.ASCII)
"""What a metric is called: `component.measurement`, with a statistic or a parametrisation."""

_NAME = re.compile(r"[A-Za-z][\w.-]*\Z", re.ASCII)


def require_intervals(named: Mapping[str, str]) -> None:
    """Refuse what is no interval."""
    for component, text in named.items():
        try:
            parse_duration(text)
        except ValueError:
            # What was written is not shown: in a variable it may be anything.
            raise ValueError(f"{component}: expected a duration such as '60 s'") from None


def require_rules(rules: Sequence[Rule]) -> None:
    """Refuse rules that can't be meant; what a built-in one leaves open is checked with it."""
    _require_names([one.name for one in rules])
    for one in rules:
        with _about(one.name):
            _require_rule(one)


def require_receivers(receivers: Sequence[Receiver]) -> None:
    """Refuse receivers that can't be told anything."""
    _require_names([one.name for one in receivers])
    problems = []
    for one in receivers:
        try:
            _require_receiver(one)
        except ValueError as error:
            problems.append(f"{one.name}: {error}")
    if problems:
        raise ValueError("; ".join(problems))


def require_silences(silences: Sequence[MaintenanceWindow]) -> None:
    """Refuse a silence that matches nothing, or ends before it begins."""
    for one in silences:
        if not one.match.strip():
            raise ValueError("'match' must name alerts, such as 'redis.*'")
        if one.start is not None and one.start.tzinfo is None:
            raise ValueError(f"{one.match!r}: 'from' must have a time zone, as in 02:00:00Z")
        if one.start is not None and one.start >= one.until:
            raise ValueError(f"{one.match!r}: it ends before it begins")


def _require_rule(rule: Rule) -> None:
    if rule.metric is not None and not METRIC.match(rule.metric):
        raise ValueError("'metric' must be such as 'redis.connect.p95'")
    if rule.unit is not None and rule.unit not in UNITS:
        raise ValueError(f"unknown unit {rule.unit!r}; known are {' '.join(UNITS)}")
    if rule.above is not None and rule.below is not None:
        raise ValueError("'above' and 'below' can't both be given")
    if rule.absent is not None and (rule.above is not None or rule.below is not None):
        raise ValueError("'absent' stands in the place of 'above' and 'below'")
    if rule.per is not None and rule.window is None:
        raise ValueError("'per' needs a 'window' over which the change is measured")
    held = None if rule.held == "0" else rule.held
    _require_durations(rule.window, rule.per, rule.absent, rule.cooldown, held)


def _require_receiver(receiver: Receiver) -> None:
    _require_durations(receiver.remind, receiver.escalate, receiver.timeout)
    for text in receiver.components:
        if not text.strip():
            raise ValueError("'components' must be names")
    if receiver.type not in BUILT_IN[RECEIVERS]:
        make_receiver(receiver.type, receiver.options)
        return
    if receiver.options:
        raise ValueError("unknown key 'options'")
    if receiver.type in ("console", "log"):
        return
    if not (receiver.url or receiver.url_env):
        raise ValueError(f"a receiver of type {receiver.type!r} needs 'url' or 'url_env'")
    if receiver.url and receiver.type != "apprise" and not _is_web(receiver.url):
        # Not shown: it may hold a password.
        raise ValueError("'url' must be an address such as 'https://hooks.example.org/flowhealth'")


def _require_durations(*texts: str | None) -> None:
    for text in texts:
        if text is not None:
            parse_duration(text)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _require_names(names: Sequence[str]) -> None:
    for name in names:
        if not _NAME.match(name):
            raise ValueError(f"the name {name!r} must be letters, digits, '.', '_' and '-'")
        if names.count(name) > 1:
            raise ValueError(f"the name {name!r} is there {names.count(name)} times")


@contextlib.contextmanager
def _about(name: str) -> Iterator[None]:
    """Name whose mistake it is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
