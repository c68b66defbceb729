"""The command line: what `pytest --help` shows of this plugin."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterable
from typing import Any

import pytest

_QUESTIONS = frozenset(
    [
        "-h",
        "--help",
        "-V",
        "--version",
        "--markers",
        "--fixtures",
        "--funcargs",
        "--fixtures-per-test",
        "--cache-show",
    ]
)
_QUESTION_NAMES = (
    "help",
    "version",
    "markers",
    "showfixtures",
    "show_fixtures_per_test",
    "cacheshow",
)
"""What pytest answers about itself: no run, and so no verdict and no report."""

_SELECTION_NAMES = (
    *("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "maxfail"),
    *("stepwise", "stepwise_skip", "collectonly", "setuponly", "setupplan"),
)
"""The options that leave tests out, or end a run early."""


def parse_duration_option(text: str) -> float:
    """Return the seconds that an option's text names.

    Raises:
        argparse.ArgumentTypeError: It is no duration.
    """
    from pytest_flowhealth.domain.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--health",
        {
            "action": "store_true",
            "help": "Run health checks. Without a path, run the bundled checks of the quick components and "
            "the checks in the files and folders that `checks` in the configuration names.",
        },
    ),
    (
        "--health-project",
        {
            "metavar": "DIR",
            "help": "Check the npm project in DIR (default: the nearest folder at or above the "
            "current one that has a package.json).",
        },
    ),
    (
        "--health-component",
        {
            "metavar": "NAME",
            "action": "append",
            "default": [],
            "help": "Only run the checks of component NAME, and those that they require (repeatable).",
        },
    ),
    (
        "--health-all",
        {"action": "store_true", "help": "Run every component, including the slow ones."},
    ),
    (
        "--health-report",
        {
            "metavar": "FILE",
            "help": "Write the JSON report to FILE (default: .flowhealth/report.json in the project). "
            "'-' is standard output.",
        },
    ),
    (
        "--health-output",
        {
            "metavar": "FORMAT[:PATH]",
            "action": "append",
            "default": [],
            "help": "Write the report in another format too, to PATH or to standard output (repeatable). "
            "Formats: badge, github, health+json, html, json-lines, junit, markdown, nagios, openmetrics.",
        },
    ),
    (
        "--health-threshold",
        {
            "metavar": "NAME=WARN:FAIL",
            "action": "append",
            "default": [],
            "help": "Override a threshold, for example redis.connect.p95=5:50 (repeatable).",
        },
    ),
    (
        "--health-retry",
        {
            "metavar": "DURATION",
            "type": parse_duration_option,
            "help": "Rerun failing checks, with backoff, until they pass or DURATION is over, for example 30s.",
        },
    ),
    (
        "--health-allow",
        {
            "choices": ["degraded"],
            "help": "Exit with code 0 if the verdict is degraded. The report still says degraded.",
        },
    ),
    (
        "--health-history",
        {
            "metavar": "URL",
            "help": "Record the run in a history, and show trends. URL is a database file, for example "
            "sqlite:///.flowhealth/history.db, or a Prometheus-compatible server.",
        },
    ),
    (
        "--health-compare",
        {
            "metavar": "RUN",
            "nargs": "?",
            "const": "",
            "help": "Compare with the runs recorded on this machine, up to RUN if it is given: warn of each "
            "measurement that is worse by more than its noise.",
        },
    ),
    (
        "--health-submit",
        {
            "metavar": "URL",
            "help": "Send an install report of this run to URL, for example https://health.example.org, "
            "if you consent. '-' prints what would be sent, and sends nothing.",
        },
    ),
    (
        "--health-demo",
        {
            "action": "store_true",
            "help": "Install and start a small application, and run the checks on it.",
        },
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Add this plugin's options to pytest's `parser`."""
    group = parser.getgroup("flowhealth", "health checks (pytest-flowhealth)")
    for name, settings in OPTIONS:
        group.addoption(name, **settings)


def read_arguments(arguments: Iterable[object]) -> list[str]:
    """Return the arguments of pytest with what PYTEST_ADDOPTS adds, before anything is parsed."""
    try:
        added = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    except ValueError:  # pytest reports it itself
        added = []
    return [*added, *map(str, arguments)]


def read_early_options(given: Iterable[object]) -> argparse.Namespace | None:
    """Return this plugin's options before pytest parses them; None if no report is claimed.

    pytest parses its options when all plugins have added theirs. A plugin that fails to do so, or
    an unknown option, then ends pytest before any other hook is called.
    """
    arguments = read_arguments(given)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name, settings in OPTIONS:
        # As texts: a value that pytest will refuse, or miss, must not keep the old report alive.
        action = settings.get("action")
        if action == "store_true":
            parser.add_argument(name, action=action)
        elif action == "append":
            parser.add_argument(name, action=action, nargs="?", const="", default=[])
        else:
            parser.add_argument(name, nargs="?", const="")
    try:
        options, others = parser.parse_known_args(arguments)
    except (argparse.ArgumentError, SystemExit):
        return None
    claims = wants_health(options) and not options.health_demo
    return options if claims and not _QUESTIONS.intersection(others) else None


def wants_health(options: argparse.Namespace) -> bool:
    """Tell whether the command line asks for a health check."""
    return _requests_health(options) and not is_question(options)


def drop_project_selection(config: pytest.Config, options: argparse.Namespace) -> None:
    """With --health, undo what `addopts` of the project's settings leaves out: that is meant for its tests.

    What is typed, or in PYTEST_ADDOPTS, stays in `options`.
    """
    if not _requests_health(options) or not config.getini("addopts"):
        return
    typed = config._parser.parse_known_args(  # noqa: SLF001  # pytest has no public way
        read_arguments(config.invocation_params.args)
    )
    for name in (*_SELECTION_NAMES, *_QUESTION_NAMES):
        if hasattr(options, name):
            setattr(options, name, getattr(typed, name))
    if not typed.file_or_dir:
        config.args_source = pytest.Config.ArgsSource.INVOCATION_DIR


def _requests_health(options: argparse.Namespace) -> bool:
    requested = options.health or options.health_all or options.health_component
    return bool(requested or options.health_submit or options.health_output)


def is_question(options: argparse.Namespace) -> bool:
    """Tell whether pytest is asked about itself, so that nothing runs."""
    return any(getattr(options, name, False) for name in _QUESTION_NAMES)
