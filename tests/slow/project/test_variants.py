"""Node and npm: too old, missing, hanging, talking nonsense."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.kit.app import App
from tests.kit.runs import RunHealth

NEED_NODE = ("system.npm", "build.syntax", "package.dependencies", "dependencies.audit")


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """Return a folder with the programs that scripts need, but neither node nor npm."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "env", "cat", "sleep", "dirname", "uname", "sed"):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


def real(folder: Path, name: str) -> None:
    """Put the machine's program into `folder`."""
    found = shutil.which(name)
    assert found, name
    (folder / name).symlink_to(found)


def script(folder: Path, name: str, body: str) -> None:
    """Put a shell script into `folder`."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


def test_node_too_old(app: App, run_health: RunHealth, bin_folder: Path) -> None:
    """By a shim that tells an old version, and is the real one for the rest."""
    node = shutil.which("node")
    script(bin_folder, "node", f'[ "$*" = --version ] && echo v16.20.2 || exec {node} "$@"')
    real(bin_folder, "npm")

    run = run_health(app, env={"PATH": str(bin_folder)})

    run.assert_fault("system.node", 2, "16.20.2", ">=20", "engines.node")
    assert run.check("system.node")["remedy"] == "nvm install 22"


def test_no_node(app: App, run_health: RunHealth, bin_folder: Path) -> None:
    real(bin_folder, "npm")

    run = run_health(app, env={"PATH": str(bin_folder)})

    run.assert_fault("system.node", 2, "there is no `node`", blocked=NEED_NODE)
    assert run.status_of("redis") == "healthy"


def test_neither_node_nor_npm(app: App, run_health: RunHealth, bin_folder: Path) -> None:
    run = run_health(app, env={"PATH": str(bin_folder)})

    run.assert_fault("system.node", 2, "there is no `node`", blocked=NEED_NODE)


def test_no_npm(app: App, run_health: RunHealth, bin_folder: Path) -> None:
    real(bin_folder, "node")

    run = run_health(app, env={"PATH": str(bin_folder)})

    run.assert_fault(
        *("system.npm", 2, "there is no `npm`"),
        blocked=("dependencies.audit", "dependencies.outdated", "package.tree"),
    )
    assert run.outcomes["build.syntax"] == "pass"


def test_npm_too_old(app: App, run_health: RunHealth) -> None:
    app.manifest(engines={"node": ">=20", "npm": ">=99"})

    run = run_health(app)

    run.assert_fault("system.npm", 2, ">=99", "engines.npm")


def test_range_that_is_none(app: App, run_health: RunHealth) -> None:
    app.manifest(engines={"node": "the newest \x1b[31m"})

    run = run_health(app, "--health-component", "system")

    run.assert_fault("system.node", 2, "engines.node")
    assert "\x1b" not in run.text


@pytest.mark.parametrize(
    "body",
    ["exit 1", "echo", "echo vNext", "kill -9 $$", "head -c 100000000 /dev/zero", "echo v22"],
    ids=["fails", "silent", "words", "killed", "endless", "incomplete"],
)
def test_node_that_is_none(app: App, run_health: RunHealth, bin_folder: Path, body: str) -> None:
    script(bin_folder, "node", body)
    real(bin_folder, "npm")
    real(bin_folder, "head")

    run = run_health(app, env={"PATH": str(bin_folder)})

    assert run.exit_code in {2, 3}, run.text
    assert run.reasons[0].startswith("system.node: ")
    assert run.check("system.node")["remedy"]


def test_node_that_hangs(app: App, run_health: RunHealth, bin_folder: Path) -> None:
    script(bin_folder, "node", "sleep 600")
    real(bin_folder, "npm")

    run = run_health(app, env={"PATH": str(bin_folder)})

    assert run.exit_code in {2, 3}, run.text
    assert run.reasons[0].startswith("system.node: ")
