"""The entry point of the plugin: each hook is a few lines that call named functions.

Other modules are imported only if a health check is requested or collected, so that the overhead for an
ordinary suite is small (a test checks this).
"""

from __future__ import annotations

import argparse
from collections.abc import Generator

import pytest

from pytest_flowhealth.plugin.fixtures import (
    health,
    http_probe,
    install_reports,
    npm_project,
    process_probe,
    redis_probe,
    target,
    wasm_benchmark,
    websocket_probe,
)
from pytest_flowhealth.plugin.options import (
    add_options,
    drop_project_selection,
    is_question,
    read_arguments,
    wants_health,
)

__all__ = [
    "health",
    "http_probe",
    "install_reports",
    "npm_project",
    "process_probe",
    "redis_probe",
    "target",
    "wasm_benchmark",
    "websocket_probe",
]

MARKERS = (
    "health(component, *, critical=True, requires=(), timeout=None, remedy=None, exclusive=False): "
    "mark the test as a health check of the given component. requires: ids of checks that must pass "
    "first. timeout: seconds. remedy: how to fix what the check finds. exclusive: run it alone.",
    "threshold(measurement, *, warn=None, fail=None, unit=None, better=None): "
    "set the limits of a measurement that the check records, or of one of its statistics.",
    "waive(*, until, reason): count a failure of the check as warn up to and including the given "
    "day (UTC).",
    "alert(*, after=0, cooldown=None, severity=None, on=('fail', 'unknown'), runbook=None): "
    "set when and how the monitor alerts for the check.",
)


@pytest.hookimpl(tryfirst=True)
def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options; with --health, first replace the report of the last run."""
    config: pytest.Config | None = pluginmanager.getplugin("pytestconfig")
    arguments = config.invocation_params.args if config else ()
    if config and any(text.startswith("--health") for text in read_arguments(arguments)):
        from pytest_flowhealth.plugin.lifecycle import claim_report

        claim_report(config)
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that other plugins can implement."""
    from pytest_flowhealth.plugin import newhooks

    pluginmanager.add_hookspecs(newhooks)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config,
) -> Generator[None, object, object]:
    """Take over the terminal; a conftest.py that fails is a reason, and does not end the process."""
    options = early_config.known_args_namespace
    result = yield from _load_conftests(early_config, options)
    early_config.pluginmanager.register(RunEnd())
    return result


def _load_conftests(
    early_config: pytest.Config, options: argparse.Namespace
) -> Generator[None, object, object]:
    if options.health_demo:
        from pytest_flowhealth.plugin.demo.command import DemoCommand

        early_config.pluginmanager.register(DemoCommand())
        # The demo checks an application of its own. A conftest.py here might need what is missing.
        options.noconftest = True
        return (yield)
    drop_project_selection(early_config, options)
    if not wants_health(options):
        return (yield)
    from pytest_flowhealth.plugin.ending import finish_without_conftest
    from pytest_flowhealth.plugin.lifecycle import before_conftests
    from pytest_flowhealth.plugin.reporting.terminal import TerminalTakeover

    before_conftests(early_config)
    early_config.pluginmanager.register(TerminalTakeover(), "flowhealth-takeover")
    try:
        return (yield)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a conftest.py may raise anything
        raise SystemExit(finish_without_conftest(early_config, error)) from None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Describe the markers; start a run if a health check is asked for."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if wants_health(config.option):
        from pytest_flowhealth.plugin.lifecycle import start_health

        start_health(config)
    elif config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        from pytest_flowhealth.plugin.lifecycle import start_run
        from pytest_flowhealth.plugin.run import Mode

        start_run(config, Mode.WATCHING)


class RunEnd:
    """Ends a run of checks; registered after the initial conftest files, so that it has the last word."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, int | None, int | None]:
        """End a run of checks with its verdict: its report, and its exit code."""
        drop_project_selection(config, config.option)
        if hasattr(config, "workerinput"):
            return (yield)
        try:
            pytest_exit = yield
        except BaseException as error:
            if not (wants_health(config.option) or _decides(config)):
                raise
            from pytest_flowhealth.plugin.ending import finish_with_error

            return finish_with_error(config, error)
        from pytest_flowhealth.plugin.run import RUN

        if RUN in config.stash:
            from pytest_flowhealth.plugin.ending import finish_run

            return finish_run(config, pytest_exit)
        if config.option.health_demo or not wants_health(config.option):
            return pytest_exit
        from pytest_flowhealth.plugin.ending import abort_unknown

        return abort_unknown(
            config, "nothing was run: a plugin or a conftest.py took pytest's place"
        )


def _decides(config: pytest.Config) -> bool:
    from pytest_flowhealth.plugin.run import RUN

    return RUN in config.stash and config.stash[RUN].decides


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """Choose the checks to run, before and after other plugins change the selection."""
    from pytest_flowhealth.plugin.run import RUN

    questions = config.option.collectonly or is_question(config.option)
    if RUN not in config.stash and (questions or not _has_checks(items)):
        return (yield)
    from pytest_flowhealth.plugin.lifecycle import arrange_checks, choose_checks

    choose_checks(session, items)
    result = yield
    arrange_checks(config, items)
    return result


def _has_checks(items: list[pytest.Item]) -> bool:
    """Tell whether one of `items` is a check; each module and class is inspected once."""
    seen: dict[pytest.Item | pytest.Collector, bool] = {}

    def is_marked(node: pytest.Item | pytest.Collector) -> bool:
        return any(mark.name == "health" for mark in node.own_markers)

    def inherits(node: pytest.Item | pytest.Collector | None) -> bool:
        if node is None:
            return False
        if node not in seen:
            seen[node] = is_marked(node) or inherits(node.parent)
        return seen[node]

    return any(is_marked(item) or inherits(item.parent) for item in items)
