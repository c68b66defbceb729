"""Dependencies that are missing, broken, out of their range, not loadable: in real folders, by real Node."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_flowhealth.config.manifest import Package, read_manifest
from pytest_flowhealth.errors import NotApplicable, ProbeError
from pytest_flowhealth.probes import loading, package
from pytest_flowhealth.probes.package import Dependency


def write(folder: Path, files: Mapping[str, str], **manifest: Any) -> Path:
    """Write a package's folder: its package.json and `files`."""
    for name, content in {"package.json": json.dumps(manifest), **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def project(root: Path, **dependencies: str) -> Package:
    """Write the package.json of a project, and return the project."""
    write(root, {}, name="app", version="1.0.0", dependencies=dependencies)
    return Package(root, ".", read_manifest(root / "package.json"))


def one(root: Path, files: Mapping[str, str], **manifest: Any) -> Dependency:
    """Return how a dependency stands whose folder has `files`."""
    write(root / "node_modules/thing", files, **{"name": "thing", "version": "1.2.3", **manifest})
    (found,) = package.examine(project(root, thing="^1.0.0"), ["thing"])
    return found


WHOLE: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "CommonJS": ({"index.js": "exports.a = 1"}, {}),
    "a function": ({"index.js": "module.exports = () => 1"}, {}),
    "a main folder": ({"lib/index.js": "exports.a = 1"}, {"main": "lib"}),
    "ESM": ({"m.js": "export const a = 1"}, {"type": "module", "exports": {"import": "./m.js"}}),
    "nothing on purpose": ({"index.js": "globalThis.thing = 1"}, {}),
    "a timer": ({"index.js": "exports.a = setInterval(() => 1, 1000)"}, {}),
    "noise": ({"index.js": "process.stdout.write('no newline'); exports.a = 1"}, {}),
    "unread engines": ({"index.js": "exports.a = 1"}, {"engines": ["node"], "bin": 5}),
}

NOT_JUDGED: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "types": ({"index.d.ts": "export {}"}, {"types": "index.d.ts", "main": ""}),
    "types as main": ({"index.d.ts": "export {}"}, {"main": "index.d.ts"}),
    "assets": ({"a.css": "a {}"}, {}),
    "a style sheet": ({"a.css": "a {}"}, {"main": "a.css"}),
    "for bundlers": ({"esm/a.js": "export {}"}, {"module": "esm/a.js"}),
    "a command": ({"cli.js": "1"}, {"bin": "cli.js"}),
    "a command with types": (
        {"cli.js": "1", "types.d.ts": "export {}"},
        {
            "bin": "cli.js",
            "main": "./cli.js",
            "exports": {".": {"types": "./types.d.ts", "default": "./types.js"}},
        },
    ),
    "assets and a tool": ({"a.css": "a {}", "gulpfile.js": "1"}, {}),
    "no dot": ({"a.js": "exports.a = 1"}, {"exports": {"./a": "./a.js"}}),
    "for browsers": ({"index.js": "exports.a = window.document"}, {}),
    "for browsers, deeper": ({"index.js": "class A extends HTMLElement {}"}, {}),
}

BROKEN: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "empty entry": ({"index.js": ""}, {}, "entry file is empty"),
    "empty ESM entry": ({"m.js": ""}, {"exports": {"import": "./m.js"}, "type": "module"}, "m.js is empty"),
    "empty inner file": ({"index.js": "module.exports = require('./lib/a')", "lib/a.js": ""}, {}, "lib/a.js is empty"),
    "entry gone": ({"a.js": ""}, {"main": "index.js"}, "can't be loaded"),
    "index gone": ({"lib/a.js": "exports.a = 1"}, {}, "can't be loaded"),
    "only package.json": ({}, {}, "can't be loaded"),
    "a command gone": ({"a.js": "1"}, {"bin": "cli.js", "main": "cli.js", "exports": "./cli.js"}, "can't be loaded"),
    "an entry gone beside a command": ({"cli.js": "1"}, {"bin": "cli.js", "main": "a.js", "exports": "./a.js"}, "can't be loaded"),
    "not JavaScript": ({"index.js": "}{"}, {}, "SyntaxError"),
    "throws": ({"index.js": "throw new TypeError('not today')"}, {}, "TypeError: not today"),
    "throws nothing": ({"index.js": "throw undefined"}, {}, "undefined"),
    "not a browser's": ({"index.js": "exports.a = flux"}, {}, "flux is not defined"),
    "its own missing": ({"index.js": "require('./lib/b')", "lib/b.js": "require('gone')"}, {}, r"Cannot find module 'gone', asked for by node_modules/thing/lib/b\.js"),
    "its own missing, ESM": ({"m.js": "import 'gone'"}, {"exports": "./m.js", "type": "module"}, r"Cannot find package 'gone' imported from node_modules/thing/m\.js"),
    "ends the process": ({"index.js": "process.exit(7)"}, {}, "ended the process with code 7"),
    "kills": ({"index.js": "process.kill(process.pid, 'SIGKILL')"}, {}, "by signal 9"),
    "waits for ever": ({"m.mjs": "await new Promise(() => {})"}, {"main": "m.mjs"}, "waits at its top level"),
    "another range": ({"index.js": "exports.a = 1"}, {"version": "2.0.0"}, r"thing 2\.0\.0 is outside its range \^1"),
    "no version": ({"index.js": "exports.a = 1"}, {"version": None}, "no version"),
    "no true version": ({"index.js": "exports.a = 1"}, {"version": "one"}, "'one' is none"),
    "add-on": ({"index.js": "require('./a.node')", "a.node": "\x7fELF no library"}, {}, "ERR_DLOPEN_FAILED|invalid ELF|a.node"),
}  # fmt: skip


@pytest.mark.parametrize("row", WHOLE)
def test_whole(tmp_path: Path, row: str) -> None:
    files, manifest = WHOLE[row]
    found = one(tmp_path, files, **manifest)
    assert (found.problem, found.note, found.version) == (None, None, "1.2.3")


@pytest.mark.parametrize("row", NOT_JUDGED)
def test_not_judged_and_said_so(tmp_path: Path, row: str) -> None:
    files, manifest = NOT_JUDGED[row]
    found = one(tmp_path, files, **manifest)
    assert found.problem is None
    assert found.note


@pytest.mark.parametrize("row", BROKEN)
def test_broken(tmp_path: Path, row: str) -> None:
    files, manifest, problem = BROKEN[row]
    found = one(tmp_path, files, **manifest)
    assert found.problem
    assert re.search(problem, found.problem), found.problem


def test_published_empty(tmp_path: Path) -> None:
    """A package that is there to be left out by bundlers."""
    name = "client-only"
    write(tmp_path / "node_modules" / name, {"index.js": ""}, name=name, version="0.0.1")
    (found,) = package.examine(project(tmp_path, **{name: "^0.0.1"}), [name])
    assert found.problem is None


STATES = {
    "gone": "missing",
    "old": "out of range",
    "throws": "broken",
    "unread": "broken",
    "fine": "",
    "a b": "named wrongly",
}


def test_states(tmp_path: Path) -> None:
    """They decide on what mends a package."""
    modules = tmp_path / "node_modules"
    write(modules / "old", {"index.js": "exports.a = 1"}, name="old", version="1.0.0")
    write(modules / "throws", {"index.js": "throw 1"}, name="throws", version="2.0.0")
    write(modules / "fine", {"index.js": "exports.a = 1"}, name="fine", version="2.0.0")
    write(modules / "unread", {}, name="unread")
    (modules / "unread/package.json").write_text("{")

    found = package.examine(project(tmp_path, **dict.fromkeys(STATES, "^2.0.0")), list(STATES))

    assert {one.name: one.state for one in found} == STATES
    assert all((one.problem is None) is (one.state == "") for one in found)


def test_what_to_install(tmp_path: Path) -> None:
    specs = {"a": "^1", "b": "npm:other@^2", "c": "file:../c", "d": "git+ssh://host/d.git"}
    found = package.examine(project(tmp_path, **specs), [*specs, "e"])
    assert [one.wanted for one in found] == [
        *(f"{name}@{spec}" for name, spec in specs.items()),
        "e",
    ]


def test_missing_emptied_and_dangling(tmp_path: Path) -> None:
    modules = tmp_path / "node_modules"
    (modules / "emptied").mkdir(parents=True)
    (modules / "dangling").symlink_to(tmp_path / "nowhere")
    (modules / "file").write_text("")
    (modules / "pipe").mkdir()
    os.mkfifo(modules / "pipe/package.json")
    (modules / "deep").mkdir()
    (modules / "deep/package.json").write_text("[" * 1_000_000)
    names = ["absent", "emptied", "dangling", "file", "pipe", "deep", "../../etc"]

    found = package.examine(project(tmp_path, **dict.fromkeys(names, "*")), names)

    said = [one.problem or "" for one in found]
    assert said[0] == "absent is missing"
    assert "package.json is not there" in said[1]
    assert said[2:4] == ["dangling is missing", "file is missing"]
    assert "no regular file" in said[4]
    assert "nested too deep" in said[5]
    assert "no package's name" in said[6]


def test_specs_without_a_range_are_not_judged_by_version(tmp_path: Path) -> None:
    specs = {"git": "git+ssh://host/x.git", "tag": "latest", "alias": "npm:other@^9", "file": "file:../x", "ws": "workspace:*"}  # fmt: skip
    for name in specs:
        write(
            tmp_path / "node_modules" / name, {"index.js": "exports.a = 1"}, name=name, version="0"
        )

    found = package.examine(project(tmp_path, **specs), list(specs))

    assert [one.problem for one in found] == [None] * len(specs)


def test_what_package_json_does_not_name(tmp_path: Path) -> None:
    (found,) = package.examine(project(tmp_path), ["redis"])
    assert (found.problem, found.spec, found.wanted) == ("redis is missing", None, "redis")


def test_pnpm_and_workspaces_are_resolved_as_node_does(tmp_path: Path) -> None:
    store = tmp_path / "node_modules/.pnpm/thing@1.0.0/node_modules"
    write(
        store / "thing",
        {"index.js": "exports.a = require('inner').a"},
        name="thing",
        version="1.0.0",
    )
    write(store / "inner", {"index.js": "exports.a = 1"}, name="inner", version="1.0.0")
    (tmp_path / "node_modules/thing").symlink_to(store / "thing")
    nested = project(tmp_path / "packages/a", thing="^1.0.0")

    (found,) = package.examine(nested, ["thing"])

    assert (found.problem, found.version) == (None, "1.0.0")
    assert package.require_node_modules(nested) == tmp_path / "node_modules"


def test_each_is_told_of_whatever_the_others_do(tmp_path: Path) -> None:
    codes = {
        "good": "exports.a = 1",
        "later": "setImmediate(() => { throw new Error('later') }); exports.a = 1",
        "exits": "process.exit(0)",
        "hangs": "for (;;);",
        "last": "exports.a = 1",
    }
    for name, code in codes.items():
        write(tmp_path / "node_modules" / name, {"index.js": code}, name=name, version="1.0.0")

    found = loading.load(list(codes), tmp_path, seconds=5)

    states = {one.name: one.state for one in found}
    assert list(states) == list(codes)
    assert {name: states[name] for name in ("good", "last")} == {"good": "loaded", "last": "loaded"}
    assert (states["exits"], states["hangs"]) == ("ended", "hung")


def test_an_add_on_for_another_node(tmp_path: Path) -> None:
    code = "throw Object.assign(new Error('compiled against a different Node.js version using\\nNODE_MODULE_VERSION 72.\\nThis one requires\\n115.'), { code: 'ERR_DLOPEN_FAILED' })"
    found = one(tmp_path, {"index.js": code})
    assert "NODE_MODULE_VERSION 72" in (found.problem or "")


def test_no_node_modules(tmp_path: Path) -> None:
    app = project(tmp_path, thing="^1")
    with pytest.raises(ProbeError, match="is not there"):
        package.require_node_modules(app)
    (tmp_path / "node_modules/.bin").mkdir(parents=True)
    with pytest.raises(ProbeError, match="is empty"):
        package.require_node_modules(app)
    (tmp_path / ".pnp.cjs").write_text("")
    with pytest.raises(NotApplicable, match="Plug'n'Play"):
        package.require_node_modules(app)


@pytest.mark.parametrize(
    "script", ["exec sleep 600", "sleep 600 & echo $! >> pids; exec sleep 600"]
)
def test_a_node_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "bin/node"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho $$ >> pids\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    found = loading.load(["a", "b"], tmp_path, seconds=0.5)

    assert [one.state for one in found] == ["hung", "hung"]
    ids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(ids) == 3 * (1 + script.count("&"))
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


def test_no_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "node_modules/thing", {"index.js": ""}, name="thing", version="1.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProbeError, match="no `node` on the PATH"):
        package.examine(project(tmp_path, thing="^1"), ["thing"])


def test_optional_ones_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path, {}, dependencies={"a": "1", "b": "1"}, optionalDependencies={"b": "1"})
    assert package.dependencies_of(read_manifest(tmp_path / "package.json")) == {"a": "1"}
