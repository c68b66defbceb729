"""Lock files: in step or not, hostile, of other package managers."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.config.manifest import Package
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes import lockfile
from pytest_flowhealth.probes.lockfile import Lock
from tests.kit.projects import change, package_in, write_module, write_package

ROOT: dict[str, Any] = {
    "name": "app",
    "version": "1.0.0",
    "workspaces": ["packages/*"],
    "dependencies": {"one": "file:local/one"},
    "devDependencies": {"three": "file:local/three"},
    "optionalDependencies": {"two": "file:local/two"},
}
WORKSPACE: dict[str, Any] = {
    "version": "1.0.0",
    "dependencies": {"two": "file:../../local/two"},
    "peerDependencies": {"one": "*"},
}
"""As npm 11 wrote it into its lock file, but for the name, which it leaves out there."""


def write_lock(root: Path, entries: object, name: str = "package-lock.json") -> None:
    (root / name).write_text(json.dumps({"lockfileVersion": 3, "packages": entries}))


def lock_of(root: Path) -> Lock:
    lock = lockfile.read_lock(root)
    assert lock
    return lock


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with a workspace, in step with its lock file."""
    write_package(tmp_path, **ROOT)
    write_package(tmp_path / "packages/a", **WORKSPACE, name="a")
    write_lock(tmp_path, {"": ROOT, "packages/a": WORKSPACE})
    return tmp_path


def out_of_step(root: Path) -> list[str]:
    return lockfile.out_of_step(lock_of(root), workspaces(root, package_in(root).manifest))


def test_a_lock_file_with_the_same_specs_is_in_step(project: Path) -> None:
    assert out_of_step(project) == []
    assert lockfile.manager(project) == "npm"


@pytest.mark.parametrize(
    ("file", "kind", "specs", "told"),
    [
        ("package.json", "dependencies", {"four": "^4"}, "package.json asks for four@^4, package-lock.json has none"),
        ("package.json", "dependencies", {"one": "^2"}, "asks for one@^2, package-lock.json for file:local/one"),
        ("package.json", "dependencies", {"one": None}, "package.json has no one, package-lock.json for file:local/one"),
        ("package.json", "devDependencies", {"three": "1"}, "asks for three@1"),
        ("package.json", "optionalDependencies", {"two": "1"}, "asks for two@1"),
        ("packages/a/package.json", "dependencies", {"two": "2"}, "packages/a: package.json asks for two@2"),
        ("packages/a/package.json", "peerDependencies", {"one": "1"}, "packages/a: package.json asks for one@1"),
    ],
)  # fmt: skip
def test_each_spec_that_the_lock_file_does_not_have_is_named(
    project: Path, file: str, kind: str, specs: dict[str, str | None], told: str
) -> None:
    folder = (project / file).parent
    changed = json.loads((folder / "package.json").read_text()).get(kind, {}) | specs
    change(folder, **{kind: {name: spec for name, spec in changed.items() if spec is not None}})

    (said,) = out_of_step(project)

    assert told in said


def test_a_workspace_that_the_lock_file_does_not_have_is_named(project: Path) -> None:
    write_package(project / "packages/b", name="b")
    assert out_of_step(project) == ["packages/b: package-lock.json does not know it"]


def test_what_is_installed_in_another_version_than_locked_is_named(tmp_path: Path) -> None:
    entries = {
        "": {},
        "node_modules/same": {"version": "1.0.0"},
        "node_modules/other": {"version": "1.0.0"},
        "node_modules/gone": {"version": "1.0.0"},
        "node_modules/gone-dev": {"version": "1.0.0", "dev": True},
        "node_modules/gone-optional": {"version": "1.0.0", "optional": True},
        "node_modules/gone-windows": {"version": "1.0.0", "os": ["win32"]},
        "node_modules/dev": {"version": "1.0.0", "dev": True},
        "node_modules/link": {"resolved": "packages/link", "link": True},
        "packages/link": {"version": "1.0.0"},
        "packages/link/node_modules/inner": {"version": "3.0.0"},
        "node_modules/../../outside": {"version": "1.0.0"},
        "/etc/node_modules/x": {"version": "1.0.0"},
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


def test_the_manager_is_told_by_its_lock_file(tmp_path: Path) -> None:
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
    [b"", b"{", b"null", b"[]", b"5", b"\xff\x00", b"[" * 1_000_000, b"{}", b'{"packages": []}', b'{"a": ' + b"9" * 9_999 + b"}"],
    ids=range(10),
)  # fmt: skip
def test_a_lock_file_with_hostile_content_is_broken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "package-lock.json").write_bytes(content)
    with pytest.raises(CheckFailed, match=r"package-lock\.json"):
        lockfile.read_lock(tmp_path)


def test_a_pipe_in_the_place_of_a_lock_file_is_broken(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "package-lock.json")
    with pytest.raises(CheckFailed, match="no regular file"):
        lockfile.read_lock(tmp_path)


def test_lock_file_version_1_is_unmeasured(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text('{"lockfileVersion": 1, "dependencies": {}}')
    with pytest.raises(MeasurementUnavailable, match="lockfileVersion 1"):
        lockfile.read_lock(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(("", "version", "dependencies", "deprecated", "link", "node_modules/a", "node_modules/\0", "x")), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(entries=st.dictionaries(st.sampled_from(("", "node_modules/a", "node_modules/a\0b", "node_modules/" + "a" * 300)), JSON))  # fmt: skip
def test_any_entries_are_read_or_refused(entries: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder, contextlib.suppress(FlowHealthError):
        packages: tuple[Package, ...] = (write_package(Path(folder), dependencies={"a": "1"}),)
        write_lock(Path(folder), entries)
        lock = lock_of(Path(folder))
        lockfile.out_of_step(lock, packages)
        lockfile.not_as_locked(lock, Path(folder))
        lockfile.deprecated(lock, packages)
