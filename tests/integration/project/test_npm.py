"""The real npm: what it says of a tree, of a registry and of its cache."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes import lockfile, npm
from pytest_flowhealth.probes import outdated as behind
from pytest_flowhealth.probes.outdated import Outdated
from tests.kit import projects
from tests.kit.projects import change, package_in, write, write_module, write_program
from tests.kit.registry import RegistryFront
from tests.kit.waiting import wait_for


def outdated(root: Path) -> Outdated:
    return behind.outdated(root, workspaces(root, package_in(root).manifest))


def depend(root: Path, **specs: str) -> None:
    """Add dependencies to package.json."""
    named = json.loads((root / "package.json").read_text())["dependencies"]
    change(root, dependencies=named | specs)


def configure(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)


def test_an_installation_by_npm_is_whole_and_in_step(small: Path) -> None:
    lock = lockfile.read_lock(small)
    assert lock
    assert npm.ls(small) == npm.ls(small / "packages/one") == npm.Tree()
    assert lockfile.out_of_step(lock, workspaces(small, package_in(small).manifest)) == []
    assert lockfile.not_as_locked(lock, small) == []


def test_local_packages_of_every_kind_are_in_step_and_need_no_audit(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        write(tmp_path / "local" / name, name=name, version="1.0.0")
    local = {name: f"file:local/{name}" for name in ("one", "two", "three")}
    own: dict[str, Any] = {"dependencies": {"two": "file:../../local/two"}}
    write(tmp_path / "packages/a", name="a", version="1.0.0", **own, peerDependencies={"one": "*"})
    write(
        tmp_path,
        name="app",
        workspaces=["packages/*"],
        dependencies={"one": local["one"]},
        devDependencies={"three": local["three"]},
        optionalDependencies={"two": local["two"]},
    )
    projects.npm(tmp_path, "install", "--offline")

    lock = lockfile.read_lock(tmp_path)
    assert lock
    assert lockfile.out_of_step(lock, workspaces(tmp_path, package_in(tmp_path).manifest)) == []
    with pytest.raises(NotApplicable):
        npm.audit(tmp_path)


def test_a_tree_names_what_is_missing_invalid_and_extraneous(small: Path) -> None:
    """Also where a project's .npmrc narrows what `npm ls` would show."""
    shutil.rmtree(small / "node_modules/ms")
    write_module(small, "odd", name="is-number", version="5.0.0")
    write_module(small, "other")
    (small / ".npmrc").write_text("depth=0\npackage-lock-only=true\nlink=true\n")

    tree = npm.ls(small)

    assert "ms@^2.0.0, required by app" in str(tree.missing)
    assert "ms@^2.1.3, required by debug" in str(tree.missing)
    assert len(tree.invalid) == len(tree.extraneous) == 1
    assert str(small) not in tree.invalid[0]


def test_dependencies_that_npm_was_told_to_omit_are_not_missing(small: Path) -> None:
    """Npm takes a dependency for one of development where it is named as such, too."""
    named = {"ms": "^2.0.0", "odd": "npm:is-number@^6"}
    change(small, devDependencies=named, optionalDependencies={"no-such-thing-x": "1"})
    (small / ".npmrc").write_text("omit[]=dev\nomit[]=optional\n")

    assert npm.ls(small).missing == ()


def test_vulnerabilities_are_counted_by_package_with_its_worst_severity(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"ms": ["low", "moderate"], "is-number": ["high"], "debug": ["critical"]}
    with RegistryFront(audit=given) as front:
        configure(monkeypatch, front.environment)
        found = npm.audit(small)

    severities = {one.name: one.severity for one in found.packages}
    assert (severities["ms"], severities["debug"]) == ("moderate", "critical")
    assert (found.counts["high"], found.counts["critical"]) == (1, 1)


@pytest.mark.parametrize(("how", "says"), [("405", "status 405"), ("null", "no list: null")])
def test_a_broken_audit_endpoint_is_never_zero_vulnerabilities(
    small: Path, monkeypatch: pytest.MonkeyPatch, how: str, says: str
) -> None:
    with RegistryFront(audit=how) as front:
        configure(monkeypatch, front.environment)
        with pytest.raises(MeasurementUnavailable, match=says):
            npm.audit(small)


def test_an_audit_endpoint_that_hangs_is_unmeasured(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RegistryFront(audit="hang") as front:
        configure(monkeypatch, front.environment)
        with pytest.raises(MeasurementUnavailable):
            npm.audit(small, 3.0)


def test_without_a_lock_file_or_offline_nothing_is_audited(small: Path) -> None:
    (small / ".npmrc").write_text("offline=true\n")
    with pytest.raises(MeasurementUnavailable):
        npm.audit(small)
    (small / "package-lock.json").unlink()
    with pytest.raises(MeasurementUnavailable, match="lock"):
        npm.audit(small)


def test_a_lock_file_with_nothing_in_it_is_no_audit(small: Path) -> None:
    entries = {"": {"name": "app", "version": "1.0.0"}}
    lock = {"name": "app", "lockfileVersion": 3, "packages": entries}
    (small / "package-lock.json").write_text(json.dumps(lock))
    with RegistryFront(audit="none") as front:
        front.configure(small)
        with pytest.raises(MeasurementUnavailable):
            npm.audit(small)


def test_a_registry_that_can_not_be_reached_or_fails_leaves_both_questions_open(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1/")
    for question in (npm.audit, outdated):
        with pytest.raises(MeasurementUnavailable, match="ECONNREFUSED"):
            question(small)
    with RegistryFront(get="500") as front:
        monkeypatch.setenv("npm_config_registry", front.url)
        with pytest.raises(MeasurementUnavailable, match="500"):
            outdated(small)


def test_outdated_names_what_is_behind_and_what_the_registry_does_not_have(
    small: Path, registry: RegistryFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, registry.environment)
    unknown = "flowhealth-no-such-package-here"
    write_module(small, "types", name="@types/ms", version="0.7.0")
    write_module(small, unknown)
    depend(small, ms="^99.0.0", a="npm:ms@77", types="npm:@types/ms@^0.7", **{unknown: "^1.0.0"})

    found = outdated(small)

    newest = {one.name: one.newest for one in found.behind if one.major}
    assert newest["odd"] == "odd@npm:is-number@latest"
    assert newest["types"] == "types@npm:@types/ms@latest"
    assert found.untold == ("a@npm:ms@77", unknown, "ms@^99.0.0")


def test_the_cache_of_npm_answers_outdated_while_offline(small: Path) -> None:
    outdated(small)
    (small / ".npmrc").write_text("offline=true\n")
    assert "odd" in [one.name for one in outdated(small).behind]


def test_the_cache_is_the_folder_that_npm_names(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert npm.cache(small).is_absolute()
    for said in ("", "{}", "undefined", "/a\\n/b"):
        monkeypatch.setenv("PATH", write_program(small / "bin", "npm", f"printf '{said}'"))
        with pytest.raises(MeasurementUnavailable):
            npm.cache(small)


def test_without_npm_its_questions_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CheckFailed, match="no `npm` on the PATH"):
        npm.ls(tmp_path)


@pytest.mark.parametrize(
    "script", ["exec sleep 600", "sleep 600 & exec sleep 600", "sleep 600 & wait"]
)
def test_an_npm_that_hangs_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    note = tmp_path / "pid"
    monkeypatch.setenv("PATH", write_program(tmp_path, "npm", f"echo $$ > {note}\n{script}"))
    with pytest.raises(MeasurementUnavailable, match="gave no answer within 1 s"):
        npm.ls(tmp_path, 1.0)
    if note.exists():  # not where the machine was so busy that it had not begun
        group = int(note.read_text())
        wait_for(lambda: not members(group), message=lambda: members(group))


def members(group: int) -> list[int]:
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
