"""The real npm: what it says of a tree, of a registry and of its cache."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes import installed, lockfile, npm
from pytest_flowhealth.probes import outdated as behind
from pytest_flowhealth.probes.installed import Comparison
from pytest_flowhealth.probes.outdated import Outdated
from tests.kit import projects
from tests.kit.projects import change, package_in, write, write_module, write_program
from tests.kit.registry import RegistryFront


def outdated(root: Path) -> Outdated:
    return behind.outdated(root, workspaces(root, package_in(root).manifest))


def compare(root: Path) -> Comparison:
    return installed.compare(root / "node_modules", npm.cache(root))


def test_an_installation_by_npm_is_whole_in_step_and_as_published(small: Path) -> None:
    lock = lockfile.read_lock(small)
    assert lock
    assert npm.ls(small) == npm.ls(small / "packages/one") == npm.Tree()
    assert lockfile.out_of_step(lock, workspaces(small, package_in(small).manifest)) == []
    assert lockfile.not_as_locked(lock, small) == []
    assert compare(small) == Comparison(4)


def test_files_that_differ_from_the_archives_are_found_in_the_root_and_in_a_workspace(
    small: Path,
) -> None:
    cut = small / "packages/one/node_modules/ms/index.js"
    cut.write_text(cut.read_text()[:100])
    broken = small / "node_modules/ms/index.js"
    broken.write_text("}" + broken.read_text())
    edited = small / "node_modules/debug/src/index.js"
    edited.write_text(edited.read_text() + "// mine")

    found = compare(small)

    assert {(one.place, one.kind) for one in found.broken} == {
        ("packages/one/node_modules/ms", "cut off"),
        ("node_modules/ms", "unparseable"),
    }
    assert [(one.file, one.kind) for one in found.altered] == [("src/index.js", "altered")]


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


@pytest.mark.parametrize(
    ("answer", "seconds", "says"),
    [("405", 60.0, "status 405"), ("null", 60.0, "no list: null"), ("hang", 3.0, "npm audit")],
)
def test_an_audit_endpoint_that_is_broken_or_hangs_is_never_zero_vulnerabilities(
    small: Path, monkeypatch: pytest.MonkeyPatch, answer: str, seconds: float, says: str
) -> None:
    with RegistryFront(audit=answer) as front:
        monkeypatch.setenv("npm_config_registry", front.url)
        with pytest.raises(MeasurementUnavailable, match=says):
            npm.audit(small, seconds)


def test_offline_or_without_a_lock_file_with_packages_nothing_is_audited(
    small: Path, registry: RegistryFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = small / "package-lock.json"
    npmrc = (small / ".npmrc").read_text()
    (small / ".npmrc").write_text("offline=true\n")
    with pytest.raises(MeasurementUnavailable):
        npm.audit(small)
    (small / ".npmrc").write_text(npmrc)
    monkeypatch.setenv("npm_config_registry", registry.url)
    lock.write_text('{"name": "app", "lockfileVersion": 3, "packages": {"": {"name": "app"}}}')
    with pytest.raises(MeasurementUnavailable):
        npm.audit(small)
    lock.unlink()
    with pytest.raises(MeasurementUnavailable, match="lock"):
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
    monkeypatch.setenv("npm_config_registry", registry.url)
    unknown = "flowhealth-no-such-package-here"
    write_module(small, "types", name="@types/ms", version="0.7.0")
    write_module(small, unknown)
    specs = {"ms": "^99.0.0", "a": "npm:ms@77", "types": "npm:@types/ms@^0.7", unknown: "^1.0.0"}
    change(small, dependencies={"odd": "npm:is-number@^6", "debug": "^4", **specs})

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
