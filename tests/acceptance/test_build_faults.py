"""What the build promises, broken in every way; the same of artifacts that package.json promises."""

from __future__ import annotations

import os

import pytest

from tests.kit.app import App
from tests.kit.runs import RunHealth

ONLY = ("--health-component", "build")


@pytest.fixture
def app(app: App) -> App:
    """Return an application with a build: dist/index.js is promised."""
    app.manifest(main="dist/index.js", scripts={"build": "cp -r src dist"})
    app.write("dist/index.js", app.read("src/index.js"))
    return app


def test_whole(app: App, run_health: RunHealth) -> None:
    run_health(app, *ONLY).assert_healthy()


def test_missing(app: App, run_health: RunHealth) -> None:
    app.remove("dist/index.js")

    run = run_health(app)

    run.assert_fault("build.artifacts", 2, "dist/index.js", blocked=("build.syntax", "build.fresh"))
    assert run.check("build.artifacts")["remedy"] == "npm run build"


def test_empty(app: App, run_health: RunHealth) -> None:
    app.write("dist/index.js", "")

    run = run_health(app, *ONLY)

    run.assert_fault("build.artifacts", 2, "dist/index.js", "empty", blocked=("build.syntax",))


@pytest.mark.parametrize("kind", ["pipe", "loop", "outside"])
def test_not_a_file(app: App, run_health: RunHealth, kind: str) -> None:
    app.remove("dist/index.js")
    path = app.folder / "dist/index.js"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("index.js" if kind == "loop" else "/etc/passwd")

    run = run_health(app, *ONLY)

    run.assert_fault("build.artifacts", 2, "dist/index.js")
    assert "root:" not in run.text


@pytest.mark.parametrize(
    "content",
    ["const = 1;\n", b"\x00\xff\x17\x1b[2J" * 99, "import x from 'y';;{{"],
    ids=["syntax", "binary", "module"],
)
def test_unparseable(app: App, run_health: RunHealth, content: str | bytes) -> None:
    app.write("dist/index.js", content)

    run = run_health(app, *ONLY)

    run.assert_fault("build.syntax", 2, "dist/index.js")
    assert "\x1b" not in run.text


def test_beyond_what_node_can_parse(app: App, run_health: RunHealth) -> None:
    """Node gives up, so nobody knows whether it would parse."""
    app.write("dist/index.js", "(" * 100_000)

    run = run_health(app, *ONLY)

    run.assert_fault("build.syntax", 3, "dist/index.js")


def test_older_than_its_source(app: App, run_health: RunHealth) -> None:
    os.utime(app.folder / "dist/index.js", (1_000_000_000, 1_000_000_000))

    run = run_health(app, *ONLY)

    run.assert_fault("build.fresh", 1, "dist/index.js", "src/")


def test_configured_artifacts(app: App, run_health: RunHealth) -> None:
    app.configure('[build]\nartifacts = ["dist/index.js", "dist/no.js"]\n')

    run = run_health(app, *ONLY)

    run.assert_fault("build.artifacts", 2, "dist/no.js")


@pytest.mark.parametrize(
    "fields",
    [
        {"bin": "cli.js"},
        {"bin": {"shop": "bin/cli.js"}},
        {"exports": {".": {"import": "./dist/index.mjs", "require": "./dist/index.js"}}},
        {"types": "dist/index.d.ts"},
    ],
    ids=["bin", "bin by name", "exports", "types"],
)
def test_promised_elsewhere(app: App, run_health: RunHealth, fields: dict[str, object]) -> None:
    app.manifest(**fields)

    run = run_health(app, *ONLY)

    run.assert_fault("build.artifacts", 2, blocked=("build.syntax",))
