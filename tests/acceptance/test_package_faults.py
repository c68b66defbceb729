"""package.json, node_modules and the dependencies broken in every way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from tests.acceptance.app import MANIFEST, App
from tests.acceptance.conftest import RunHealth

ONLY = ("--health-component", "package")

HOSTILE = {
    "cut off": json.dumps(MANIFEST)[:-20],
    "binary": bytes(range(256)) * 40,
    "a megabyte of brackets": "[" * 1_000_000,
    "deep objects": '{"a":' * 200_000,
    "empty": "",
    "UTF-16": json.dumps(MANIFEST).encode("utf-16"),
    "a list": "[]",
    "null": "null",
    "too big": json.dumps(MANIFEST | {"description": "x" * 6_000_000}),
    "wrong types": '{"name": 1, "version": [], "dependencies": "redis", "scripts": {"build": 2}}',
    "escapes": '{"name": "\\u001b[2J\\u0000", "dependencies": {"\\u001b]0;x\\u0007": "1"} ',
    "conflict": "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_manifest(app: App, run_health: RunHealth, content: str | bytes) -> None:
    app.write("package.json", content)

    run = run_health(app)

    run.assert_fault(
        *("package.manifest", 2, "package.json"),
        blocked=("package.node_modules", "package.dependencies", "package.lock", "build.artifacts"),
    )
    assert "\x1b" not in run.text
    assert run.status_of("redis") in {"healthy", "unknown", "unhealthy"}


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "absent"])
def test_no_file(app: App, run_health: RunHealth, kind: str) -> None:
    """Found by --health-project, because no file there says that this is a project."""
    app.remove("package.json")
    path = app.folder / "package.json"
    make: dict[str, Callable[[], object]] = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "loop": lambda: path.symlink_to("package.json"),
        "absent": lambda: None,
    }
    make[kind]()

    run = run_health(app, "--health-project", str(app.folder))

    run.assert_fault("package.manifest", 2, "package.json", blocked=("package.node_modules",))


def test_name_that_acts_on_terminals(app: App, run_health: RunHealth) -> None:
    app.manifest(name="\x1b[31m\u202e::error::evil", version="\r1\n::set-output name=x::y")

    run = run_health(app, "--health-component", "redis")

    assert "\x1b" not in run.text
    assert "\u202e" not in run.text
    assert not any(line.startswith("::") for line in run.out.splitlines())


def test_removed_dependency(app: App, run_health: RunHealth) -> None:
    app.remove("node_modules/redis")

    run = run_health(app)

    run.assert_fault("package.dependencies", 2, "redis", blocked=("package.tree",))
    assert run.check("package.dependencies")["remedy"] == "npm ci"
    assert run.status_of("redis") == "healthy"


def test_dependency_that_another_needs(app: App, run_health: RunHealth) -> None:
    app.remove("node_modules/@redis/client")

    run = run_health(app, *ONLY)

    run.assert_fault("package.dependencies", 2, "redis", "@redis/client")


def test_emptied_dependency(app: App, run_health: RunHealth) -> None:
    app.remove("node_modules/express")
    (app.folder / "node_modules/express").mkdir()

    run = run_health(app, *ONLY)

    run.assert_fault("package.dependencies", 2, "express", blocked=("package.tree",))


@pytest.mark.parametrize("file", ["index.js", "lib/express.js"])
def test_dependency_without_a_file(app: App, run_health: RunHealth, file: str) -> None:
    app.remove(f"node_modules/express/{file}")

    run = run_health(app, *ONLY)

    run.assert_fault("package.dependencies", 2, "express")


def test_dependency_that_does_not_parse(app: App, run_health: RunHealth) -> None:
    app.write("node_modules/express/index.js", "module.exports = {{{")

    run = run_health(app, *ONLY)

    run.assert_fault("package.dependencies", 2, "express")


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00\x01"])
def test_dependency_with_a_broken_manifest(app: App, run_health: RunHealth, content: str) -> None:
    app.write("node_modules/express/package.json", content)

    run = run_health(app, *ONLY)

    run.assert_fault("package.dependencies", 2, "express")


def test_dependency_out_of_its_range(app: App, run_health: RunHealth) -> None:
    path = "node_modules/express/package.json"
    told = json.loads(app.read(path)) | {"version": "3.0.0"}
    app.write(path, json.dumps(told))

    run = run_health(app, *ONLY)

    run.assert_fault("package.dependencies", 2, "express", "3.0.0", blocked=("package.tree",))


def test_deep_dependency_out_of_its_range(app: App, run_health: RunHealth) -> None:
    path = "node_modules/body-parser/package.json"
    app.write(path, json.dumps(json.loads(app.read(path)) | {"version": "0.0.1"}))

    run = run_health(app, *ONLY)

    run.assert_fault("package.tree", 2, "body-parser")


def test_no_node_modules(app: App, run_health: RunHealth) -> None:
    app.remove("node_modules")

    run = run_health(app)

    run.assert_fault(
        *("package.node_modules", 2, "node_modules"),
        blocked=("package.dependencies", "package.tree"),
    )
    assert run.check("package.node_modules")["remedy"] == "npm ci"


def test_empty_node_modules(app: App, run_health: RunHealth) -> None:
    app.remove("node_modules")
    (app.folder / "node_modules").mkdir()

    run = run_health(app, *ONLY)

    run.assert_fault("package.node_modules", 2, blocked=("package.dependencies",))


def test_file_in_the_place_of_node_modules(app: App, run_health: RunHealth) -> None:
    app.write("node_modules", "")

    run = run_health(app, *ONLY)

    run.assert_fault("package.node_modules", 2, blocked=("package.dependencies",))


def test_lock_out_of_step(app: App, run_health: RunHealth) -> None:
    names = json.loads(app.read("package.json"))["dependencies"]
    app.manifest(dependencies=names | {"express": "^4.0.0"})

    run = run_health(app, *ONLY)

    assert run.exit_code == 2
    assert run.outcomes["package.lock"] == "fail"
    assert "express" in run.check("package.lock")["message"]


@pytest.mark.parametrize("content", ["", "{", "[" * 1_000_000, "[]", "\x00\xff"])
def test_broken_lock(app: App, run_health: RunHealth, content: str) -> None:
    app.write("package-lock.json", content)

    run = run_health(app, *ONLY)

    run.assert_fault("package.lock", 2, "package-lock.json")


def test_no_lock(app: App, run_health: RunHealth) -> None:
    app.remove("package-lock.json")

    run = run_health(app, *ONLY)

    run.assert_fault("package.lock", 1, "lock file")


def test_critical_dependency_that_nobody_installed(app: App, run_health: RunHealth) -> None:
    app.configure('[package]\ncritical = ["redis", "left-pad"]\n')

    run = run_health(app, *ONLY)

    run.assert_fault("package.dependencies", 2, "left-pad")
    assert run.check("package.dependencies")["remedy"].startswith("npm install left-pad")
