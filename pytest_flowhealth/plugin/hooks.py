"""The plugin as pytest finds it: a few lines a hook, each calling something with a name.

Nothing heavy is imported before a health check is asked for or collected, so
that an ordinary suite pays next to nothing (tests/plugin/test_unused.py).
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_flowhealth.plugin.options import add_options, is_question, wants_health

MARKERS = (
    "health(component, *, critical=True, requires=(), timeout=None, remedy=None, exclusive=False): "
    "this test is a health check of that component.",
    "threshold(measurement, *, warn=None, fail=None, unit=None, better=None): "
    "the limits of one statistic of a measurement that this check takes.",
    "waive(until, reason): a failing check counts as warn up to and including that day (UTC).",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Replace the last run's report before anything of this run can go wrong."""
    options = early_config.known_args_namespace
    if options.health_demo:
        from pytest_flowhealth.plugin.demo import DemoCommand

        early_config.pluginmanager.register(DemoCommand())
    elif wants_health(options):
        from pytest_flowhealth.plugin.start import before_conftests
        from pytest_flowhealth.plugin.terminal import TerminalTakeover

        before_conftests(early_config)
        early_config.pluginmanager.register(TerminalTakeover(), "flowhealth-takeover")
    try:
        return (yield)
    except SystemExit as error:
        # A conftest.py that ends the process does so before there is any verdict.
        raise SystemExit(
            3 if wants_health(options) and error.code in (None, 0, 1) else error.code
        ) from None


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
        if not wants_health(config.option):
            raise
        from pytest_flowhealth.plugin.finish import after_error

        return after_error(config, error)
    from pytest_flowhealth.plugin.keys import RUN

    if RUN not in config.stash:
        return 3 if wants_health(config.option) and not config.option.health_demo else result
    from pytest_flowhealth.plugin.finish import final_exit_code

    return final_exit_code(config, result)


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
