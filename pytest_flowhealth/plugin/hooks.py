"""The plugin as pytest finds it: a few lines a hook, each calling something with a name.

Nothing heavy is imported before a health check is asked for or collected, so
that an ordinary suite pays next to nothing (tests/integration/plugin/test_unused.py).
"""

from __future__ import annotations

import importlib
from collections.abc import Generator

import pytest

from pytest_flowhealth.plugin.options import (
    COMMANDS,
    add_options,
    command,
    given,
    is_question,
    wants_health,
)

MARKERS = (
    "health(component, *, critical=True, requires=(), timeout=None, remedy=None, exclusive=False): "
    "this test is a health check of that component.",
    "threshold(measurement, *, warn=None, fail=None, unit=None, better=None): "
    "the limits of one statistic of a measurement that this check takes.",
    "waive(until, reason): a failing check counts as warn up to and including that day (UTC).",
    "alert(*, after=0, cooldown=None, severity=None, on=('fail', 'unknown'), runbook=None): "
    "how the monitor tells that this check fails.",
)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options; where --health is given, replace the last run's report."""
    add_options(parser)
    config: pytest.Config | None = pluginmanager.getplugin("pytestconfig")
    if config is not None and any(one.startswith("--health") for one in given(config)):
        from pytest_flowhealth.plugin.start import before_options

        before_options(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Take over the terminal; a conftest.py that fails is a reason, not the end of it."""
    options = early_config.known_args_namespace
    chosen = command(options)
    if chosen is not None:
        module, name = COMMANDS[chosen].split(":")
        found = importlib.import_module(f"pytest_flowhealth.plugin.{module}")
        early_config.pluginmanager.register(getattr(found, name)())
        return (yield)
    if options.health_demo:
        from pytest_flowhealth.plugin.demo import DemoCommand

        early_config.pluginmanager.register(DemoCommand())
        # The demo checks an application of its own. A conftest.py here might need what is missing.
        options.noconftest = True
    if options.health_demo or not wants_health(options):
        return (yield)
    from pytest_flowhealth.plugin.start import before_conftests
    from pytest_flowhealth.plugin.terminal import TerminalTakeover

    before_conftests(early_config)
    early_config.pluginmanager.register(TerminalTakeover(), "flowhealth-takeover")
    try:
        return (yield)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a conftest.py may raise anything
        from pytest_flowhealth.plugin.finish import after_conftest

        raise SystemExit(after_conftest(early_config, error)) from None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Describe the markers; where a health check is asked for, take over."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if wants_health(config.option):
        from pytest_flowhealth.plugin.start import start_health

        start_health(config)
    elif config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        from pytest_flowhealth.plugin.start import start_watching

        start_watching(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | None, int | None]:
    """Guard the exit code: whatever happens inside, a health check ends with its own."""
    if hasattr(config, "workerinput"):
        return (yield)
    try:
        result = yield
    except BaseException as error:
        if not (wants_health(config.option) or decides(config)):
            raise
        from pytest_flowhealth.plugin.finish import after_error

        return after_error(config, error)
    from pytest_flowhealth.plugin.keys import RUN

    if RUN in config.stash:
        from pytest_flowhealth.plugin.finish import final_exit_code

        return final_exit_code(config, result)
    if config.option.health_demo or not wants_health(config.option):
        return result
    from pytest_flowhealth.plugin.finish import not_run

    return not_run(config)


def decides(config: pytest.Config) -> bool:
    """Tell whether the exit code is that of a run of checks."""
    from pytest_flowhealth.plugin.keys import RUN

    return RUN in config.stash and config.stash[RUN].decides


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """Read the markers of what was collected, before and after others choose from it."""
    from pytest_flowhealth.plugin.keys import RUN

    questions = config.option.collectonly or is_question(config.option)
    if RUN not in config.stash and (questions or not any_check(items)):
        return (yield)
    from pytest_flowhealth.plugin.selection import arrange, take_in

    take_in(config, items)
    result = yield
    arrange(config, items)
    return result


def any_check(items: list[pytest.Item]) -> bool:
    """Tell whether one of `items` is a check; looks at each module and class once."""
    seen: dict[pytest.Item | pytest.Collector, bool] = {}

    def marked(node: pytest.Item | pytest.Collector) -> bool:
        return any(mark.name == "health" for mark in node.own_markers)

    def inherited(node: pytest.Item | pytest.Collector | None) -> bool:
        if node is None:
            return False
        if node not in seen:
            seen[node] = marked(node) or inherited(node.parent)
        return seen[node]

    return any(marked(item) or inherited(item.parent) for item in items)


@pytest.fixture
def health(request: pytest.FixtureRequest) -> object:
    """The check's own hand: measure, warn, detail, remedy, not_applicable."""
    from pytest_flowhealth.plugin.health import health_of

    return health_of(request.node)


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> object:
    """The npm project that is looked at, a `pytest_flowhealth.Target`."""
    from pytest_flowhealth.plugin.begin import run_of

    return run_of(pytestconfig).target


@pytest.fixture(scope="session")
def wasm_benchmark(pytestconfig: pytest.Config) -> object:
    """Measures a WebAssembly module against JavaScript, a `pytest_flowhealth.plugin.wasm.WasmBenchmark`."""
    from pytest_flowhealth.plugin.begin import run_of
    from pytest_flowhealth.plugin.wasm import benchmark_of

    return benchmark_of(pytestconfig, run_of(pytestconfig).target.root)
