"""package.json, node_modules and the dependencies broken in every way."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from tests.kit.app import MANIFEST, App
from tests.kit.runs import RunHealth

ONLY = ("--health-component", "package")
INNER = "node_modules/iconv-lite/encodings/internal.js"
"""A file of a package that only body-parser needs, which loads it at its first request."""

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


@pytest.fixture(scope="session")
def archives() -> Mapping[str, str]:
    """The variable that names npm's cache, which has the archives of what was installed."""
    argv = ["npm", "config", "get", "cache"]
    told = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    return {"npm_config_cache": told.stdout.strip()}


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


def test_as_published(app: App, run_health: RunHealth, archives: Mapping[str, str]) -> None:
    run = run_health(app, *ONLY, env=archives)

    run.assert_healthy()
    details = run.check("package.files")["details"]
    assert details["compared"] > 50
    assert details["not_compared"] == 0


def test_emptied_package_that_another_needs(
    app: App, run_health: RunHealth, archives: Mapping[str, str]
) -> None:
    for path in (app.folder / "node_modules/body-parser").rglob("*.js"):
        app.write(str(path.relative_to(app.folder)), "")

    run = run_health(app, *ONLY, env=archives)

    run.assert_fault("package.files", 2, "node_modules/body-parser: ", "is empty")
    assert run.check("package.files")["remedy"] == "npm ci"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda app: app.write(INNER, ""), "is empty"),
        (lambda app: app.remove(INNER), "is missing"),
        (lambda app: app.write(INNER, app.read(INNER)[:1_000]), "is cut off"),
        (lambda app: app.write(INNER, "}" + app.read(INNER)), "does not parse"),
        (lambda app: app.write(INNER, bytes(len(app.read(INNER)))), "has zero bytes"),
    ],
    ids=["emptied", "deleted", "cut off", "does not parse", "zeroed"],
)
def test_inner_file_of_a_package_that_another_needs(
    app: App,
    run_health: RunHealth,
    archives: Mapping[str, str],
    fault: Callable[[App], object],
    says: str,
) -> None:
    fault(app)

    run = run_health(app, *ONLY, env=archives)

    run.assert_fault("package.files", 2, "node_modules/iconv-lite: encodings/internal.js", says)


def test_altered_file(app: App, run_health: RunHealth, archives: Mapping[str, str]) -> None:
    """It may work, and be meant; but it is not what others have."""
    app.write(INNER, f"// {app.read(INNER)}")

    run = run_health(app, *ONLY, env=archives)

    run.assert_fault("package.files", 1, "encodings/internal.js was altered")


def test_without_archives(app: App, run_health: RunHealth) -> None:
    """As in an image for production; an entry file that is empty is told of all the same."""
    run = run_health(app, *ONLY)
    run.assert_healthy()
    assert "npm's cache has no archive" in run.check("package.files")["message"]

    app.write("node_modules/body-parser/index.js", "")
    run = run_health(app, *ONLY)

    run.assert_fault("package.files", 1, "body-parser/index.js is empty", "no longer holds")


@pytest.mark.parametrize(("lock", "remedy"), [(True, "npm ci"), (False, "rm -r node_modules")])
def test_the_remedy_mends(
    installed: App,
    tmp_path: Path,
    run_health: RunHealth,
    archives: Mapping[str, str],
    lock: bool,
    remedy: str,
) -> None:
    """Also where there is no lock file: `npm install` alone leaves be what is there."""
    # No hard links here: npm writes its notes into the files that are there.
    app = App(Path(shutil.copytree(installed.folder, tmp_path / "shop", symlinks=True)))
    app.write(INNER, "")
    if not lock:
        app.remove("package-lock.json")
    told = run_health(app, *ONLY, env=archives).check("package.files")["remedy"]
    assert told.startswith(remedy)

    subprocess.run(told, shell=True, cwd=app.folder, check=True, capture_output=True, timeout=300)

    run_health(app, *ONLY, env=archives).assert_healthy()


def test_an_npm_that_tells_nothing(app: App, run_health: RunHealth, tmp_path: Path) -> None:
    run = run_health(app, *ONLY, env=shim(tmp_path, "npm", "echo '{}'"))

    assert run.exit_code == 3, run.text
    assert run.outcomes["package.tree"] == "unknown"
    assert "could not tell" in run.check("package.tree")["message"]


@pytest.mark.parametrize("name", ["npm", "node"])
def test_a_program_that_hangs(app: App, run_health: RunHealth, tmp_path: Path, name: str) -> None:
    """Ended with the child that keeps its pipe, and told."""
    note = tmp_path / "pids"
    script = f"echo $$ >> {note}; sleep 600 & echo $! >> {note}; exec sleep 600"

    run = run_health(app, "--health-component", "system", env=shim(tmp_path, name, script))

    assert run.outcomes[f"system.{name}"] in {"fail", "unknown"}
    assert "gave no answer within" in run.check(f"system.{name}")["message"]
    ids = [int(line) for line in note.read_text().split()]
    assert len(ids) >= 2
    end = time.monotonic() + 20
    while time.monotonic() < end and any(map(runs, ids)):
        time.sleep(0.05)
    assert not any(map(runs, ids))


def runs(process: int) -> bool:
    """Tell whether a process runs."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def shim(folder: Path, name: str, script: str) -> dict[str, str]:
    """Return the PATH with a shell script in the place of a program."""
    program = folder / "shim" / name
    program.parent.mkdir()
    answer = f'[ "$1" = --version ] && exec {shutil.which(name)} --version\n'
    program.write_text(f"#!/bin/sh\n{'' if 'sleep' in script else answer}{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


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


@pytest.mark.parametrize(
    "name", ["-g", "--prefix=x", "$(touch y)", "a;touch y", "../../out", "a b"]
)
def test_name_that_acts_on_shells(app: App, run_health: RunHealth, name: str) -> None:
    """Typing the remedy does nothing but to install."""
    names = json.loads(app.read("package.json"))["dependencies"]
    app.manifest(dependencies=names | {name: "^1.0.0"})

    run = run_health(app, *ONLY)

    run.assert_fault("package.dependencies", 2, name)
    remedy = str(run.check("package.dependencies")["remedy"])
    typed = shlex.join(["npm", "install", "--", f"{name}@^1.0.0"])
    assert remedy in {"mend the name in package.json", typed}
