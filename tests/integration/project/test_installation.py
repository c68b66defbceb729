"""What npm's libraries find wrong with an installation, and that the remedy mends it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.project import Installation, LoadedPackage, NpmProject
from tests.kit.projects import (
    change,
    npm,
    write,
    write_module,
    write_package,
    write_program,
)

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")


@pytest.fixture
def project(small: Path) -> Iterator[NpmProject]:
    found = NpmProject(small)
    yield found
    found.close()


def ask(root: Path) -> Installation:
    project = NpmProject(root)
    try:
        return project.installation()
    finally:
        project.close()


def load(root: Path) -> list[LoadedPackage]:
    project = NpmProject(root)
    try:
        return project.load()
    finally:
        project.close()


def follow(root: Path, remedy: str | None) -> None:
    """Run a remedy, as a user types it."""
    assert remedy is not None
    subprocess.run(remedy, shell=True, cwd=root, check=True, capture_output=True, timeout=300)


def edit(file: Path, change: Any) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_a_whole_project_has_no_fault_from_whichever_folder_it_is_seen(project: NpmProject) -> None:
    layout, found = project.layout(), project.installation()
    assert (found.faults, found.warnings, found.nothing_installed) == ([], [], False)
    assert found.lock is not None
    assert (found.lock.faults, found.lock.conflicts) == ([], [])

    workspace = NpmProject(Path(layout.packages[1].folder))
    inside = workspace.layout()
    assert (inside.root, inside.manager, inside.lock) == (layout.root, "npm", layout.lock)
    assert workspace.installation().faults == []
    workspace.close()


def test_a_package_that_is_gone_is_named_and_the_remedy_brings_it_back(project: NpmProject) -> None:
    shutil.rmtree(project.root / "node_modules" / "ms")
    (fault, *_) = project.installation().faults
    assert (fault.kind, fault.name, fault.remedy) == ("missing", "ms", "npm ci")
    follow(project.root, fault.remedy)
    assert project.installation().faults == []


def test_another_version_than_locked_is_a_fault(project: NpmProject) -> None:
    edit(project.root / "node_modules/ms/package.json", lambda it: it.update(version="2.1.1"))
    kinds = {fault.kind for fault in project.installation().faults}
    assert kinds & {"differs", "invalid"}


def test_an_incomplete_lock_file_is_completed_by_npm_install(project: NpmProject) -> None:
    lock = project.root / "package-lock.json"
    edit(lock, lambda it: it["packages"].pop("node_modules/ms"))
    found = project.installation().lock
    assert found is not None
    assert "ms is not in it" in found.faults[0].message
    follow(project.root, found.faults[0].remedy)
    found = project.installation().lock
    assert found is not None
    assert found.faults == []


@pytest.mark.parametrize(
    ("text", "says"), [("{", "can't be read"), ("<<<<<<< ours\n{}", "conflict markers"), ("[]", "no packages")]
)  # fmt: skip
def test_a_lock_file_that_can_not_be_read_is_said_to_be(
    project: NpmProject, text: str, says: str
) -> None:
    (project.root / "package-lock.json").write_text(text)
    found = project.installation()
    assert says in str(found.lock_error)
    assert found.lock is None


def test_nothing_installed_names_the_manager_that_the_project_uses(tmp_path: Path) -> None:
    write_package(tmp_path, dependencies={"ms": "^2"})
    commands = {}
    for name in ("package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock"):
        write(tmp_path, {name: '{"lockfileVersion": 3, "packages": {}}'})
        found = ask(tmp_path)
        commands[found.manager] = found.faults[0].remedy
        assert found.nothing_installed
        (tmp_path / name).unlink()
    assert commands == {
        "npm": "npm install",  # `npm ci` refuses that lock file
        "pnpm": "pnpm install",
        "yarn": "yarn install",
        "bun": "bun install",
    }


def test_what_throws_is_not_judged_and_a_missing_module_that_it_depends_on_is_a_fault(
    tmp_path: Path,
) -> None:
    write_package(tmp_path, dependencies={"browser": "1", "needy": "1", "fine": "1", "gone": "1"})
    write_module(tmp_path, "browser", {"index.js": "window.a = 1"}, version="1.0.0")
    write_module(
        tmp_path,
        "needy",
        {"index.js": "require('absent')"},
        version="1.0.0",
        dependencies={"absent": "1"},
    )
    write_module(tmp_path, "fine", {"index.js": "exports.a = 1"}, version="1.0.0")
    found = {one.name: one for one in load(tmp_path)}
    states = {name: one.state for name, one in found.items()}
    assert states == {
        "browser": "unjudged",
        "needy": "faulty",
        "fine": "works",
        "gone": "faulty",
    }
    assert "needy depends on absent" in str(found["needy"].message)
    assert found["needy"].remedy == "npm install"


def test_a_changed_file_of_a_package_that_fails_is_found_by_its_published_archive(
    project: NpmProject,
) -> None:
    (project.root / "node_modules/ms/index.js").write_text("module.exports = {")
    (found,) = [one for one in project.load(["ms"]) if one.package == "."]
    assert found.state == "faulty"
    assert "index.js is not as published" in str(found.message)
    follow(project.root, found.remedy)
    assert {one.state for one in project.load(["ms"])} == {"works"}


def test_a_file_that_no_check_loads_and_that_was_cut_off_is_a_fault_and_the_remedy_mends_it(
    project: NpmProject,
) -> None:
    file = project.root / "node_modules/debug/src/browser.js"
    file.write_text(file.read_text()[:2000])
    (fault,) = project.installation().faults
    assert (fault.kind, fault.name, fault.remedy) == ("changed", "debug", "npm ci")
    assert "node_modules/debug/src/browser.js was changed after the installation" in fault.message
    follow(project.root, fault.remedy)
    assert project.installation().faults == []


def test_a_published_file_that_was_removed_is_warned_of_and_a_patched_one_is_not(
    project: NpmProject,
) -> None:
    (project.root / "node_modules/debug/src/node.js").write_text("module.exports = {};")
    found = project.installation()
    assert (found.faults, found.warnings) == ([], [])
    (project.root / "node_modules/debug/src/browser.js").unlink()
    found = project.installation()
    assert found.faults == []
    assert found.warnings[0].message == "debug: src/browser.js was removed after the installation"


def test_a_copy_of_an_installation_tells_nothing_by_its_dates(project: NpmProject) -> None:
    for number in range(300):
        write(project.root / "node_modules/debug", {f"more/{number}.js": "{"})
    assert project.installation().faults == []


def test_the_remedy_is_no_clean_install_where_npm_refuses_the_lock_file(
    project: NpmProject,
) -> None:
    # npm wants the optional package of this entry, and finds none in the lock file.
    lock = project.root / "package-lock.json"
    optional = {"optionalDependencies": {"is-odd": "*"}}
    edit(lock, lambda it: it["packages"]["node_modules/debug"].update(optional))
    shutil.rmtree(project.root / "node_modules/ms")
    fault = project.installation().faults[0]
    assert fault.remedy == "npm install"
    follow(project.root, fault.remedy)
    assert project.installation().faults == []


def test_overrides_that_the_lock_file_does_not_have_are_a_fault(project: NpmProject) -> None:
    change(project.root, overrides={"debug": {"ms": "2.0.0"}})
    found = project.installation()
    assert found.lock is not None
    (fault,) = found.lock.faults
    assert fault.message.endswith("in it, and the overrides of package.json need 2.0.0")
    follow(project.root, fault.remedy)
    after = project.installation()
    assert after.lock is not None
    assert (after.lock.faults, after.faults) == ([], [])


def test_a_package_that_a_tag_installed_is_whole(project: NpmProject) -> None:
    change(project.root, dependencies={"ms": "latest", "odd": "npm:is-number@^6", "debug": "^4"})
    npm(project.root, "install")
    found = project.installation()
    assert found.lock is not None
    assert (found.lock.faults, found.faults, found.warnings) == ([], [], [])


def test_packages_that_another_one_brings_with_it_need_no_entry_in_the_lock_file(
    project: NpmProject,
) -> None:
    def bundle(lock: Any) -> None:
        entry = lock["packages"]["node_modules/debug"]
        entry["bundleDependencies"] = ["brought"]
        entry["dependencies"]["brought"] = "^1.0.0"

    edit(project.root / "package-lock.json", bundle)
    lock = project.installation().lock
    assert lock is not None
    assert lock.faults == []


def test_a_command_of_a_script_that_is_not_linked_is_a_fault_and_the_remedy_links_it(
    tmp_path: Path,
) -> None:
    write(tmp_path / "tool", {"cli.js": ""}, name="tool", version="1.0.0", bin={"tool": "cli.js"})
    write(tmp_path, name="app", version="1.0.0", scripts={"build": "CI=1 tool --fast"})
    subprocess.run(
        ["npm", "install", "./tool", "--install-links"], cwd=tmp_path, check=True, timeout=300
    )
    assert ask(tmp_path).faults == []
    (tmp_path / "node_modules/.bin/tool").unlink()
    (fault,) = ask(tmp_path).faults
    assert "the command tool of tool@1.0.0 is not in node_modules/.bin" in fault.message
    follow(tmp_path, fault.remedy)
    assert ask(tmp_path).faults == []


def test_a_program_that_an_installation_script_did_not_download_is_a_fault(tmp_path: Path) -> None:
    write_package(tmp_path, scripts={"start": "electron ."}, devDependencies={"electron": "^1.0.0"})
    write_module(tmp_path, "electron", {"cli.js": ""}, bin={"electron": "cli.js"})
    write(tmp_path, {"node_modules/.bin/electron": "", "main.js": ""})
    (fault,) = ask(tmp_path).faults
    assert "electron@1.0.0 has no path.txt" in fault.message
    write(tmp_path, {"node_modules/electron/path.txt": "electron"})
    assert ask(tmp_path).faults == []


def test_a_program_of_the_start_script_is_missed_even_where_development_is_left_out(
    tmp_path: Path,
) -> None:
    write_package(
        tmp_path, scripts={"start": "electron ."}, devDependencies={"electron": "1", "lint": "1"}
    )
    (warning,) = ask(tmp_path).warnings
    assert warning.message == "electron is missing, and a start script of package.json runs it"
    assert warning.remedy == "npm install --include=dev"
    write(tmp_path, {".npmrc": "omit=dev\n"})
    assert ask(tmp_path).warnings == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "package.json can't be read"),
        ("[]", "it is not a JSON object"),
        (
            '{"dependencies": {"a": 1}, "name": 7}',
            '"name" must be a string; "dependencies" must be',
        ),
    ],
)
def test_a_package_json_that_npm_refuses_fails(tmp_path: Path, content: str, says: str) -> None:
    write(tmp_path, {"package.json": content})
    project = NpmProject(tmp_path)
    with pytest.raises(CheckFailed, match=says):
        project.layout()
    project.close()


def test_a_patch_that_is_not_applied_is_a_fault_and_the_remedy_applies_it(tmp_path: Path) -> None:
    write_package(
        tmp_path,
        name="app",
        version="1.0.0",
        scripts={"postinstall": "patch-package"},
        dependencies={"ms": "2.1.3"},
        devDependencies={"patch-package": "^8"},
    )
    npm(tmp_path, "install")
    file = tmp_path / "node_modules/ms/index.js"
    original = file.read_text()
    file.write_text(f"// patched\n{original}")
    follow(tmp_path, "npx patch-package ms")
    assert ask(tmp_path).faults == []

    file.write_text(original)
    (fault,) = ask(tmp_path).faults

    assert fault.message == "patches/ms+2.1.3.patch is not applied"
    follow(tmp_path, fault.remedy)
    assert ask(tmp_path).faults == []


def test_a_package_that_fails_without_a_peer_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    write_package(tmp_path, name="app", version="1.0.0", dependencies={"strict": "1", "lax": "1"})
    for name, is_optional in (("strict", False), ("lax", True)):
        files = {"index.js": "require('ms')"}
        peers = {"peerDependencies": {"ms": "^2"}}
        meta = {"peerDependenciesMeta": {"ms": {"optional": is_optional}}}
        write_module(tmp_path, name, files, version="1.0.0", **peers, **meta)

    strict, lax = load(tmp_path)

    assert (strict.state, strict.remedy, lax.state) == ("faulty", "npm install ms", "unjudged")
    assert "strict needs ms ^2 beside it" in str(strict.message)


def test_an_entry_that_is_gone_from_the_lock_file_of_yarn_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools, root = tmp_path / "tools", tmp_path / "app"
    tools.mkdir()
    npm(tools, "install", "@yarnpkg/cli-dist@4")
    script = tools / "node_modules/@yarnpkg/cli-dist/bin/yarn.js"
    monkeypatch.setenv("PATH", write_program(tmp_path / "bin", "yarn", f'exec node {script} "$@"'))
    monkeypatch.setenv("YARN_NPM_REGISTRY_SERVER", npm(tools, "config", "get", "registry").strip())
    settings = "nodeLinker: node-modules\nenableTelemetry: false\nenableGlobalCache: false\n"
    write(root, {".yarnrc.yml": settings, "yarn.lock": ""}, dependencies={"debug": "^4"})
    follow(root, "yarn install --no-immutable")
    assert ask(root).lock_error is None

    lock = root / "yarn.lock"
    entries = lock.read_text().split("\n\n")
    lock.write_text("\n\n".join(entry for entry in entries if not entry.startswith('"ms@')))

    assert "ms@npm:" in str(ask(root).lock_error)
    follow(root, "yarn install --no-immutable")
    assert ask(root).lock_error is None
