"""Tiers of the tests, and the real things that they share.

`tests/unit` runs in-process, `tests/integration` uses real programs, `tests/slow` takes long. A plain
run leaves `tests/slow` out; ``pytest -m slow`` or naming the folder runs it.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.plugin.demo_redis import NO_SERVER
from tests.kit.app import App, copy, install
from tests.kit.redis import RedisServer
from tests.kit.registry import RegistryFront
from tests.kit.runs import CALM, Run, RunChecks, RunHealth, run_pytest
from tests.kit.sharing import shared_folder

SLOW = Path(__file__).with_name("slow")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a shell: what the tests start would not hear Ctrl-C either.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of processes start here; without byte code each would compile the plugin anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are processors: many tests wait for what they started."""
    return (os.cpu_count() or 1) + 1


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave `tests/slow` out where neither it nor its markers are asked for."""
    if collection_path != SLOW:
        return None
    words = re.findall(r"(not\s+)?\b(?:slow|accuracy)\b", config.option.markexpr)
    named = any(
        SLOW.resolve() in (path := Path(arg.partition("::")[0]).resolve(), *path.parents)
        for arg in config.args
    )
    return None if "" in words or named else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of `tests/slow`, except those of accuracy, which run alone."""
    in_worker = hasattr(config, "workerinput")
    for item in items:
        accuracy = item.get_closest_marker("accuracy") is not None
        if accuracy and in_worker:
            item.add_marker(pytest.mark.skip(reason="runs alone: pytest -m accuracy"))
        elif SLOW in item.path.parents and not accuracy:
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Say in the last line how many tests were skipped because there is no Redis server."""
    result = yield
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    reasons = [str(report.longrepr[2]) for report in skipped if NO_SERVER in str(report.longrepr)]
    if reasons:
        sentence = reasons[0].removeprefix("Skipped: ")
        reporter.write_line(f"{len(reasons)} tests skipped: {sentence}")
    return result


@pytest.fixture
def run_checks(tmp_path: Path) -> RunChecks:
    """Return a function that writes a file of checks and runs ``pytest --health`` on it.

    The file's usual imports are there already. `files` are others to write, `path` what pytest is
    given; other named arguments are those of `run_pytest`.
    """

    def run(
        source: str,
        *args: str,
        health: bool = True,
        files: Mapping[str, str] | None = None,
        path: tuple[str, ...] = ("test_checks.py",),
        **named: object,
    ) -> Run:
        (tmp_path / "package.json").write_text('{"name": "app", "version": "1.2.3"}')
        head = "import math, os, signal, sys, time\nimport pytest\n"
        for name, text in {"test_checks.py": head + source, **(files or {})}.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        words = [*(["--health"] if health else []), *path, *args]
        return run_pytest(tmp_path, *words, **named)  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> App:
    """Return the application as installed once for all workers; tests get copies."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    return App(shared_folder(tmp_path_factory, "shop", install))


@pytest.fixture
def app(installed: App, tmp_path: Path) -> App:
    """Return a copy of the application of the test's own."""
    return copy(installed, tmp_path / "shop")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a Redis for all tests of this worker; `redis` is the same, emptied."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """Return a Redis that is well, and empty."""
    redis_server.command("FLUSHALL")
    return redis_server


@pytest.fixture(scope="session")
def registry() -> Iterator[RegistryFront]:
    """Start a registry that knows no advisory of anything in the application."""
    with RegistryFront(audit="none") as front:
        yield front


@pytest.fixture(scope="session")
def npm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty cache for npm, so that the user's own neither helps nor grows."""
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
    asked = {name for word, name in itertools.pairwise(words) if word == "--health-component"}
    # A limit of a component that is left out would be a usage error.
    chosen = [limit for limit in CALM if not asked or limit.partition(".")[0] in asked]
    return [f"--health-threshold={limit}" for limit in chosen]
