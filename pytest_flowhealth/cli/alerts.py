"""`flowhealth alerts`: list, silence, acknowledge and test alerts, and show the rules."""

from __future__ import annotations

import datetime
import getpass
import os
import platform
import sqlite3
import time
from collections.abc import Iterator

import click

from pytest_flowhealth.alerts import store
from pytest_flowhealth.alerts.backtest import BacktestResult, run_backtest
from pytest_flowhealth.alerts.dispatcher import attempt
from pytest_flowhealth.alerts.engine import TrackedAlert
from pytest_flowhealth.alerts.evaluation import make_policy
from pytest_flowhealth.alerts.message import Message, Origin, make_test_messages
from pytest_flowhealth.alerts.routing import matches
from pytest_flowhealth.alerts.rules import find_disabled_rules
from pytest_flowhealth.alerts.store import Silence
from pytest_flowhealth.cli.common import (
    Duration,
    align,
    change_history,
    complain,
    echo,
    find_history,
    history_option,
    project_option,
    read_settings,
)
from pytest_flowhealth.config.alerts import Receiver
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.recording import query_history
from pytest_flowhealth.monitor.console import Console
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.settings import Settings

_WEEK = 7 * 86_400.0
_SHOWN = 3


@click.group(
    "alerts", invoke_without_command=True, short_help="List, silence and acknowledge alerts."
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, silence, acknowledge and test alerts, and show the rules."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_alerts)


@command.command("list")
@project_option
@history_option
@click.pass_context
def list_alerts(ctx: click.Context, project: str | None = None, history: str | None = None) -> None:
    """List the alerts that are pending or firing."""
    settings = read_settings(project)
    path = find_history(settings.target, history).path
    if not path.is_file():
        complain(f"no alerts are known: no monitor has run here, {path} is not there")
        ctx.exit(Status.UNKNOWN.exit_code)
    unknown: dict[str, TrackedAlert] = {}
    alerts, problem = query_history(path, store.read_alerts, unknown)
    rows = [(name, _describe_phase(alert)) for name, alert in alerts.items() if _is_active(alert)]
    for line in align(rows):
        echo(line)
    if not rows:
        echo(f"no alerts: {problem}" if problem else "no alerts")


@command.command("silence", short_help="Silence alerts for some time.")
@click.argument("match")
@click.argument("duration", type=Duration())
@project_option
@history_option
def silence(match: str, duration: float, project: str | None, history: str | None) -> None:
    """Silence the alerts whose name matches, as in: flowhealth alerts silence 'redis.*' 2h."""
    settings = read_settings(project)
    now = time.time()
    silence = Silence("", match.strip(), now, now + duration, "", _find_author())
    if not silence.pattern:
        raise UsageError("MATCH must be the name of an alert, or a pattern such as 'redis.*'")

    def add(connection: sqlite3.Connection) -> list[str]:
        store.save_silence(connection, silence)
        return [name for name in store.read_alerts(connection) if matches(name, silence.pattern)]

    names = change_history(find_history(settings.target, history).path, add)
    end = datetime.datetime.fromtimestamp(silence.ends, datetime.UTC)
    known = f"; it matches {', '.join(names)}" if names else "; it matches no alert so far"
    echo(f"silenced until {end:%Y-%m-%d %H:%M:%S} UTC: {silence.pattern}{known}")


@command.command("ack")
@click.argument("alert")
@project_option
@history_option
def acknowledge(alert: str, project: str | None, history: str | None) -> None:
    """Acknowledge a firing alert, by its name."""
    settings = read_settings(project)

    def add(connection: sqlite3.Connection) -> None:
        firing = [
            name
            for name, alert in store.read_alerts(connection).items()
            if alert.state.fires or alert.state.flapping
        ]
        if alert not in firing:
            known = f"firing: {', '.join(sorted(firing))}" if firing else "no alert is firing"
            raise UsageError(f"{alert!r} is not firing; {known}")
        store.acknowledge(connection, alert, time.time(), _find_author())

    change_history(find_history(settings.target, history).path, add)
    echo(f"acknowledged: {alert}")


@command.command("rules", short_help="Show the rules and their alerts.")
@project_option
@history_option
def rules(project: str | None, history: str | None) -> None:
    """Show the rules, the state of their alerts, and when they would have fired in the last week."""
    settings = read_settings(project)
    path = find_history(settings.target, history).path
    unknown: dict[str, TrackedAlert] = {}
    alerts, problem = query_history(path, store.read_alerts, unknown)
    for line in _describe_rules(settings, alerts):
        echo(line)
    nothing: list[str] = []
    lines, broken = query_history(path, lambda file: [*_backtest(settings, file)], nothing)
    echo("")
    for line in lines or [f"no history to test them on: {problem or broken or path}"]:
        echo(line)


@command.command("test", short_help="Send test messages to each receiver.")
@project_option
@click.pass_context
def test(ctx: click.Context, project: str | None) -> None:
    """Send a short and a long test message to each receiver, and print whether they were delivered."""
    settings = read_settings(project)
    if not settings.target.config.receivers:
        echo("no receivers are configured: alerts go to the console and the log")
    failed = 0
    for receiver in settings.receivers:
        began = time.monotonic()
        failure = _send_tests(receiver, settings)
        took = 1_000 * (time.monotonic() - began)
        result = f"delivered in {took:.0f} ms" if failure is None else f"failed: {failure}"
        echo(f"{receiver.name} ({receiver.type}): {result}")
        failed += failure is not None
    ctx.exit(Status.UNHEALTHY.exit_code if failed else 0)


def _send_tests(receiver: Receiver, settings: Settings) -> str | None:
    """Return why a test message was not delivered; None if both were."""
    target = settings.target
    origin = Origin(platform.node(), target.name or target.root.name, target.instance)
    short, long = make_test_messages(receiver.name, origin, datetime.datetime.now(datetime.UTC))
    failure = _send_test(short, receiver, settings)
    if failure is not None:
        return failure
    failure = _send_test(long, receiver, settings)
    return None if failure is None else f"a long message: {failure}"


def _send_test(message: Message, receiver: Receiver, settings: Settings) -> str | None:
    if receiver.type == "console":
        console = Console()
        console.message(message)
        console.close()
        return None
    if receiver.type == "log":
        logs = Logs(settings.target.root / settings.target.config.monitor.logs)
        logs.write("info", "alerts", "test", message=message.id)
        logs.close()
        return logs.problem
    failure = attempt(message, receiver, os.environ)
    return None if failure is None else str(failure)


def _describe_rules(settings: Settings, alerts: dict[str, TrackedAlert]) -> list[str]:
    rows = [("rule", "condition", "for", "cooldown", "severity", "state")]
    rows += [
        (
            rule.name,
            f"{rule.spelled} {rule.limit}",
            _describe_duration(rule.held),
            _describe_duration(rule.cooldown),
            rule.severity,
            _describe_states(rule.name, alerts),
        )
        for rule in settings.rules
    ]
    rows += [
        (name, "", "", "", "", "off") for name in find_disabled_rules(settings.target.config.rules)
    ]
    rows += [
        (
            alert.subject.name,
            "its check fails",
            _describe_duration(alert.policy.held),
            _describe_duration(alert.policy.cooldown),
            alert.subject.severity,
            _describe_phase(alert),
        )
        for alert in alerts.values()
        if alert.subject.kind != "rule" and _is_active(alert)
    ]
    return align(rows)


def _backtest(settings: Settings, file: sqlite3.Connection) -> Iterator[str]:
    now = time.time()
    alerts = settings.target.config.alerts
    yield "in the history of the last 7 days they would have fired:"
    for rule in settings.rules:
        policy = make_policy(alerts, rule.held, rule.cooldown)
        found = run_backtest(file, rule, policy, now - _WEEK, now)
        if not found:
            yield f"  {rule.name:<20} no values of {rule.metric}"
        for result in found:
            yield f"  {rule.name + result.metric[len(rule.metric) :]:<20} {_describe_times(result)}"


def _describe_times(result: BacktestResult) -> str:
    if not result.fired:
        return f"never ({result.readings} values)"
    shown = ", ".join(
        f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d %H:%M}"
        for at in result.fired[-_SHOWN:]
    )
    more = "the last at " if len(result.fired) > _SHOWN else ""
    times = "once" if len(result.fired) == 1 else f"{len(result.fired)} times"
    return f"{times} ({result.readings} values): {more}{shown} UTC"


def _describe_states(name: str, alerts: dict[str, TrackedAlert]) -> str:
    found = [alert for key, alert in alerts.items() if key.partition("[")[0] == name]
    return ", ".join(_describe_phase(alert) for alert in found) or "inactive"


def _describe_phase(alert: TrackedAlert) -> str:
    marks = [
        word
        for word, applies in (
            ("flapping", alert.state.flapping),
            ("acknowledged", alert.state.acknowledged),
        )
        if applies
    ]
    return f"{alert.state.phase} ({', '.join(marks)})" if marks else alert.state.phase


def _is_active(alert: TrackedAlert) -> bool:
    return alert.state.phase != "inactive" or alert.state.flapping


def _describe_duration(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{format_number(seconds / size)} {unit}"
    return f"{format_number(seconds)} s" if seconds else "0"


def _find_author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
