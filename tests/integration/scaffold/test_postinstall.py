"""The post-install script and the CI matrix of examples/, with a real `npm pack` and `npm install`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import yaml

from tests.kit.runs import environment

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/postinstall"
QUIET = {
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
}
TOOLS = ("node", "npm", "sh", "sleep", "touch", "env", "cat")

Stub = str | None


class Installed(msgspec.Struct, frozen=True):
    """How an installation ended: what npm and the script printed, in which folder, how long it took."""

    returncode: int
    out: str
    folder: Path
    seconds: float


Install = Callable[..., Installed]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Return a function that packs the example and installs the archive in an empty folder.

    `stub` is what `pytest` is there: a shell script, None for no such program, "real" for ours.
    `change` edits the package's folder before it is packed.
    """
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")

    def run(
        stub: Stub = "real",
        change: Callable[[Path], object] = lambda folder: None,
        **env: str,
    ) -> Installed:
        package, user, tools = tmp_path / "package", tmp_path / "user", tmp_path / "tools"
        shutil.copytree(EXAMPLE, package, ignore=shutil.ignore_patterns("node_modules"))
        change(package)
        for folder in (user, tools, tmp_path / "tmp"):
            folder.mkdir()
        (user / "package.json").write_text('{"name": "user", "private": true}')
        # A setting of whoever installs, which must not count.
        (user / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
        _fill(tools, stub)
        variables = {
            "PATH": str(tools),
            "TMPDIR": str(tmp_path / "tmp"),
            "CI": "",
            "DO_NOT_TRACK": "",
            "PYTEST_ADDOPTS": "--nonsense",
            "POSTINSTALL_SECONDS": "120" if stub == "real" else "2",
            **QUIET,
            **env,
        }
        assert npm(package, variables, "pack", "--silent").returncode == 0
        began = time.monotonic()
        done = npm(
            user, variables, "install", "--foreground-scripts", *map(str, package.glob("*.tgz"))
        )
        seconds = time.monotonic() - began
        assert [*(tmp_path / "tmp").glob("flowhealth-*/*")] == []
        return Installed(done.returncode, done.stdout, user, seconds)

    return run


def npm(folder: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["npm", *args],
        cwd=folder,
        env=environment({}) | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


def _fill(tools: Path, stub: Stub) -> None:
    for name in TOOLS:
        (tools / name).symlink_to(shutil.which(name) or name)
    program = tools / "pytest"
    if stub is None:
        return
    if stub == "real":
        stub = f'exec {sys.executable} -m pytest "$@"'
    program.write_text(f"#!/bin/sh\n{stub}\n")
    program.chmod(0o755)


def told(done: Installed) -> list[str]:
    """Return the lines that the script printed."""
    return [line for line in done.out.splitlines() if line.startswith("greet: ")]


def test_it_is_looked_at(install: Install) -> None:
    done = install()

    assert done.returncode == 0, done.out
    assert told(done) == ["greet: installed, and healthy"]
    assert sorted(one.name for one in (done.folder / "node_modules/greet").iterdir()) == [
        "index.js",
        "package.json",
        "verify-install.cjs",
    ]
    assert not (done.folder / ".flowhealth").exists()


def _breaks(folder: Path) -> None:
    (folder / "index.js").write_text("module.exports = ;\n")


def _loses(folder: Path) -> None:
    manifest = json.loads((folder / "package.json").read_text())
    manifest["types"] = "index.d.ts"
    (folder / "package.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "says"), [(_breaks, "build.syntax"), (_loses, "build.artifacts")]
)
def test_a_broken_package_is_installed_and_told(
    install: Install, change: Callable[[Path], object], says: str
) -> None:
    done = install(change=change)

    assert done.returncode == 0
    assert told(done)[0] == "greet: installed, but unhealthy"
    assert says in told(done)[1]


@pytest.mark.parametrize(
    "stub",
    [
        None,
        f'exec {sys.executable} -m pytest -p no:flowhealth "$@"',
        "exit 70",
        "kill -SEGV $$",
        "kill -KILL $$",
        "cat /dev/zero | head -c 10000000; exit 1",
        'for one in "$@"; do case "$one" in */report.json) echo "{garbage" > "$one";; esac; done',
        'for one in "$@"; do case "$one" in */report.json) echo "{}" > "$one";; esac; done',
    ],
)
def test_what_can_not_look_says_nothing(install: Install, stub: Stub) -> None:
    done = install(stub)

    assert done.returncode == 0
    assert told(done) == []
    assert (done.folder / "node_modules/greet/index.js").is_file()


@pytest.mark.parametrize("stub", ["exec sleep 291", "trap '' INT TERM; sleep 292; sleep 292"])
def test_what_hangs_is_ended(install: Install, stub: str) -> None:
    done = install(stub)

    assert done.returncode == 0
    assert told(done) == ["greet: installed; not looked at, for pytest gave no answer within 2 s"]
    assert done.seconds < 60
    left = [one.info["cmdline"] for one in psutil.process_iter(["cmdline"])]
    assert not [one for one in left if one and one[-1] in ("291", "292")]


NOTED = 'echo "$@" > "$NOTE"'


@pytest.mark.parametrize(
    ("env", "runs"),
    [
        ({}, True),
        ({"CI": "true"}, False),
        ({"CI": "1"}, False),
        ({"CI": "false"}, True),
        ({"npm_config_ignore_scripts": "true"}, False),
        ({"DO_NOT_TRACK": "1"}, True),
    ],
)
def test_when_it_is_wanted(
    install: Install, tmp_path: Path, env: dict[str, str], runs: bool
) -> None:
    note = tmp_path / "note"
    done = install(NOTED, NOTE=str(note), **env)

    assert done.returncode == 0
    assert note.exists() == runs
    if runs:
        assert "--health-submit" not in note.read_text()


@pytest.mark.parametrize(
    ("url", "env", "sends"),
    [
        ("https://health.example.org/api/reports", {}, True),
        ("https://health.example.org/api/reports", {"DO_NOT_TRACK": "1"}, False),
        ("file:///etc/passwd", {}, False),
        ("-", {}, False),
    ],
)
def test_a_report_goes_where_the_author_says(
    install: Install, tmp_path: Path, url: str, env: dict[str, str], sends: bool
) -> None:
    def change(folder: Path) -> None:
        manifest = json.loads((folder / "package.json").read_text())
        manifest["config"] = {"flowhealth_submit": url}
        (folder / "package.json").write_text(json.dumps(manifest))

    note = tmp_path / "note"
    install(NOTED, change, NOTE=str(note), **env)

    assert (f"--health-submit {url}" in note.read_text()) == sends


def test_not_in_its_own_repository(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    tools = tmp_path / "tools"
    tools.mkdir()
    _fill(tools, NOTED)
    env = environment({"PATH": str(tools), "NOTE": str(tmp_path / "note"), "CI": "", **QUIET})
    subprocess.run(["npm", "install"], cwd=folder, env=env, check=True, timeout=300)

    assert not (tmp_path / "note").exists()


def test_a_script_that_was_not_packed_breaks_nothing(install: Install) -> None:
    def forget(folder: Path) -> None:
        manifest = json.loads((folder / "package.json").read_text())
        manifest["files"] = ["index.js"]
        (folder / "package.json").write_text(json.dumps(manifest))

    done = install(change=forget)

    assert done.returncode == 0
    assert told(done) == []


# The CI matrix


def job(name: str) -> dict[str, Any]:
    text = (ROOT / "examples/ci/verify-package.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)["jobs"][name]
    return found


def test_the_matrix_is_one() -> None:
    assert job("install")["needs"] == "pack"
    assert len(job("install")["strategy"]["matrix"]["node"]) >= 3
    steps = [*job("pack")["steps"], *job("install")["steps"]]
    assert all(("uses" in one) != ("run" in one) for one in steps)


def run_steps(name: str, folder: Path, env: dict[str, str]) -> None:
    for step in job(name)["steps"]:
        if "run" not in step or "pip install" in step["run"]:
            continue
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=folder / step.get("working-directory", "."),
            env=env, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{step['run']}\n{done.stdout}{done.stderr}"


def test_the_steps_of_the_matrix_do_what_they_say(tmp_path: Path) -> None:
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    package, machine = tmp_path / "package", tmp_path / "machine"
    shutil.copytree(EXAMPLE, package, ignore=shutil.ignore_patterns("node_modules"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = environment({"PATH": path, "CI": "true", "PACKAGE": "greet", **QUIET})
    run_steps("pack", package, env)
    machine.mkdir()
    shutil.copytree(package / "packed", machine / "packed")
    run_steps("install", machine, env)

    first = json.loads((machine / "empty/.flowhealth/report.json").read_text())["health"]
    second = json.loads((machine / "empty/package-report.json").read_text())["health"]
    outcomes = {one["id"]: one["outcome"] for one in first["checks"]}
    assert outcomes["package.dependencies"] == "pass"
    assert first["target"]["name"] == "empty"
    assert second["target"]["name"] == "greet"
    assert {one["id"]: one["outcome"] for one in second["checks"]}["build.artifacts"] == "pass"
