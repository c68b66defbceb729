"""Dependencies that are missing, broken, out of their range, not loadable: in real folders, by real Node."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.manifest import Package, read_manifest
from pytest_flowhealth.probes import loading, package
from pytest_flowhealth.probes.package import Dependency
from tests.kit.projects import write, write_module, write_package

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def project(root: Path, **dependencies: str) -> Package:
    """Write the package.json of a project, and return the project."""
    return write_package(root, dependencies=dependencies)


WHOLE: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "CommonJS": ({"index.js": "exports.a = 1"}, {}),
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
    "an add-on for another Node": ({"index.js": "throw Object.assign(new Error('compiled against a different Node.js version using\\nNODE_MODULE_VERSION 72.'), { code: 'ERR_DLOPEN_FAILED' })"}, {}, "NODE_MODULE_VERSION 72"),
    "add-on": ({"index.js": "require('./a.node')", "a.node": "\x7fELF no library"}, {}, "ERR_DLOPEN_FAILED|invalid ELF|a.node"),
}  # fmt: skip


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dependency]:
    """Return how each package of the tables stands: all of one project, examined at once.

    Most are loaded by the same Node; each that ends its process makes another necessary.
    """
    root = tmp_path_factory.mktemp("examined")
    rows: dict[str, tuple[dict[str, str], dict[str, Any]]] = WHOLE | NOT_JUDGED
    rows |= {row: (files, manifest) for row, (files, manifest, _) in BROKEN.items()}
    names = {f"thing{number}": row for number, row in enumerate(rows)}
    for name, row in names.items():
        files, manifest = rows[row]
        write_module(root, name, files, **{"version": "1.2.3", **manifest})
    found = package.examine(project(root, **dict.fromkeys(names, "^1.0.0")), list(names))
    return {names[one.name]: one for one in found}


@pytest.mark.parametrize("row", [*WHOLE, *NOT_JUDGED])
def test_a_package_that_loads_has_no_problem_and_one_that_is_not_made_for_node_has_a_note(
    examined: dict[str, Dependency], row: str
) -> None:
    found = examined[row]
    assert (found.problem, found.version) == (None, "1.2.3")
    assert (found.note is None) is (row in WHOLE)


@pytest.mark.parametrize("row", BROKEN)
def test_a_broken_package_is_named_with_the_cause(
    examined: dict[str, Dependency], row: str
) -> None:
    found = examined[row]
    assert found.problem
    says = BROKEN[row][2].replace("thing", found.name)
    assert re.search(says, found.problem), found.problem


def test_each_problem_has_a_state_and_a_spec_without_a_range_is_not_judged_by_version(
    tmp_path: Path,
) -> None:
    """Of client-only, the entry is empty on purpose: bundlers leave it out."""
    write_module(tmp_path, "old", {"index.js": "exports.a = 1"})
    write_module(tmp_path, "throws", {"index.js": "throw 1"}, version="2.0.0")
    write_module(tmp_path, "fine", {"index.js": "exports.a = 1"}, version="2.0.0")
    write_module(tmp_path, "client-only", {"index.js": ""}, version="2.0.0")
    write(tmp_path / "node_modules/unread", {"package.json": "{"})
    states = {"gone": "missing", "old": "out of range", "throws": "broken", "unread": "broken"}
    states |= {"fine": "", "client-only": "", "a b": "named wrongly"}
    specs = dict.fromkeys(states, "^2.0.0")
    for spec in ("git+ssh://host/x.git", "latest", "npm:other@^9", "file:../x", "workspace:*"):
        name = f"unranged{len(specs)}"
        write_module(tmp_path, name, {"index.js": "exports.a = 1"}, version="0")
        states[name], specs[name] = "", spec

    found = package.examine(project(tmp_path, **specs), list(specs))

    assert {one.name: one.state for one in found} == states
    assert all((one.problem is None) is (one.state == "") for one in found)


def test_a_dependency_is_installed_by_its_own_spec(tmp_path: Path) -> None:
    specs = {"a": "^1", "b": "npm:other@^2", "c": "file:../c", "d": "git+ssh://host/d.git"}
    found = package.examine(project(tmp_path, **specs), [*specs, "e"])
    assert [one.wanted for one in found] == [
        *(f"{name}@{spec}" for name, spec in specs.items()),
        "e",
    ]


def test_what_is_no_package_folder_is_missing_or_broken(tmp_path: Path) -> None:
    modules = write(tmp_path / "node_modules", {"file": "", "deep/package.json": "[" * 1_000_000})
    (modules / "emptied").mkdir()
    (modules / "dangling").symlink_to(tmp_path / "nowhere")
    (modules / "pipe").mkdir()
    os.mkfifo(modules / "pipe/package.json")
    expected = {
        "absent": "absent is missing",
        "emptied": "package.json is not there",
        "dangling": "dangling is missing",
        "file": "file is missing",
        "pipe": "no regular file",
        "deep": "nested too deep",
        "../../etc": "no package's name",
    }

    found = package.examine(project(tmp_path, **dict.fromkeys(expected, "*")), list(expected))

    for one in found:
        assert expected[one.name] in (one.problem or "")


def test_a_package_of_pnpm_is_resolved_from_a_workspace_as_node_does(tmp_path: Path) -> None:
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


def test_each_package_has_a_state_whatever_the_others_do(tmp_path: Path) -> None:
    codes = {
        "good": "exports.a = 1",
        "later": "setImmediate(() => { throw new Error('later') }); exports.a = 1",
        "exits": "process.exit(0)",
        "hangs": "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
        "last": "exports.a = 1",
    }
    for name, code in codes.items():
        write_module(tmp_path, name, {"index.js": code})

    found = loading.load(list(codes), tmp_path, seconds=5)

    states = {one.name: one.state for one in found}
    assert list(states) == list(codes)
    assert {name: states[name] for name in ("good", "last")} == {"good": "loaded", "last": "loaded"}
    assert (states["exits"], states["hangs"]) == ("ended", "hung")


def test_an_optional_dependency_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path, dependencies={"a": "1", "b": "1"}, optionalDependencies={"b": "1"})
    assert package.dependencies_of(read_manifest(tmp_path / "package.json")) == {"a": "1"}


WITHOUT_RIGHTS = ("--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override")
"""Root's right to read everything, given away (setpriv(1), capabilities(7))."""

LOOK = """
import sys
from pathlib import Path
from pytest_flowhealth.config.manifest import Package, read_manifest
from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes import package
for root in map(Path, sys.argv[1:]):
    try:
        app = Package(root, ".", read_manifest(root / "package.json"))
        package.require_node_modules(app)
        print([one.problem for one in package.examine(app, ["thing"])])
    except FlowHealthError as error:
        print(f"{type(error).__name__}: {error.message}")
"""

CLOSED = {
    "node_modules": "CheckFailed: node_modules can't be read: Permission denied",
    "node_modules/thing": "thing is broken: package.json can't be read: Permission denied",
    "node_modules/thing/index.js": "EACCES: permission denied",
    "package.json": "CheckFailed: package.json can't be read: Permission denied",
}


def test_what_the_user_may_not_read_is_neither_empty_nor_missing(tmp_path: Path) -> None:
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root reads everything, and setpriv is not installed")
    roots = [tmp_path / str(number) for number in range(len(CLOSED))]
    for root, closed in zip(roots, CLOSED, strict=True):
        project(root, thing="^1")
        write_module(root, "thing", {"index.js": "module.exports = 1;"})
        (root / closed).chmod(0)
    without = ["setpriv", *WITHOUT_RIGHTS] if os.geteuid() == 0 else []

    argv = [*without, sys.executable, "-c", LOOK, *map(str, roots)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    for root, closed in zip(roots, CLOSED, strict=True):
        (root / closed).chmod(0o755)

    lines = done.stdout.splitlines()
    assert len(lines) == len(CLOSED), done.stderr
    for line, says in zip(lines, CLOSED.values(), strict=True):
        assert says in line
