"""The checks of the package: which outcome, message and remedy each finding has."""

import json
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pytest_flowhealth.probes.installed import Comparison, Fault
from pytest_flowhealth.probes.npm import Tree
from pytest_flowhealth.probes.package import Dependency

from checks import test_package as checks
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import write, write_module, write_package

SPECS = {"redis": "^5.0.0", "express": "^5.0.0"}


def lock(root: Path, **specs: str) -> None:
    entries = {"": {"dependencies": specs}}
    write(root, {"package-lock.json": json.dumps({"lockfileVersion": 3, "packages": entries})})


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return a project with two dependencies, both installed, in step with its lock file."""
    write_package(tmp_path, dependencies=SPECS)
    for name in SPECS:
        write_module(tmp_path, name, version="5.0.0")
    lock(tmp_path, **SPECS)
    return tmp_path


def test_a_broken_manifest_fails_and_names_the_place(app: Path) -> None:
    (app / "package.json").write_text('{"name": "app", "dep')
    assert_outcome(run_check(checks.test_manifest, app), "fail", "package.json", "line 1 column")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda modules: None, "is not there"),
        (lambda modules: modules.mkdir(), "is empty"),
        (lambda modules: modules.write_text(""), "is no folder"),
    ],
)
def test_node_modules_that_hold_nothing_fail(tmp_path: Path, make: Any, says: str) -> None:
    write_package(tmp_path, dependencies=SPECS)
    make(tmp_path / "node_modules")
    result = run_check(checks.test_node_modules, tmp_path)
    assert_outcome(result, "fail", f"node_modules {says}", remedy="npm install")

    lock(tmp_path, **SPECS)
    assert run_check(checks.test_node_modules, tmp_path).remedy == "npm ci"
    write(tmp_path, {".pnp.cjs": ""})
    assert_outcome(run_check(checks.test_node_modules, tmp_path), "skip", "Plug'n'Play")
    write_package(tmp_path)
    assert_outcome(run_check(checks.test_node_modules, tmp_path), "skip", "no dependencies")


ADD_ON = "against NODE_MODULE_VERSION 72"
NO_LOCK: dict[str, str] = {}


@pytest.mark.parametrize(
    ("state", "changes", "locked", "remedy"),
    [
        ("missing", {}, SPECS, "npm ci"),
        ("out of range", {}, SPECS, "npm ci"),
        ("broken", {}, SPECS, "npm ci"),
        ("missing", {}, NO_LOCK, "npm install 'redis@^5.0.0'"),
        ("out of range", {}, NO_LOCK, "npm install 'redis@^5.0.0'"),
        ("broken", {}, NO_LOCK, "rm -r node_modules && npm install"),
        ("missing", {"spec": None}, SPECS, "npm install redis"),
        ("broken", {"problem": ADD_ON}, SPECS, "npm rebuild redis"),
        ("missing", {"package": "packages/a"}, NO_LOCK, "npm install"),
        ("missing", {}, "pnpm-lock.yaml", "pnpm install"),
        ("missing", {}, "yarn.lock", "yarn install"),
        ("missing", {}, "bun.lock", "bun install"),
    ],
)
def test_the_remedy_of_a_dependency_follows_from_its_fault_and_the_lock_file(
    app: Path, state: str, changes: dict[str, str], locked: dict[str, str] | str, remedy: str
) -> None:
    if isinstance(locked, str):
        (app / "package-lock.json").rename(app / locked)
    else:
        lock(app, **locked)
    found = Dependency(".", "redis", "^5.0.0", problem="redis is at fault", state=state)
    found = msgspec.structs.replace(found, **changes)
    result = run_check(checks.test_dependencies, app, package_dependencies=[found])
    assert_outcome(result, "fail", str(found.problem), remedy=remedy)


def test_a_critical_dependency_of_the_configuration_must_be_installed(app: Path) -> None:
    write(app, {"flowhealth.toml": '[package]\ncritical = ["left-pad"]\n'})
    result = run_check(checks.test_dependencies, app)
    assert_outcome(result, "fail", "left-pad is missing", remedy="npm install left-pad")


@pytest.mark.parametrize("name", ["-g", "$(touch y)", "a;touch y", "../../out"])
def test_a_name_that_acts_on_shells_does_nothing_but_install(app: Path, name: str) -> None:
    write_package(app, dependencies={name: "^1.0.0"})

    result = run_check(checks.test_dependencies, app)

    assert_outcome(result, "fail", name)
    typed = shlex.join(["npm", "install", "--", f"{name}@^1.0.0"])
    assert result.remedy in {"mend the name in package.json", typed}


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (Tree(missing=("missing: ms@^2",)), "missing: ms@^2"),
        (Tree(invalid=("invalid: ms@1",)), "invalid: ms@1"),
        (Tree(other=("odd",)), "odd"),
        (Tree(extraneous=("extraneous: x@1",)), "redis@5.0.0 is installed, 5.9.9 is locked"),
    ],
)
def test_a_tree_with_problems_or_that_differs_from_the_lock_file_fails(
    app: Path, tree: Tree, says: str
) -> None:
    entries = {"": {"dependencies": SPECS}, "node_modules/redis": {"version": "5.9.9"}}
    write(app, {"package-lock.json": json.dumps({"lockfileVersion": 3, "packages": entries})})
    result = run_check(checks.test_tree, app, package_tree=tree)
    assert_outcome(result, "fail", says, remedy="npm ci")
    assert list(result.details["extraneous"]) == list(tree.extraneous)

    (app / "package-lock.json").rename(app / "pnpm-lock.yaml")
    assert_outcome(run_check(checks.test_tree, app, package_tree=tree), "skip", "pnpm")


@pytest.mark.parametrize("kind", checks.SAYS)
def test_a_file_that_is_not_as_published_fails_and_an_altered_one_warns(
    app: Path, kind: str
) -> None:
    faults = (Fault("node_modules/iconv-lite", "encodings/internal.js", kind, 10, 5),)
    altered = kind == "altered"
    found = Comparison(9, altered=faults) if altered else Comparison(9, broken=faults)

    result = run_check(checks.test_files, app, package_files=found)

    says = f"node_modules/iconv-lite: encodings/internal.js {checks.SAYS[kind]}"
    assert_outcome(result, "warn" if altered else "fail", says, remedy="npm ci")
    (app / "package-lock.json").unlink()
    result = run_check(checks.test_files, app, package_files=found)
    assert result.remedy == "rm -r node_modules && npm install"


@pytest.mark.parametrize(
    ("found", "outcome", "says"),
    [
        (Comparison(9), "pass", ""),
        (Comparison(0, unheld=("node_modules/a",)), "skip", "npm's cache has no archive"),
        (Comparison(0, blank=("node_modules/a/index.js",)), "warn", "a/index.js is empty"),
        (Comparison(1, unread=("node_modules/a: cut",)), "warn", "node_modules/a: cut"),
        (Comparison(1, late=("node_modules/a",)), "warn", "1 of 2 packages were not compared"),
    ],
)
def test_packages_that_can_not_be_compared_are_no_fault(
    app: Path, found: Comparison, outcome: str, says: str
) -> None:
    result = run_check(checks.test_files, app, package_files=found)
    assert result.outcome == outcome
    assert says in result.message


def test_a_lock_file_out_of_step_fails_and_names_the_spec(app: Path) -> None:
    assert_outcome(run_check(checks.test_lock, app), "pass")
    write(app, {"package-lock.json": "{"})
    remedy = "npm install --package-lock-only"
    assert_outcome(run_check(checks.test_lock, app), "fail", "package-lock.json", remedy=remedy)

    lock(app, **SPECS)
    write_package(app, dependencies=SPECS | {"express": "^4.0.0"})
    result = run_check(checks.test_lock, app)
    assert_outcome(result, "fail", "package.json asks for express@^4.0.0", remedy="npm install")


def test_a_project_without_a_lock_file_warns(app: Path) -> None:
    inner = app / "node_modules/redis"
    assert_outcome(run_check(checks.test_lock, inner), "skip", "installed in a project")
    (app / "package-lock.json").unlink()
    assert_outcome(run_check(checks.test_lock, app), "warn", "no lock file", remedy="npm install")
    (app / "yarn.lock").write_text("")
    assert_outcome(run_check(checks.test_lock, app), "skip", "yarn's lock file")
    (app / "yarn.lock").unlink()
    write_package(app)
    assert_outcome(run_check(checks.test_lock, app), "skip", "no dependencies")
