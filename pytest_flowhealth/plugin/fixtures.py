"""The fixtures of this plugin. Each imports what it needs when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_flowhealth.config.target import Target
    from pytest_flowhealth.plugin.execution.fixture import Health
    from pytest_flowhealth.plugin.wasm_benchmark import WasmBenchmark
    from pytest_flowhealth.probes.dashboard import HttpProbe, WebSocketProbe
    from pytest_flowhealth.probes.processes import ProcessProbe
    from pytest_flowhealth.probes.project import NpmProject
    from pytest_flowhealth.probes.redis import RedisProbe
    from pytest_flowhealth.probes.registry.reports import InstallReports


@pytest.fixture
def health(request: pytest.FixtureRequest) -> Health:
    """Return the object that records measurements, warnings and details of the current check.

    See `pytest_flowhealth.Health`: measure, warn, detail, remedy, depends_on, not_applicable.
    """
    from pytest_flowhealth.plugin.execution.fixture import make_health

    return make_health(request.node)


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """Return the npm project that is checked, with its configuration: a `pytest_flowhealth.Target`."""
    return _target(pytestconfig)


@pytest.fixture(scope="session")
def install_reports(pytestconfig: pytest.Config) -> Callable[[str], InstallReports]:
    """Return a function that counts the install reports of a package: `install_reports(NAME)`."""
    from functools import partial

    from pytest_flowhealth.plugin.install_reports import count_install_reports

    return partial(count_install_reports, _target(pytestconfig))


@pytest.fixture(scope="session")
def process_probe() -> ProcessProbe:
    """Return a `pytest_flowhealth.probes.processes.ProcessProbe`: CPU and memory of processes."""
    from pytest_flowhealth.probes.processes import ProcessProbe

    return ProcessProbe()


@pytest.fixture(scope="session")
def http_probe() -> HttpProbe:
    """Return a probe that requests any address over HTTP and measures its response times.

    See `pytest_flowhealth.probes.dashboard.HttpProbe`: get, response_times.
    """
    from pytest_flowhealth.probes.dashboard import HttpProbe

    return HttpProbe()


@pytest.fixture(scope="session")
def websocket_probe() -> WebSocketProbe:
    """Return a probe that opens a WebSocket at any address and measures its round trips.

    See `pytest_flowhealth.probes.dashboard.WebSocketProbe`: round_trips.
    """
    from pytest_flowhealth.probes.dashboard import WebSocketProbe

    return WebSocketProbe()


@pytest.fixture(scope="session")
def redis_probe(pytestconfig: pytest.Config) -> RedisProbe:
    """Return a `pytest_flowhealth.probes.redis.RedisProbe` of the Redis that the target uses.

    A check of a target that uses no Redis is skipped.
    """
    from pytest_flowhealth.probes.redis import RedisProbe

    return RedisProbe.from_target(_target(pytestconfig))


@pytest.fixture(scope="session")
def wasm_benchmark(pytestconfig: pytest.Config) -> WasmBenchmark:
    """Return a function that measures a WebAssembly module against JavaScript: see `WasmBenchmark`."""
    from pytest_flowhealth.plugin.wasm_benchmark import benchmark_of

    return benchmark_of(pytestconfig, _target(pytestconfig).root)


@pytest.fixture(scope="session")
def npm_project(pytestconfig: pytest.Config) -> NpmProject:
    """Return a `pytest_flowhealth.probes.project.NpmProject`: what npm's own libraries know of it."""
    from pytest_flowhealth.plugin.execution.project import get_project

    return get_project(pytestconfig, _target(pytestconfig))


def _target(config: pytest.Config) -> Target:
    from pytest_flowhealth.plugin.run import RUN, Mode

    if RUN not in config.stash:
        # Used outside a check, in a suite that has none.
        from pytest_flowhealth.plugin.lifecycle import start_run

        start_run(config, Mode.MIXED)
    return config.stash[RUN].target
