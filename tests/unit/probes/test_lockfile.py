"""Lock files: in step or not, hostile, of other package managers."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes import lockfile
from pytest_flowhealth.probes.lockfile import Lock
from tests.kit.projects import change, package_in, write_module, write_package

ONE = {"one": "file:local/one"}
ROOT: dict[str, Any] = {
    "name": "app",
    "version": "1.0.0",
    "workspaces": ["packages/*"],
    "dependencies": ONE,
    "devDependencies": {"three": "file:local/three"},
    "optionalDependencies": {"two": "file:local/two"},
}
WORKSPACE: dict[str, Any] = {
    "version": "1.0.0",
    "dependencies": {"two": "file:../../local/two"},
    "peerDependencies": {"one": "*"},
}


def write_lock(root: Path, entries: object, name: str = "package-lock.json") -> None:
    (root / name).write_text(json.dumps({"lockfileVersion": 3, "packages": entries}))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with a workspace, in step with its lock file."""
    write_package(tmp_path, **ROOT)
    write_package(tmp_path / "packages/a", **WORKSPACE, name="a")
    write_lock(tmp_path, {"": ROOT, "packages/a": WORKSPACE})
    return tmp_path


def lock_of(root: Path) -> Lock:
    lock = lockfile.read_lock(root)
    assert lock
    return lock


def out_of_step(root: Path) -> list[str]:
    return lockfile.out_of_step(lock_of(root), workspaces(root, package_in(root).manifest))


def test_a_lock_file_with_the_same_specs_is_in_step_and_a_new_workspace_is_not(
    project: Path,
) -> None:
    assert out_of_step(project) == []
    assert lockfile.manager(project) == "npm"
    write_package(project / "packages/b", name="b")
    assert out_of_step(project) == ["packages/b: package-lock.json does not know it"]


@pytest.mark.parametrize(
    ("folder", "kind", "specs", "says"),
    [
        ("", "dependencies", {**ONE, "four": "^4"}, "package.json asks for four@^4, package-lock.json has none"),
        ("", "dependencies", {"one": "^2"}, "asks for one@^2, package-lock.json for file:local/one"),
        ("", "dependencies", {}, "package.json has no one, package-lock.json for file:local/one"),
        ("", "devDependencies", {"three": "1"}, "asks for three@1"),
        ("", "optionalDependencies", {"two": "1"}, "asks for two@1"),
        ("packages/a", "peerDependencies", {"one": "1"}, "packages/a: package.json asks for one@1"),
    ],
)  # fmt: skip
def test_each_spec_that_the_lock_file_does_not_have_is_named(
    project: Path, folder: str, kind: str, specs: dict[str, str], says: str
) -> None:
    change(project / folder, **{kind: specs})
    (line,) = out_of_step(project)
    assert says in line


def test_what_is_installed_in_another_version_than_locked_is_named(tmp_path: Path) -> None:
    locked = {"version": "1.0.0"}
    names = ("same", "other", "gone", "dev", "../../outside")
    entries: dict[str, object] = {f"node_modules/{name}": locked for name in names}
    entries |= {
        "node_modules/dev": {**locked, "dev": True},
        "node_modules/gone-dev": {**locked, "dev": True},
        "node_modules/gone-optional": {**locked, "optional": True},
        "node_modules/gone-windows": {**locked, "os": ["win32"]},
        "node_modules/link": {"resolved": "packages/link", "link": True},
        "packages/link": locked,
        "packages/link/node_modules/inner": {"version": "3.0.0"},
        "/etc/node_modules/x": locked,
    }
    write_lock(tmp_path, entries)
    for name, version in {"same": "1.0.0", "other": "2.0.0", "dev": "2.0.0"}.items():
        write_module(tmp_path, name, version=version)

    assert lockfile.not_as_locked(lock_of(tmp_path), tmp_path) == [
        "other@2.0.0 is installed, 1.0.0 is locked",
        "gone@1.0.0 is locked, but not installed",
        "dev@2.0.0 is installed, 1.0.0 is locked",
        "inner@3.0.0 is locked, but not installed",
    ]


def test_deprecated_packages_are_listed_with_the_direct_ones_first(tmp_path: Path) -> None:
    entries = {
        "": {},
        "node_modules/b": {"version": "1.0.0", "deprecated": "use c"},
        "node_modules/a": {"version": "2.0.0", "deprecated": "old"},
        "node_modules/fine": {"version": "1.0.0"},
        "node_modules/fine/node_modules/b": {"version": "0.1.0", "deprecated": "use c"},
    }
    app = write_package(tmp_path, dependencies={"b": "1", "fine": "1"})
    write_lock(tmp_path, entries)

    found = lockfile.deprecated(lock_of(tmp_path), (app,))

    assert [(one.name, one.version, one.direct) for one in found] == [
        ("b", "1.0.0", True), ("a", "2.0.0", False), ("b", "0.1.0", False),
    ]  # fmt: skip


def test_the_manager_follows_from_the_lock_file(tmp_path: Path) -> None:
    assert lockfile.manager(tmp_path) is None
    assert lockfile.read_lock(tmp_path) is None
    for name, manager in lockfile.OTHERS.items():
        (tmp_path / name).write_text("")
        assert lockfile.manager(tmp_path) == manager
        (tmp_path / name).unlink()
    write_lock(tmp_path, {"": {}}, "npm-shrinkwrap.json")
    assert lock_of(tmp_path).name == "npm-shrinkwrap.json"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\x00", b"[" * 1_000_000, b"{}", b'{"packages": []}', None],
    ids=range(8),
)
def test_a_lock_file_that_is_a_pipe_or_hostile_is_broken(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is None:
        os.mkfifo(tmp_path / "package-lock.json")
    else:
        (tmp_path / "package-lock.json").write_bytes(content)
    with pytest.raises(CheckFailed, match=r"package-lock\.json"):
        lockfile.read_lock(tmp_path)


@pytest.mark.parametrize("entry", [None, 5, "x", [], {"version": 5, "deprecated": [], "link": "x"}])
@pytest.mark.parametrize(
    "place", ["", "node_modules/a", "node_modules/a\0b", "node_modules/" + "a" * 300], ids=range(4)
)
def test_any_entry_is_read_or_refused(tmp_path: Path, place: str, entry: object) -> None:
    package = write_package(tmp_path, dependencies={"a": "1"})
    write_lock(tmp_path, {place: entry})
    with contextlib.suppress(FlowHealthError):
        lockfile.out_of_step(lock_of(tmp_path), (package,))
        lockfile.not_as_locked(lock_of(tmp_path), tmp_path)
        lockfile.deprecated(lock_of(tmp_path), (package,))


def test_lock_file_version_1_is_unmeasured(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text('{"lockfileVersion": 1, "dependencies": {}}')
    with pytest.raises(MeasurementUnavailable, match="lockfileVersion 1"):
        lockfile.read_lock(tmp_path)
