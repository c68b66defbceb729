"""The fixtures of this plugin. Each imports what it needs when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flowhealth.config.target import Target
    from pytest_flowhealth.plugin.execution.fixture import Health
    from pytest_flowhealth.plugin.wasm_benchmark import WasmBenchmark
    from pytest_flowhealth.probes.project import NpmProject


@pytest.fixture
def health(request: pytest.FixtureRequest) -> Health:
    """Record measurements, warnings and details for the current check.

    See `pytest_flowhealth.Health`: measure, warn, detail, remedy, depends_on, not_applicable.
    """
    from pytest_flowhealth.plugin.execution.fixture import make_health

    return make_health(request.node)


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """The npm project that is checked, with its configuration: a `pytest_flowhealth.Target`."""
    return _target(pytestconfig)


@pytest.fixture(scope="session")
def wasm_benchmark(pytestconfig: pytest.Config) -> WasmBenchmark:
    """Measure a WebAssembly module against JavaScript: see `WasmBenchmark.__call__`."""
    from pytest_flowhealth.plugin.wasm_benchmark import benchmark_of

    return benchmark_of(pytestconfig, _target(pytestconfig).root)


@pytest.fixture(scope="session")
def npm_project(pytestconfig: pytest.Config) -> Iterator[NpmProject]:
    """Ask npm's own libraries about the project: a `pytest_flowhealth.probes.project.NpmProject`."""
    from pytest_flowhealth.probes.project import NpmProject

    project = NpmProject(_target(pytestconfig).root)
    yield project
    project.close()


def _target(config: pytest.Config) -> Target:
    from pytest_flowhealth.plugin.run import RUN, Mode

    if RUN not in config.stash:
        # Used outside a check, in a suite that has none.
        from pytest_flowhealth.plugin.lifecycle import start_run

        start_run(config, Mode.MIXED)
    return config.stash[RUN].target
