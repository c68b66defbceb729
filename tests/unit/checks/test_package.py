"""The checks of the package: which outcome, message and remedy each finding has."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from checks import test_package as checks
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.project import (
    Fault,
    Installation,
    Layout,
    LoadedPackage,
    Lock,
    ProjectPackage,
)
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import write_package

FINE = Installation(
    manager="npm",
    evidence="package-lock.json",
    faults=[],
    warnings=[],
    extraneous=[],
    omitted=[],
    versions={"ms": "2.1.3"},
    lock=Lock("package-lock.json", 1, [], [], []),
    lock_error=None,
)
MISSING = Fault("ms", "missing", "ms is missing: package.json needs ^2", "npm ci")


def installation(**changes: Any) -> Installation:
    return msgspec.structs.replace(FINE, **changes)


def layout(manager: Any = "npm", *, needs: bool = True, **changes: Any) -> Layout:
    manifest = {"dependencies": {"ms": "^2"}} if needs else {}
    own = ProjectPackage(".", "/app", manifest)
    made = Layout("/app", "/app", manager, f"{manager}'s lock file", None, [own])
    return msgspec.structs.replace(made, **changes)


def loaded(state: Any, message: str | None = None, **changes: Any) -> LoadedPackage:
    made = LoadedPackage("ms", ".", state, "2.1.3", message, None)
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    write_package(tmp_path, dependencies={"ms": "^2"})
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "outcome", "says"),
    [
        (layout(), "pass", ""),
        (CheckFailed("package.json can't be read", remedy="npm init"), "fail", "package.json"),
        (layout("pnpm", unlisted="no lock file"), "unknown", "workspaces can't be listed: no lock"),
    ],
)
def test_a_manifest_that_can_not_be_read_fails_and_workspaces_that_can_not_be_listed_are_unknown(
    app: Path, answer: Any, outcome: str, says: str
) -> None:
    assert_outcome(run_check(checks.test_manifest, app, project_layout=answer), outcome, says)


@pytest.mark.parametrize(
    ("found", "needs", "outcome", "says", "remedy"),
    [
        (FINE, True, "pass", "", None),
        (FINE, False, "skip", "no dependencies", None),
        (installation(faults=[MISSING]), True, "pass", "", None),
        (installation(faults=[MISSING], nothing_installed=True), True, "fail", "missing", "npm ci"),
    ],
)
def test_a_package_without_any_dependency_installed_fails(
    app: Path, found: Installation, needs: bool, outcome: str, says: str, remedy: str | None
) -> None:
    where = layout(needs=needs)
    result = run_check(checks.test_node_modules, app, project_layout=where, installation=found)
    assert_outcome(result, outcome, says, remedy=remedy)


@pytest.mark.parametrize(
    ("packages", "outcome", "says", "remedy"),
    [
        ([loaded("works")], "pass", "", None),
        ([loaded("works"), loaded("unjudged", "window is not defined")], "pass", "", None),
        ([loaded("faulty", "a file is missing", remedy="npm ci")], "fail", "a file", "npm ci"),
        (
            [loaded("faulty", "broken", package="packages/api", remedy="r")],
            "fail",
            "packages/api: broken",
            "r",
        ),
        (
            [loaded("unknown", "the registry does not give ms@2.1.3")],
            "unknown",
            "does not give ms",
            None,
        ),
        (
            [loaded("unknown", "is not from the registry")],
            "unknown",
            "not from",
            None,
        ),
        ([loaded("unknown", "x"), loaded("faulty", "broken", remedy="r")], "fail", "broken", "r"),
        ([], "skip", "no critical dependency", None),
    ],
)
def test_only_evidence_of_a_broken_installation_fails(
    app: Path, packages: list[LoadedPackage], outcome: str, says: str, remedy: str | None
) -> None:
    result = run_check(checks.test_dependencies, app, loaded_packages=packages)
    assert_outcome(result, outcome, says, remedy=remedy)


@pytest.mark.parametrize(
    ("where", "found", "outcome", "says"),
    [
        (layout(), FINE, "pass", ""),
        (layout(), installation(faults=[MISSING]), "fail", "ms is missing"),
        (layout(), installation(warnings=[MISSING]), "warn", "ms is missing"),
        (layout(note="a standalone output"), FINE, "skip", "standalone"),
    ],
)
def test_a_faulty_tree_fails_and_what_only_looks_wrong_warns(
    app: Path, where: Layout, found: Installation, outcome: str, says: str
) -> None:
    result = run_check(checks.test_tree, app, project_layout=where, installation=found)
    assert_outcome(result, outcome, says, remedy="npm ci" if "missing" in says else None)


@pytest.mark.parametrize(
    ("where", "found", "outcome", "says", "remedy"),
    [
        (layout(), FINE, "pass", "", None),
        (layout("pnpm"), FINE, "skip", "pnpm's", None),
        (
            layout(),
            installation(lock=None, lock_error="not JSON"),
            "fail",
            "not JSON",
            "npm install",
        ),
        (layout(), installation(lock=None), "warn", "no lock file", "npm install"),
        (layout(needs=False), installation(lock=None), "skip", "no dependencies", None),
        (layout(installed=True), installation(lock=None), "skip", "installed in a project", None),
        (
            layout(),
            installation(lock=Lock("package-lock.json", 1, [MISSING], [], [])),
            *("fail", "ms is missing", "npm ci"),
        ),
        (
            layout(),
            installation(lock=Lock("package-lock.json", 1, [], ["a needs react ^18, not 19"], [])),
            *("warn", "react ^18", "npm ci --legacy-peer-deps"),
        ),
    ],
)
def test_the_lock_file_must_list_all_that_is_needed(
    app: Path, where: Layout, found: Installation, outcome: str, says: str, remedy: str | None
) -> None:
    result = run_check(checks.test_lock, app, project_layout=where, installation=found)
    assert_outcome(result, outcome, says, remedy=remedy)
