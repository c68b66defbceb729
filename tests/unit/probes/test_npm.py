"""npm's own commands: what it says, and what it makes of a registry that misbehaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_flowhealth.config.manifest import read_manifest
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import NotApplicable, ProbeError, Unmeasured
from pytest_flowhealth.probes import npm
from pytest_flowhealth.probes import outdated as behind
from pytest_flowhealth.probes.outdated import Outdated
from tests.kit.registry import RegistryFront

NO_VULNERABILITIES = json.dumps(
    {
        "auditReportVersion": 2,
        "vulnerabilities": {},
        "metadata": {"vulnerabilities": dict.fromkeys((*npm.SEVERITIES, "total"), 0)},
    }
)


def outdated(root: Path) -> Outdated:
    """Ask for what is behind in the project in `root` and its workspaces."""
    return behind.outdated(root, workspaces(root, read_manifest(root / "package.json")))


def change(root: Path, **fields: Any) -> None:
    """Change fields of a package.json."""
    file = root / "package.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


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


@pytest.fixture
def shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that puts a shell script in the place of npm."""

    def put(script: str) -> None:
        program = tmp_path / "bin/npm"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return put


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


@pytest.mark.parametrize("setting", ["depth=0", "package-lock-only=true", "link=true"])
def test_a_setting_does_not_narrow_the_question(project: Path, setting: str) -> None:
    change(project, dependencies={"debug": "^3.0.0"})
    subprocess.run(["npm", "install", "--no-audit"], cwd=project, check=True, capture_output=True)
    shutil.rmtree(project / "node_modules/ms")
    (project / ".npmrc").write_text(f"{setting}\n")

    assert any("ms@" in one for one in npm.ls(project).missing)


@pytest.mark.parametrize(
    "said",
    [
        "{}",
        '{"name": "app"}',
        '{"name": "other", "dependencies": {"ms": {}, "is-number": {}}}',
        '{"name": "app", "dependencies": {"ms": {"version": "2.0.0"}}}',
        '{"name": "app", "dependencies": [], "problems": []}',
        '{"name": "app", "problems": ["extraneous: a@1 /a"]}',
    ],
)
def test_a_tree_that_is_not_of_this_project(
    project: Path, shim: Callable[[str], None], said: str
) -> None:
    shim(f"echo '{said}'")
    with pytest.raises(Unmeasured, match=r"npm ls.*could not tell"):
        npm.ls(project)


def test_what_npm_was_told_to_leave_out_need_not_be_told(project: Path) -> None:
    """A dependency that is named as one for development, too, npm takes for such."""
    change(project, devDependencies={"ms": "^2.0.0"}, optionalDependencies={"no-such-thing-x": "1"})
    (project / ".npmrc").write_text("omit[]=dev\nomit[]=optional\n")

    assert npm.ls(project).missing == ()


def test_a_workspace_is_told_of_within_its_root(tmp_path: Path) -> None:
    one = tmp_path / "packages/a"
    one.mkdir(parents=True)
    (one / "package.json").write_text(
        '{"name": "a", "version": "1.0.0", "dependencies": {"b": "*"}}'
    )
    other = tmp_path / "packages/b"
    other.mkdir()
    (other / "package.json").write_text('{"name": "b", "version": "1.0.0"}')
    (tmp_path / "package.json").write_text('{"name": "root", "workspaces": ["packages/*"]}')
    subprocess.run(
        ["npm", "install", "--no-audit", "--offline"], cwd=tmp_path, check=True, capture_output=True
    )

    assert npm.ls(one) == npm.ls(tmp_path) == npm.Tree()


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
    for question in (npm.audit, outdated):
        with pytest.raises(Unmeasured, match="ECONNREFUSED"):
            question(project)


def test_no_lock_file(project: Path) -> None:
    (project / "package-lock.json").unlink()
    with pytest.raises(Unmeasured, match=r"lock"):
        npm.audit(project)


def test_an_answer_without_a_question_is_no_audit(
    project: Path, shim: Callable[[str], None]
) -> None:
    shim(f"echo '{NO_VULNERABILITIES}'")
    with pytest.raises(Unmeasured, match="did not ask the registry"):
        npm.audit(project)


@pytest.mark.parametrize("entries", [{}, {"": {"name": "app", "version": "1.0.0"}}])
def test_a_lock_file_with_nothing_in_it_is_no_audit(project: Path, entries: object) -> None:
    lock = {"name": "app", "lockfileVersion": 3, "packages": entries}
    (project / "package-lock.json").write_text(json.dumps(lock))
    with RegistryFront(audit="none") as front:
        front.configure(project)
        with pytest.raises(Unmeasured):
            npm.audit(project)


def test_nothing_from_a_registry(project: Path) -> None:
    (project / "one").mkdir()
    (project / "one/package.json").write_text('{"name": "one", "version": "1.0.0"}')
    change(project, dependencies={"one": "file:one"})
    shutil.rmtree(project / "node_modules")
    subprocess.run(["npm", "install", "--no-audit"], cwd=project, check=True, capture_output=True)
    with pytest.raises(NotApplicable):
        npm.audit(project)
    assert outdated(project) == Outdated((), ())


def test_outdated(project: Path) -> None:
    found = outdated(project)

    assert [(one.name, one.major) for one in found.behind] == [("is-number", True)]
    assert found.behind[0].current.startswith("6.")
    assert found.untold == ()


def test_an_answer_without_a_question_is_not_up_to_date(
    project: Path, shim: Callable[[str], None]
) -> None:
    shim("echo '{}'; echo 'npm info ok' >&2")
    with pytest.raises(Unmeasured, match="did not ask"):
        outdated(project)


def test_the_answer_of_the_cache_is_one(project: Path) -> None:
    outdated(project)
    (project / ".npmrc").write_text("offline=true\n")
    assert [one.name for one in outdated(project).behind] == ["is-number"]


def test_a_version_that_does_not_exist(project: Path) -> None:
    change(project, dependencies={"ms": "^99.0.0", "is-number": "^6.0.0", "a": "npm:ms@77"})

    found = outdated(project)

    assert found.untold == ("a@npm:ms@77", "ms@^99.0.0")
    assert [one.name for one in found.behind] == ["is-number"]


def test_what_an_alias_is_installed_as(project: Path) -> None:
    change(project, dependencies={"odd": "npm:is-number@^6", "types": "npm:@types/ms@^0.7"})
    subprocess.run(["npm", "install", "--no-audit"], cwd=project, check=True, capture_output=True)

    found = {one.name: one.newest for one in outdated(project).behind}

    assert found == {
        "odd": "odd@npm:is-number@latest",
        "types": "types@npm:@types/ms@latest",
    }


def test_a_package_that_the_registry_does_not_know(project: Path) -> None:
    raw = json.loads((project / "package.json").read_text())
    raw["dependencies"]["flowhealth-no-such-package-here"] = "^1.0.0"
    (project / "package.json").write_text(json.dumps(raw))
    folder = project / "node_modules/flowhealth-no-such-package-here"
    folder.mkdir()
    (folder / "package.json").write_text(
        '{"name": "flowhealth-no-such-package-here", "version": "1.0.0"}'
    )

    assert outdated(project).untold == ("flowhealth-no-such-package-here",)


def test_a_registry_that_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with RegistryFront(get="500") as front:
        monkeypatch.setenv("npm_config_registry", front.url)
        with pytest.raises(Unmeasured, match="500"):
            outdated(project)


def test_no_npm(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ProbeError, match="no `npm` on the PATH"):
        npm.ls(project)


@pytest.mark.parametrize("said", ["", "null", "[1]", "{", '{"problems": 5}', "<html>"])
def test_an_npm_that_says_something_else(
    project: Path, shim: Callable[[str], None], said: str
) -> None:
    shim(f"cat <<'END'\n{said}\nEND\nexit 1")
    for question in (npm.ls, npm.audit, outdated):
        with pytest.raises(Unmeasured):
            question(project)


@pytest.mark.parametrize(
    ("current", "latest", "major"),
    [("1.2.3", "2.0.0", True), ("1.2.3", "1.9.0", False), ("0.1.0", "0.2.0", True), ("0.1.0", "0.1.9", False),
     ("2.0.0", "1.0.0", False), ("0.9.0", "1.0.0", True), ("linked", "1.0.0", False)],
)  # fmt: skip
def test_major_behind(current: str, latest: str, major: bool) -> None:
    assert behind.is_behind_major(current, latest) is major


@pytest.mark.parametrize(
    "script", ["exec sleep 600", "sleep 600 & exec sleep 600", "sleep 600 & wait"]
)
def test_an_npm_that_hangs_is_ended_with_its_children(
    project: Path, tmp_path: Path, shim: Callable[[str], None], script: str
) -> None:
    shim(f"echo $$ > {tmp_path}/pid\n{script}")
    with pytest.raises(Unmeasured, match="gave no answer within 1 s"):
        npm.ls(project, 1.0)

    group = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 20
    while time.monotonic() < end and _of_group(group):
        time.sleep(0.05)
    assert _of_group(group) == []


def _of_group(group: int) -> list[int]:
    """Return the processes of a group that still run."""
    found = []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            same = os.getpgid(process.info["pid"]) == group
        except ProcessLookupError:
            continue
        if same and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.info["pid"])
    return found


def test_a_cache_that_npm_does_not_name(project: Path, shim: Callable[[str], None]) -> None:
    assert npm.cache(project).is_absolute()
    for said in ("", "{}", "undefined", "/a\\n/b"):
        shim(f"printf '{said}'")
        with pytest.raises(Unmeasured):
            npm.cache(project)


def test_names_that_begin_as_options_do() -> None:
    assert npm.with_names("npm install", ["a@1", "-g@x y"]) == "npm install -- a@1 '-g@x y'"
    assert npm.with_names("npm view", ["ms", "versions"]) == "npm view ms versions"
