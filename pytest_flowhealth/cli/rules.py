"""`pytest --health-rules`: the rules, how their alerts stand, and what they would have done last week."""

from __future__ import annotations

import datetime
import sqlite3
import sys
import time
from collections.abc import Iterator

import pytest

from pytest_flowhealth.alerts import store
from pytest_flowhealth.alerts.engine import Tracked
from pytest_flowhealth.alerts.observing import policy_of
from pytest_flowhealth.alerts.replay import Replayed, replay
from pytest_flowhealth.alerts.rules import switched_off
from pytest_flowhealth.domain.text import format_number, printable
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.keeping import asked
from pytest_flowhealth.monitor.settings import Settings, history_of, read
from pytest_flowhealth.plugin.messages import usage_error
from pytest_flowhealth.plugin.monitor import asked_of

WEEK = 7 * 86_400.0
_SHOWN = 3


class RulesCommand:
    """Takes the place of pytest's own run; the plugin object of --health-rules."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Print the rules and return 0.

        Raises:
            pytest.UsageError: The configuration can't be meant.
        """
        try:
            command = asked_of(config)
            settings = read(command)
            path = history_of(command, settings).path
        except UsageError as error:
            raise usage_error(str(error)) from None
        unknown: dict[str, Tracked] = {}
        known, problem = asked(path, store.alerts, unknown)
        for line in _rules(settings, known):
            sys.stdout.write(f"{printable(line)}\n")
        nothing: list[str] = []
        lines, broken = asked(path, lambda file: [*_past(settings, file)], nothing)
        told = problem or broken
        lines = lines or [f"no history to try them on: {told or path}"]
        sys.stdout.write("".join(f"{printable(line)}\n" for line in ["", *lines]))
        return 0


def _rules(settings: Settings, known: dict[str, Tracked]) -> list[str]:
    rows = [("rule", "holds when", "for", "cooldown", "severity", "state")]
    rows += [
        (
            rule.name,
            f"{rule.spelled} {rule.limit}",
            _long(rule.held),
            _long(rule.cooldown),
            rule.severity,
            _standing(rule.name, known),
        )
        for rule in settings.rules
    ]
    rows += [(name, "", "", "", "", "off") for name in switched_off(settings.target.config.rules)]
    rows += [
        (
            one.subject.name,
            "its check fails",
            _long(one.policy.held),
            _long(one.policy.cooldown),
            one.subject.severity,
            _phase(one),
        )
        for one in known.values()
        if one.subject.kind != "rule" and _counts(one)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _past(settings: Settings, file: sqlite3.Connection) -> Iterator[str]:
    now = time.time()
    alerts = settings.target.config.alerts
    yield "on the history of the last 7 days they would have fired"
    for rule in settings.rules:
        policy = policy_of(alerts, rule.held, rule.cooldown)
        found = replay(file, rule, policy, now - WEEK, now)
        if not found:
            yield f"  {rule.name:<20} nothing of {rule.metric} is kept"
        for one in found:
            yield f"  {rule.name + one.metric[len(rule.metric) :]:<20} {_times(one)}"


def _times(one: Replayed) -> str:
    if not one.fired:
        return f"never ({one.readings} values)"
    shown = ", ".join(
        f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M}"
        for at in one.fired[-_SHOWN:]
    )
    more = "the last at " if len(one.fired) > _SHOWN else ""
    times = "once" if len(one.fired) == 1 else f"{len(one.fired)} times"
    return f"{times} ({one.readings} values): {more}{shown} UTC"


def _standing(name: str, known: dict[str, Tracked]) -> str:
    found = [one for key, one in known.items() if key.partition("[")[0] == name]
    return ", ".join(_phase(one) for one in found) or "inactive"


def _phase(one: Tracked) -> str:
    marks = [
        word
        for word, holds in (
            ("flapping", one.state.flapping),
            ("acknowledged", one.state.acknowledged),
        )
        if holds
    ]
    return f"{one.state.phase} ({', '.join(marks)})" if marks else one.state.phase


def _counts(one: Tracked) -> bool:
    return one.state.phase != "inactive" or one.state.flapping


def _long(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{format_number(seconds / size)} {unit}"
    return f"{format_number(seconds)} s" if seconds else "0"
