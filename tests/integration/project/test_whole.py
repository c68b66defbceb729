"""The application as it should be: healthy, and quickly told."""

from __future__ import annotations

import json
import re

import pytest

from tests.kit.app import App
from tests.kit.redis import RedisServer
from tests.kit.runs import CALM, RunHealth, run_pytest

MACHINE = {
    *("dependencies.audit", "dependencies.outdated"),
    *("system.cpu", "system.load", "system.memory", "system.disk"),
    *("redis.connect", "redis.command", "redis.throughput", "redis.slowlog"),
}
"""Checks whose warning is the machine's load or the registry's affair, not the application's."""

QUICK = ("system", "package", "redis", "build", "dependencies", "configuration")


def test_whole(app: App, run_health: RunHealth) -> None:
    run = run_health(app)

    run.assert_healthy()
    assert tuple(run.health["components"]) == QUICK
    assert set(run.outcomes.values()) <= {"pass", "skip"}
    assert run.health["target"]["name"] == "shop"
    assert run.health["target"]["version"] == "1.0.0"
    assert run.out.count("HEALTHY") == 1


def test_with_the_machine_and_the_registry_as_they_are(
    app: App, run_health: RunHealth, redis: RedisServer
) -> None:
    env = {"npm_config_registry": None, "npm_config_cache": None}
    run = run_health(app, env=env, calm=False)

    causes = {reason.partition(":")[0] for reason in run.reasons}
    assert run.exit_code == (1 if causes else 0), run.text
    assert causes <= MACHINE, run.text


def test_changes_nothing_in_the_project(app: App, run_health: RunHealth) -> None:
    def listing() -> dict[str, tuple[int, float]]:
        return {
            str(path.relative_to(app.folder)): (path.stat().st_size, path.stat().st_mtime)
            for path in app.folder.rglob("*")
            if path.is_file() and ".flowhealth" not in path.parts
        }

    before = listing()
    run_health(app).assert_healthy()

    assert listing() == before


@pytest.mark.parametrize("component", QUICK)
def test_one_component(app: App, run_health: RunHealth, component: str) -> None:
    run = run_health(app, "--health-component", component)

    assert component in run.health["components"]
    assert run.exit_code == 0, run.text


def test_from_below_and_from_elsewhere(app: App, redis: RedisServer) -> None:
    calm = ",".join(limit for limit in CALM if limit.startswith("redis."))
    env = {"FLOWHEALTH_REDIS_URL": redis.url, "FLOWHEALTH_THRESHOLDS": calm}
    below = run_pytest(
        *(app.folder, "--health", "--health-component=redis"), env=env, cwd=app.folder / "src"
    )
    elsewhere = run_pytest(
        app.folder,
        *("--health", "--health-component=redis", f"--health-project={app.folder}"),
        env=env,
        cwd=app.folder.parent,
    )

    below.assert_healthy()
    elsewhere.assert_healthy()


def test_redis_url_as_the_last_resort(app: App, run_health: RunHealth, redis: RedisServer) -> None:
    env = {"FLOWHEALTH_REDIS_URL": None, "REDIS_URL": redis.url}
    run = run_health(app, "--health-component", "redis", env=env)

    run.assert_healthy()


def test_report_on_standard_output(app: App, run_health: RunHealth) -> None:
    run = run_health(app, "--health-component", "redis", "--health-report", "-")

    assert run.report == {}
    assert json.loads(run.out)["health"]["status"] == "healthy"
    assert "HEALTHY" in run.err


def test_lines_fit_80_columns_in_a_log(app: App, run_health: RunHealth) -> None:
    run = run_health(app, env={"REDIS_URL": None, "FLOWHEALTH_REDIS_URL": "redis://127.0.0.1:1"})

    assert "\x1b" not in run.out
    too_long = [line for line in run.out.splitlines() if len(line) > 80 and " " in line.strip()]
    assert too_long == []


def test_colour_where_pytest_is_told_so(app: App, run_health: RunHealth) -> None:
    run = run_health(app, "--health-component", "redis", "--color=yes")

    assert re.search("\x1b\\[[0-9;]*m", run.out)


def test_xdist(app: App, run_health: RunHealth) -> None:
    run = run_health(app, "-n", "2")

    run.assert_healthy()
    assert tuple(run.health["components"]) == QUICK
