"""npm's own commands: what it says, and what it makes of a registry that misbehaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_flowhealth.errors import ProbeError, Unmeasured
from pytest_flowhealth.probes import npm
from tests.registry import RegistryFront


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two small packages, one of them behind by a major version."""
    root = tmp_path_factory.mktemp("npm")
    dependencies = {"ms": "^2.0.0", "is-number": "^6.0.0"}
    (root / "package.json").write_text(
        json.dumps({"name": "app", "version": "1.0.0", "dependencies": dependencies})
    )
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund"],
        cwd=root,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return root


@pytest.fixture
def project(installed: Path, tmp_path: Path) -> Path:
    """A copy of it that may be broken."""
    return Path(shutil.copytree(installed, tmp_path / "app"))


@pytest.fixture
def ask(project: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Return a function that asks for the audit at a registry of a scenario."""

    def audit(scenario: str, timeout: float = 60.0) -> npm.Audit:
        with RegistryFront(audit=scenario) as front:
            for name, value in front.environment.items():
                monkeypatch.setenv(name, value)
            return npm.audit(project, timeout)

    return audit


def test_a_whole_tree(project: Path) -> None:
    assert npm.ls(project) == npm.Tree()


def test_missing_invalid_and_extraneous(project: Path) -> None:
    shutil.rmtree(project / "node_modules/ms")
    manifest = project / "node_modules/is-number/package.json"
    manifest.write_text(manifest.read_text().replace('"version": "6', '"version": "5'))
    (project / "node_modules/other").mkdir()
    (project / "node_modules/other/package.json").write_text(
        '{"name": "other", "version": "1.0.0"}'
    )

    tree = npm.ls(project)

    assert len(tree.missing) == len(tree.invalid) == len(tree.extraneous) == 1
    assert "ms@^2.0.0" in tree.missing[0]
    assert str(project) not in tree.invalid[0]


@pytest.mark.parametrize(
    ("scenario", "counts"),
    [
        ("none", {}),
        ("critical", {"critical": 1}),
        ("moderate", {"moderate": 1}),
        # npm counts packages, each by its worst advisory.
        ("low,high", {"high": 1}),
    ],
)
def test_vulnerabilities(ask: object, scenario: str, counts: dict[str, int]) -> None:
    found = ask(scenario)  # type: ignore[operator]

    assert {name: count for name, count in found.counts.items() if count} == counts
    assert len(found.packages) == sum(counts.values())


@pytest.mark.parametrize(
    "scenario",
    ["405", "500", "null", "list", "garbage", "html", "nothing", "text", "error", "listed", "cut"],
)
def test_a_broken_answer_is_never_zero_vulnerabilities(ask: object, scenario: str) -> None:
    with pytest.raises(Unmeasured, match=r"audit"):
        ask(scenario)  # type: ignore[operator]


@pytest.mark.parametrize("scenario", ["hang", "drip"])
def test_an_endpoint_that_does_not_end(ask: object, scenario: str) -> None:
    with pytest.raises(Unmeasured):
        ask(scenario, 5.0)  # type: ignore[operator]


def test_an_offline_npm_has_not_asked(project: Path) -> None:
    (project / ".npmrc").write_text("offline=true\n")
    with pytest.raises(Unmeasured):
        npm.audit(project)


def test_no_registry_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    for question in (npm.audit, npm.outdated):
        with pytest.raises(Unmeasured, match="ECONNREFUSED"):
            question(project)


def test_no_lock_file(project: Path) -> None:
    (project / "package-lock.json").unlink()
    with pytest.raises(Unmeasured, match=r"lock"):
        npm.audit(project)


def test_outdated(project: Path) -> None:
    found = npm.outdated(project)

    assert [(one.name, one.major) for one in found.behind] == [("is-number", True)]
    assert found.behind[0].current.startswith("6.")
    assert found.untold == ()


def test_a_package_that_the_registry_does_not_know(project: Path) -> None:
    raw = json.loads((project / "package.json").read_text())
    raw["dependencies"]["flowhealth-no-such-package-here"] = "^1.0.0"
    (project / "package.json").write_text(json.dumps(raw))
    folder = project / "node_modules/flowhealth-no-such-package-here"
    folder.mkdir()
    (folder / "package.json").write_text(
        '{"name": "flowhealth-no-such-package-here", "version": "1.0.0"}'
    )

    assert npm.outdated(project).untold == ("flowhealth-no-such-package-here",)


def test_a_registry_that_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with RegistryFront(get="500") as front:
        monkeypatch.setenv("npm_config_registry", front.url)
        with pytest.raises(Unmeasured, match="500"):
            npm.outdated(project)


def test_no_npm(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProbeError, match="no `npm` on the PATH"):
        npm.ls(project)


@pytest.mark.parametrize("said", ["", "null", "[1]", "{", '{"problems": 5}', "<html>"])
def test_an_npm_that_says_something_else(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str
) -> None:
    program = tmp_path / "bin/npm"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for question in (npm.ls, npm.audit, npm.outdated):
        with pytest.raises(Unmeasured):
            question(project)


@pytest.mark.parametrize(
    ("current", "latest", "behind"),
    [("1.2.3", "2.0.0", True), ("1.2.3", "1.9.0", False), ("0.1.0", "0.2.0", True), ("0.1.0", "0.1.9", False),
     ("2.0.0", "1.0.0", False), ("0.9.0", "1.0.0", True), ("linked", "1.0.0", False)],
)  # fmt: skip
def test_major_behind(current: str, latest: str, behind: bool) -> None:
    assert npm.is_behind_major(current, latest) is behind
