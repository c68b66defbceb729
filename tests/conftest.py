"""Tiers of the tests, and the real things that they share.

`tests/unit` runs in-process, `tests/integration` uses real programs, `tests/slow` takes long. A plain
run leaves `tests/slow` out; ``pytest -m slow`` or naming the folder runs it.
"""

from __future__ import annotations

import functools
import gc
import itertools
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from pytest_flowhealth.plugin.demo.redis import NO_SERVER
from tests.kit.app import App, copy, install, write_app
from tests.kit.redis import RedisServer
from tests.kit.registry import RegistryFront
from tests.kit.runs import CALM, Run, RunChecks, RunHealth, run_checks_in, run_pytest
from tests.kit.sharing import shared_folder

# No test judges speed: on a busy machine, any example can take longer than its usual deadline.
# The examples are the same in each run, so that a run is as good as the one before it;
# `--hypothesis-profile=default` looks for others.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")


if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.kit.browser import SharedBrowser

SLOW = Path(__file__).with_name("slow")

collect_ignore = ["kit/third_party"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a shell: what the tests start would not hear Ctrl-C either.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of processes start here; without byte code each would compile the plugin anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while collection makes what stays; that takes a fifth of its time."""
    gc.disable()
    try:
        return (yield)
    finally:
        # Not frozen: hypothesis looks for what refers to its generators of random numbers.
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return three times as many workers as processors: many tests wait for what they started."""
    return 3 * (os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Give each worker a part of the tests in a row: what a module shares starts in few of them.

    A worker that is done takes over tests of another one.
    """
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


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
    """Return the function `run_checks_in` of kit.runs for the test's own folder."""
    return functools.partial(run_checks_in, tmp_path)


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


@pytest.fixture
def bare_app(tmp_path: Path) -> App:
    """Return the application without dependencies, which costs no installation and no copy."""
    return write_app(tmp_path / "shop")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a Redis for all tests of this worker; `redis` is the same, emptied."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(redis_server: RedisServer) -> RedisServer:
    """Return a Redis that is well, and empty."""
    redis_server.command("FLUSHALL")
    redis_server.command("SLOWLOG", "RESET")
    return redis_server


@pytest.fixture(scope="session")
def breakable_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a Redis for the tests of this worker that break one; `breakable_redis` is mended."""
    with RedisServer(tmp_path_factory.mktemp("redis"), "--unixsocket", "s.sock") as server:
        yield server


@pytest.fixture
def breakable_redis(breakable_server: RedisServer) -> Iterator[RedisServer]:
    """Return a Redis for the test alone, which undoes users, settings, role, signals and a kill."""
    yield breakable_server
    breakable_server.reset()


@pytest.fixture(scope="session")
def shared_browser() -> Iterator[SharedBrowser]:
    """Start a Chromium for all tests of this worker; `browser` is the same, without pages."""
    from tests.kit.browser import SharedBrowser

    shared = SharedBrowser()
    yield shared
    shared.close()


@pytest.fixture
def browser(shared_browser: SharedBrowser) -> Iterator[Browser]:
    """Return a Chromium without pages; the contexts that the test opens are closed after it."""
    with shared_browser.borrowed() as browser:
        yield browser


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
