"""`pytest --health-init` on five unlike projects, really installed; and what `pytest --health` says then."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from pytest_flowhealth.config.decode import Decoder
from pytest_flowhealth.feedback.scaffold.plan import CHECK, FORMS, SCRIPTS, UNIT, WORKFLOW
from tests.feedback.issue_forms import problems_of
from tests.kit.registry import RegistryFront
from tests.kit.runs import CALM, Run, run_pytest
from tests.kit.runs import environment as running_environment

NPMRC = "omit-lockfile-registry-resolved=true\naudit=false\nfund=false\n"
TABS = '{\n\t"name": "plain",\n\t"version": "1.0.0",\n\t"main": "index.js",\n\t"dependencies": {\n\t\t"ms": "^2.1.3"\n\t}\n}'
TYPED = """{
  "name": "@acme/typed",
  "version": "2.0.0",
  "type": "commonjs",
  "main": "dist/index.js",
  "types": "dist/index.d.ts",
  "files": ["dist"],
  "scripts": {
    "build": "tsc -p ."
  },
  "engines": {"node": ">=20", "npm": ">=9"},
  "devDependencies": {"typescript": "5.9.3"}
}
""".replace("\n", "\r\n")
SPACES = '{"name": "spaces", "private": true, "workspaces": ["packages/*"], "scripts": {}}\n'
ESM = (
    '{\n    "name": "esm",\n    "version": "0.1.0",\n    "type": "module",\n'
    '    "exports": {".": {"import": "./src/index.js"}, "./package.json": "./package.json"},\n'
    '    "bin": {"esm": "./bin/cli.js"},\n    "dependencies": {"nanoid": "^5.1.5"}\n}\n'
)
SERVED = (
    '\ufeff{\n  "name": "served",\n  "version": "3.1.4",\n  "private": true,\n  "scripts": {\n'
    '    "start": "node server.js",\n    "monitor:health": "node my-own.js"\n  },\n'
    '  "dependencies": {\n    "ms": "^2.1.3"\n  }\n}\n'
)

PROJECTS: dict[str, dict[str, str]] = {
    "plain": {
        "package.json": TABS,
        "index.js": 'const ms = require("ms");\nmodule.exports = { day: ms("1d") };\n',
    },
    "typescript": {
        "package.json": TYPED,
        "src/index.ts": "export const twice = (one: number): number => 2 * one;\n",
        "tsconfig.json": '{"compilerOptions": {"outDir": "dist", "rootDir": "src", "declaration": true, '
        '"module": "commonjs", "types": []}, "include": ["src"]}\n',
    },
    "workspaces": {
        "package.json": SPACES,
        "packages/one/package.json": '{"name": "one", "version": "1.0.0", "main": "./lib/one.js"}\n',
        "packages/one/lib/one.js": "module.exports = 1;\n",
        "packages/two/package.json": '{"name": "two", "version": "1.0.0", "exports": "./two.mjs", '
        '"dependencies": {"one": "^1.0.0"}}\n',
        "packages/two/two.mjs": 'import one from "one";\nexport const two = one + one;\n',
    },
    "esm": {
        "package.json": ESM,
        "src/index.js": 'import { nanoid } from "nanoid";\nexport const name = () => nanoid();\n',
        "bin/cli.js": "#!/usr/bin/env node\nimport { name } from 'esm';\nconsole.log(name());\n",
    },
    "own .github": {
        "package.json": SERVED,
        "server.js": 'require("http").createServer((q, a) => a.end("ok")).listen(process.env.PORT);\n',
        "my-own.js": "",
        ".github/ISSUE_TEMPLATE/bug_report.md": "---\nname: Bug\nabout: A bug\n---\nWhat?\n",
        ".github/ISSUE_TEMPLATE/feature_request.yml": "name: Mine\n",
        ".github/workflows/ci.yml": "name: ci\non: push\njobs: {}\n",
        "flowhealth.toml": "[dependencies]\naudit = false\n",
    },
}


class Project(msgspec.Struct, frozen=True):
    """An installed project, before and after `--health-init=write`."""

    name: str
    folder: Path
    before: dict[str, bytes]

    def content(self) -> dict[str, bytes]:
        """Return the bytes of every file that is not made by npm, the build or a run."""
        made = {"node_modules", ".flowhealth", "dist", "__pycache__", ".git", ".pytest_cache"}
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not made & set(path.relative_to(self.folder).parts)
        }


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    cache = tmp_path_factory.mktemp("npm-cache")
    with RegistryFront(audit="none") as front:
        yield {"npm_config_cache": str(cache), **front.environment}


@pytest.fixture(scope="module", params=PROJECTS)
def project(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    environment: dict[str, str],
) -> Project:
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("project") / "app"
    for path, text in {**PROJECTS[request.param], ".npmrc": NPMRC}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    for command in (["npm", "install"], ["npm", "run", "build", "--if-present"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    made = Project(request.param, folder, {})
    before = made.content()
    done = run_pytest(folder, "--health-init=write", env={})
    assert done.exit_code == 0, done.text
    return msgspec.structs.replace(made, before=before)


def healthy(project: Project, environment: dict[str, str], *args: str, **more: str) -> Run:
    limits = [f"--health-threshold={one}" for one in CALM if "redis" not in one and not args]
    return run_pytest(project.folder, "--health", *limits, *args, env={**environment, **more})


def test_what_was_there_stays_byte_by_byte(project: Project) -> None:
    after = project.content()
    old, new = project.before["package.json"], after["package.json"]

    assert [path for path in project.before if after[path] != project.before[path]] == [
        "package.json"
    ]
    grown = len(new) - len(old)
    assert any(new[:at] + new[at + grown :] == old for at in range(len(old) + 1))
    decoded: dict[str, Any] = json.loads(new.decode("utf-8-sig"))
    assert decoded["scripts"].keys() >= SCRIPTS.keys()
    own = json.loads(old.decode("utf-8-sig")).get("scripts", {})
    assert decoded["scripts"] == {**own, **SCRIPTS, **own}
    assert subprocess.run(["npm", "pkg", "get", "scripts"], cwd=project.folder, check=False).returncode == 0  # fmt: skip


def test_what_is_written_is_valid(project: Project, tmp_path: Path) -> None:
    written = project.content()
    new = written.keys() - project.before.keys()

    expected = {CHECK, WORKFLOW, UNIT, *FORMS, "flowhealth.toml"}
    if project.name == "own .github":
        expected -= {"flowhealth.toml", FORMS[0], FORMS[1]}
    assert new == expected
    decoder = Decoder("flowhealth.toml")
    decoder.table(tomllib.loads(written["flowhealth.toml"].decode()))
    assert decoder.problems == []
    for path in new & set(FORMS):
        assert problems_of(yaml.safe_load(written[path])) == []
    assert yaml.safe_load(written[WORKFLOW])["jobs"]["health"]["steps"]
    compile(written[CHECK], CHECK, "exec")


def test_a_second_run_changes_nothing(project: Project) -> None:
    before = project.content()
    done = run_pytest(project.folder, "--health-init=write", env={})

    assert done.exit_code == 0
    assert "nothing to do" in done.out
    assert project.content() == before


def test_the_checks_run_at_once(project: Project, environment: dict[str, str]) -> None:
    kept = project.name == "own .github"  # its settings do not name the folder
    whole = healthy(project, environment)
    assert whole.exit_code == 0, whole.text
    run = healthy(project, environment, "health/") if kept else whole

    outcome = {one["id"]: one for one in run.health["checks"] if one["component"] == "app"}
    (own,) = outcome.values()
    if kept:
        assert own["outcome"] == "skip"
        assert "APP_URL" in own["message"]
        assert run.exit_code == 3  # the only one that was asked for
        return
    assert run.exit_code == 0, run.text
    assert own["id"] == "app.load"
    (measured,) = own["measurements"]
    assert measured["stats"]["count"] == 5
    assert 5 < measured["stats"]["min"] < 10_000
    assert own["thresholds"][0]["observed"] == measured["stats"]["median"]
    assert {"package.manifest", "build.artifacts"} <= run.outcomes.keys()


def test_a_broken_project_is_told(project: Project, environment: dict[str, str]) -> None:
    entries = {
        "plain": "index.js",
        "typescript": "dist/index.js",
        "workspaces": "packages/two/two.mjs",
        "esm": "src/index.js",
    }
    if project.name not in entries:
        pytest.skip("it is looked at through its server")
    entry = project.folder / entries[project.name]
    whole = entry.read_bytes()
    entry.write_bytes(b"throw new Error('the sky fell');\n")
    try:
        run = healthy(project, environment, "health/")
    finally:
        entry.write_bytes(whole)

    assert run.exit_code == 2
    assert "the sky fell" in run.check("app.load")["message"]


@pytest.mark.parametrize(
    ("exports", "files"),
    [
        ('{"require": "./a.cjs"}', {"a.cjs": "module.exports = 1"}),
        (
            '{".": {"import": "./a.mjs", "types": "./a.d.ts"}}',
            {"a.mjs": "export {}", "a.d.ts": "//"},
        ),
        ('["./a.mjs"]', {"a.mjs": "export {}; setInterval(() => {}, 1000)"}),
        ('{"./part": "./a.mjs"}', {"a.mjs": "export {}"}),
    ],
)
def test_ways_to_be_loaded(tmp_path: Path, exports: str, files: dict[str, str]) -> None:
    (tmp_path / "package.json").write_text(f'{{"name": "@a/b", "exports": {exports}}}')
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert run_pytest(tmp_path, "--health-init=write", env={}).exit_code == 0

    run = run_pytest(tmp_path, "--health", "health/", env={})

    parts = "part" in exports  # there is nothing to be loaded by the package's name alone
    assert [*run.outcomes.items()] == [("app.scripts", "skip") if parts else ("app.load", "pass")], run.text  # fmt: skip


def test_the_scripts_and_the_job_do_what_they_say(
    project: Project, environment: dict[str, str]
) -> None:
    if project.name != "plain":
        pytest.skip("one of them will do")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    limits = ",".join(one for one in CALM if "redis" not in one)
    env = running_environment({**environment, "PATH": path, "FLOWHEALTH_THRESHOLDS": limits})
    steps = yaml.safe_load((project.folder / WORKFLOW).read_text())["jobs"]["health"]["steps"]
    commands = [one["run"] for one in steps if "run" in one and "pip install" not in one["run"]]
    if "github" not in {one.name for one in entry_points(group="pytest_flowhealth.formats")}:
        commands.pop()
    for command in (*commands, "npm run monitor:health", "npm run monitor:performance"):
        done = subprocess.run(
            ["bash", "-e", "-c", command], cwd=project.folder, env=env, capture_output=True, text=True, check=False, timeout=300
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert (project.folder / ".flowhealth/history.db").is_file()


@pytest.fixture
def answering() -> Iterator[Callable[[int], str]]:
    """Return a function that starts a server with that status, and returns its address."""
    servers = []

    def start(status: int) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 2), (None, 2)])
def test_a_server_is_asked(
    tmp_path: Path, answering: Callable[[int], str], status: int | None, code: int
) -> None:
    (tmp_path / "package.json").write_text('{"name": "a", "scripts": {"start": "node server.js"}}')
    assert run_pytest(tmp_path, "--health-init=write", env={}).exit_code == 0
    url = answering(status) if status else "http://127.0.0.1:1/"

    run = run_pytest(tmp_path, "--health", "health/", env={"APP_URL": url})

    assert run.exit_code == code, run.text
    one = run.check("app.response")
    if status == 200:
        assert one["measurements"][0]["stats"]["count"] == 20
    else:
        assert ("503" if status else "nothing answers") in one["message"]
        assert one["measurements"] == []


@pytest.mark.parametrize(
    ("first", "code"),
    [("#!/usr/bin/env node\n", 0), ("#!/usr/bin/env node\r\n", 2), ("", 2), ("#!/bin/sh\n", 2)],
)
def test_a_command_is_looked_at(tmp_path: Path, first: str, code: int) -> None:
    (tmp_path / "package.json").write_text('{"name": "a", "bin": {"a": "cli.js"}}')
    (tmp_path / "cli.js").write_bytes(f"{first}console.log(1)\n".encode())
    assert run_pytest(tmp_path, "--health-init=write", env={}).exit_code == 0

    run = run_pytest(tmp_path, "--health", "health/", env={})

    assert (run.exit_code, [*run.outcomes]) == (code, ["app.commands"]), run.text


def test_scripts_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(
        '{"scripts": {"seed": "FAST=1 node tools/seed.js --all"}}'
    )
    assert run_pytest(tmp_path, "--health-init=write", env={}).exit_code == 0

    absent = run_pytest(tmp_path, "--health", "health/", env={})
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/seed.js").write_text("")
    there = run_pytest(tmp_path, "--health", "health/", env={})

    assert (absent.exit_code, there.exit_code) == (2, 0)
    assert "tools/seed.js, which is not there" in absent.check("app.scripts")["message"]
