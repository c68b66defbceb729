"""Fixtures of the acceptance tests: an installed application, a Redis, a registry, the command."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.acceptance.app import App, copy, install
from tests.acceptance.running import CALM, Run, run_pytest
from tests.redis_servers import RedisServer
from tests.registry import RegistryFront

OPTION = "--health-component"


class RunHealth(Protocol):
    """Runs `pytest --health ARGS` in the application's folder.

    `env` are variables besides those that name the Redis and the registry.
    `calm` raises the machine's own limits, so that its load is no reason.
    """

    def __call__(
        self,
        app: App,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        calm: bool = True,
    ) -> Run: ...


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> App:
    """Return the application as installed once; tests get copies."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    return install(tmp_path_factory.mktemp("installed") / "shop")


@pytest.fixture
def app(installed: App, tmp_path: Path) -> App:
    """Return a copy of the application of the test's own."""
    return copy(installed, tmp_path / "shop")


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a Redis that is well."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def registry() -> Iterator[RegistryFront]:
    """Start a registry that knows no advisory of anything in the application."""
    with RegistryFront(audit="none") as front:
        yield front


@pytest.fixture(scope="session")
def npm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache for npm, so that the user's own neither helps nor grows."""
    return tmp_path_factory.mktemp("npm-cache")


@pytest.fixture
def run_health(redis: RedisServer, registry: RegistryFront, npm_cache: Path) -> RunHealth:
    """Return the function that runs the command; Redis and registry are well unless `env` says."""

    def run(
        app: App,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        calm: bool = True,
    ) -> Run:
        limits = _calm(args) if calm else []
        variables = {
            "FLOWHEALTH_REDIS_URL": redis.url,
            "npm_config_cache": str(npm_cache),
            **registry.environment,
        }
        return run_pytest(app.folder, "--health", *limits, *args, env={**variables, **(env or {})})

    return run


def _calm(args: tuple[str, ...]) -> list[str]:
    """Return the options for `CALM`, those of the components that are asked for."""
    words = " ".join(args).replace("=", " ").split()
    asked = {name for word, name in itertools.pairwise(words) if word == OPTION}
    # A limit of a component that is left out would be a usage error.
    chosen = [limit for limit in CALM if not asked or limit.partition(".")[0] in asked]
    return [f"--health-threshold={limit}" for limit in chosen]
