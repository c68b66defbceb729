"""The command line: what `pytest --help` shows of this plugin."""

from __future__ import annotations

import argparse
import os
import shlex
from typing import Any

import pytest

_QUESTIONS = {
    "help": ("-h", "--help"),
    "version": ("-V", "--version"),
    "markers": ("--markers",),
    "showfixtures": ("--fixtures", "--funcargs"),
    "show_fixtures_per_test": ("--fixtures-per-test",),
    "cacheshow": ("--cache-show",),
}
"""What pytest answers about itself, by the option's name: no run, and so no verdict and no report."""


def duration(text: str) -> float:
    """Return the seconds that an option's text names.

    Raises:
        argparse.ArgumentTypeError: It is no duration.
    """
    from pytest_flowhealth.domain.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def interval(text: str) -> float | str:
    """Return the seconds that an interval's text names, and the text itself where it is empty.

    Raises:
        argparse.ArgumentTypeError: It is no duration.
    """
    return duration(text) if text else text


OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--health",
        {
            "action": "store_true",
            "help": "Run as a health check. Without a path: the bundled quick checks and those that the "
            "configuration names.",
        },
    ),
    (
        "--health-project",
        {
            "metavar": "DIR",
            "help": "The npm project to look at (default: the nearest folder at or above the "
            "current one that has a package.json).",
        },
    ),
    (
        "--health-component",
        {
            "metavar": "NAME",
            "action": "append",
            "default": [],
            "help": "Only the checks of this component, and what they require (repeatable).",
        },
    ),
    (
        "--health-all",
        {"action": "store_true", "help": "Every component, the slow ones too."},
    ),
    (
        "--health-report",
        {
            "metavar": "FILE",
            "help": "Where the JSON report goes (default: .flowhealth/report.json in the project; "
            "- for standard output).",
        },
    ),
    (
        "--health-output",
        {
            "metavar": "FORMAT[:PATH]",
            "action": "append",
            "default": [],
            "help": "Tell the verdict in a further format, into a file or on standard output: "
            "github, health+json, html, json-lines, junit, markdown, nagios, openmetrics (repeatable).",
        },
    ),
    (
        "--health-threshold",
        {
            "metavar": "NAME=WARN:FAIL",
            "action": "append",
            "default": [],
            "help": "Change a threshold, as in redis.connect.p95=5:50 (repeatable).",
        },
    ),
    (
        "--health-retry",
        {
            "metavar": "DURATION",
            "type": duration,
            "help": "Run failing checks again, with backoff, until they pass or this time is up, as in 30s.",
        },
    ),
    (
        "--health-allow",
        {"choices": ["degraded"], "help": "Exit with 0 on degraded; the report still says it."},
    ),
    (
        "--health-history",
        {
            "metavar": "URL",
            "help": "Keep the run, and show trends: sqlite:///PATH, as in "
            "sqlite:///.flowhealth/history.db.",
        },
    ),
    (
        "--health-compare",
        {
            "metavar": "RUN",
            "nargs": "?",
            "const": "",
            "help": "Warn of measurements that are worse than in the kept runs of this machine, up to "
            "RUN where one is named, beyond their noise.",
        },
    ),
    (
        "--health-suggest",
        {
            "action": "store_true",
            "help": "Run nothing: print thresholds that the kept runs suggest, ready to paste.",
        },
    ),
    (
        "--health-monitor",
        {
            "metavar": "INTERVAL",
            "nargs": "?",
            "const": "",
            "type": interval,
            "help": "Run the checks for ever, with history and alerts: every component at this interval, "
            "as in 60s, unless `[monitor] intervals` names it.",
        },
    ),
    (
        "--health-dashboard",
        {
            "metavar": "[HOST:]PORT",
            "nargs": "?",
            "const": "",
            "help": "Serve the web page of a monitor (default: 127.0.0.1:3001), which is begun with it.",
        },
    ),
    (
        "--health-hash",
        {
            "action": "store_true",
            "help": "Run nothing: ask for a password, and print its hash for `[web] users`.",
        },
    ),
    (
        "--health-rules",
        {
            "action": "store_true",
            "help": "Run nothing: list the rules, how their alerts stand, and what they would have done "
            "in the last week's history.",
        },
    ),
    (
        "--health-notify-test",
        {
            "action": "store_true",
            "help": "Run nothing: send a test message to each receiver, and tell how that went.",
        },
    ),
    (
        "--health-silence",
        {
            "metavar": "ALERT=DURATION",
            "help": "Run nothing: let the monitor tell nobody of these alerts for so long, as in "
            "'redis.*=2h'.",
        },
    ),
    (
        "--health-acknowledge",
        {
            "metavar": "ALERT",
            "help": "Run nothing: tell the monitor that somebody takes care of this alert.",
        },
    ),
    (
        "--health-init",
        {
            "metavar": "diff|write",
            "nargs": "?",
            "const": "ask",
            "choices": ["ask", "diff", "write"],
            "help": "Run nothing: show what would be written into the project (settings, a check, npm scripts, "
            "issue forms, a CI job, a systemd unit), ask, and write it; =diff only shows, =write does not ask.",
        },
    ),
    (
        "--health-submit",
        {
            "metavar": "URL",
            "help": "Send a report of the installation afterwards, as in https://health.example.org, with "
            "your consent; - shows what would be sent, and sends nothing.",
        },
    ),
    (
        "--health-erase",
        {
            "metavar": "ADDRESS",
            "help": "Run nothing: have a report erased that was sent; its address was told then.",
        },
    ),
    (
        "--health-withdraw",
        {
            "action": "store_true",
            "help": "Run nothing: take back every consent to send reports.",
        },
    ),
    (
        "--health-issues",
        {
            "metavar": "dry-run",
            "nargs": "?",
            "const": "now",
            "choices": ["now", "dry-run"],
            "help": "Run nothing: open an issue at GitHub for each error that many installations "
            "reported, or tell it the new counts; dry-run only shows what would be sent.",
        },
    ),
    (
        "--health-demo",
        {
            "action": "store_true",
            "help": "Run the checks on a small real application that is installed and started for it.",
        },
    ),
)


COMMANDS = {
    "health_suggest": "suggest:SuggestCommand",
    "health_monitor": "monitor:MonitorCommand",
    "health_hash": "hashing:HashCommand",
    "health_rules": "rules:RulesCommand",
    "health_notify_test": "notify:NotifyCommand",
    "health_silence": "silence:SilenceCommand",
    "health_acknowledge": "silence:AcknowledgeCommand",
    "health_init": "scaffold:InitCommand",
    "health_erase": "submit:EraseCommand",
    "health_withdraw": "submit:WithdrawCommand",
    "health_issues": "issues:IssuesCommand",
}
"""What takes the place of a run, by its option: a module of this package and its class."""


def add_options(parser: pytest.Parser) -> None:
    """Add this plugin's options to pytest's `parser`."""
    group = parser.getgroup("flowhealth", "health checks (pytest-flowhealth)")
    for name, settings in OPTIONS:
        group.addoption(name, **settings)


def given(config: pytest.Config) -> list[str]:
    """Return what was typed, and what PYTEST_ADDOPTS adds, before anything is parsed."""
    try:
        added = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    except ValueError:  # pytest says so itself
        added = []
    return [*added, *map(str, config.invocation_params.args)]


def early_options(config: pytest.Config) -> argparse.Namespace | None:
    """Return this plugin's options as texts, as far as they can be read before others are known."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name, settings in OPTIONS:
        if settings.get("action") == "store_true":
            parser.add_argument(name, action="store_true")
        elif settings.get("action") == "append":
            parser.add_argument(name, action="append", nargs="?", const="", default=[])
        else:
            parser.add_argument(name, nargs="?", const="")
    for name, forms in _QUESTIONS.items():
        parser.add_argument(*forms, dest=name, nargs="?", const=True)
    try:
        return parser.parse_known_args(given(config))[0]
    except (argparse.ArgumentError, SystemExit):
        return None


def wants_health(options: argparse.Namespace) -> bool:
    """Tell whether the command line asks for a health check."""
    asked = options.health or options.health_all or options.health_component
    asked = asked or options.health_submit or options.health_output
    return bool(asked) and command(options) is None and not is_question(options)


def command(options: argparse.Namespace) -> str | None:
    """Return the option that takes the place of a run; None where a run is asked for."""
    if options.health_demo:
        return None
    if monitors(options):
        return "health_monitor"
    others = (name for name in COMMANDS if name != "health_monitor")
    # Before the options are parsed, one whose value was left out is an empty text.
    return next((name for name in others if getattr(options, name) not in (None, False)), None)


def monitors(options: argparse.Namespace) -> bool:
    """Tell whether the command line asks for a monitor; what a monitor's round inherits does not."""
    if options.health_monitor is None and options.health_dashboard is None:
        return False
    from pytest_flowhealth.monitor.frames import order

    return order() is None


def is_question(options: argparse.Namespace) -> bool:
    """Tell whether pytest is asked about itself, so that nothing runs."""
    return any(getattr(options, name, False) for name in _QUESTIONS)
