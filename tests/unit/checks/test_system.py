"""The checks of Node, npm, the platform and the machine's resources."""

from pathlib import Path
from typing import Any

import pytest

from checks import test_system as checks
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes import system
from pytest_flowhealth.probes.project import Exclusion, ProgramVersion, Requirement, Versions
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import write_package

FINE = Requirement(">=20", "the default", satisfied=True)
OLD = Requirement("^20", "engines.node in package.json", satisfied=False, remedy="nvm install 20")
ODD = Requirement("new", "engines.node in package.json", satisfied=None, remedy="npm pkg set x")
DEV = Requirement(
    *("^24", "devEngines.runtime in package.json"),
    satisfied=False,
    warning=True,
    remedy="nvm install 24",
)


def versions(*requirements: Requirement, manager: str = "npm", **changes: Any) -> Versions:
    program = ProgramVersion("18.0.0", manager, list(requirements))
    return Versions(program, program, "linux", "x64", "6.1", changes.get("excluded", []))


@pytest.mark.parametrize(
    ("requirements", "outcome", "says", "remedy"),
    [
        ([FINE], "pass", "", None),
        ([OLD], "fail", "node is 18.0.0, and must be ^20 (engines.node", "nvm install 20"),
        ([ODD], "fail", "is not a range: 'new'", "npm pkg set x"),
        ([DEV, FINE], "warn", "must be ^24", "nvm install 24"),
        ([DEV, OLD], "fail", "must be ^20", "nvm install 20"),
    ],
)
def test_a_version_outside_of_a_required_range_fails(
    tmp_path: Path, requirements: list[Requirement], outcome: str, says: str, remedy: str | None
) -> None:
    write_package(tmp_path)
    result = run_check(checks.test_node, tmp_path, versions=versions(*requirements))
    assert_outcome(result, outcome, says, remedy=remedy)


def test_npm_is_not_required_by_a_project_of_another_manager(tmp_path: Path) -> None:
    write_package(tmp_path)
    result = run_check(checks.test_npm, tmp_path, versions=versions(manager="pnpm"))
    assert_outcome(result, "pass")
    error = CheckFailed("there is no `npm` on the PATH")
    assert_outcome(run_check(checks.test_npm, tmp_path, versions=error), "fail", "no `npm`")


def test_a_platform_that_package_json_excludes_fails(tmp_path: Path) -> None:
    write_package(tmp_path)
    assert_outcome(run_check(checks.test_platform, tmp_path, versions=versions()), "pass", "")
    excluded = [Exclusion("os", "linux", ["darwin"])]
    result = run_check(checks.test_platform, tmp_path, versions=versions(excluded=excluded))
    assert_outcome(result, "fail", "os excludes linux: darwin")


def test_little_memory_fails_by_its_threshold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = system.Memory(511.0, "machine", 96.0, "machine", 9000.0)
    monkeypatch.setattr(checks, "read_memory", lambda: memory)
    result = run_check(checks.test_memory, tmp_path)
    assert_outcome(result, "fail", "memory_available 511", "memory 96")
