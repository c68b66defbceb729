"""The checks of Node, npm and the platform: which range counts, and what installs it."""

from pathlib import Path

import pytest
from pytest_flowhealth.probes.runtimes import Host

from checks import test_system as checks
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes import system
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import write, write_package


@pytest.mark.parametrize(
    ("version", "node", "toml", "outcome", "says", "remedy"),
    [
        ("22.0.0", None, "", "pass", "", None),
        ("18.0.0", None, "", "fail", "node is 18.0.0, and must be >=20 (the default)", "nvm install 22"),
        ("16.20.2", ">=18", "", "fail", "engines.node in package.json", "nvm install 22"),
        ("16.20.2", ">=14", "", "pass", "", None),
        ("22.0.0", "^20", "", "fail", "must be ^20", "nvm install 20"),
        ("22.0.0", "^99", "", "fail", "must be ^99", "install Node ^99"),
        ("22.0.0", ">=99", ">=20", "pass", "", None),
        ("22.0.0", None, "<20", "fail", "system.node from flowhealth.toml", None),
        ("22.0.0", "the newest", "", "fail", "is no range", "npm pkg set engines.node='>=20'"),
    ],
)  # fmt: skip
def test_node_is_judged_by_the_nearest_range(
    tmp_path: Path, version: str, node: str, toml: str, outcome: str, says: str, remedy: str | None
) -> None:
    write_package(tmp_path, engines={"node": node} if node else {})
    write(tmp_path, {"flowhealth.toml": f'[system]\nnode = "{toml}"\n' if toml else ""})
    result = run_check(checks.test_node, tmp_path, node_version=version)
    assert_outcome(result, outcome, says, remedy=remedy)


def test_npm_is_judged_by_its_own_engine_and_the_default_without_a_readable_package_json(
    tmp_path: Path,
) -> None:
    write_package(tmp_path, engines={"npm": ">=99"})
    result = run_check(checks.test_npm, tmp_path, npm_version="11.0.0")
    remedy = "npm install --global 'npm@>=99'"
    assert_outcome(result, "fail", ">=99", "engines.npm", remedy=remedy)
    write(tmp_path, {"package.json": "{"})
    result = run_check(checks.test_npm, tmp_path, npm_version="8.0.0")
    assert_outcome(result, "fail", "the default: package.json is no JSON")


def test_a_program_without_a_version_fails_with_a_remedy(tmp_path: Path) -> None:
    write_package(tmp_path)
    error = CheckFailed("`node --version` told no version: banana")
    result = run_check(checks.test_node, tmp_path, node_version=error)
    assert_outcome(result, "fail", "banana", remedy="nvm install 22")


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [({}, "pass"), ({"os": ["linux"]}, "pass"), ({"os": ["!linux"]}, "fail"), ({"cpu": ["arm64"]}, "fail")],
)  # fmt: skip
def test_a_platform_that_package_json_excludes_fails(
    tmp_path: Path, fields: dict[str, list[str]], outcome: str
) -> None:
    write_package(tmp_path, **fields)
    result = run_check(
        checks.test_platform, tmp_path, host=Host("linux", "x64", "6.1", told_by="node")
    )
    assert_outcome(result, outcome, "excludes" if outcome == "fail" else "")


def test_little_memory_fails_by_its_threshold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = system.Memory(511.0, "machine", 96.0, "machine", 9000.0)
    monkeypatch.setattr(system, "memory", lambda: memory)
    result = run_check(checks.test_memory, tmp_path)
    assert_outcome(result, "fail", "memory_available 511", "memory 96")
