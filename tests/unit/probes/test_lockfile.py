"""Lock files: in step or not, hostile, of other package managers; npm's own are written by npm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_flowhealth.config.manifest import Package, read_manifest
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import FlowHealthError, ProbeError, Unmeasured
from pytest_flowhealth.probes import lockfile
from pytest_flowhealth.probes.lockfile import Lock


def write(root: Path, entries: object = None, lock: str = "package-lock.json", **manifest: Any) -> tuple[Package, ...]:  # fmt: skip
    """Write package.json and, where `entries` are given, a lock file; return the packages."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "package.json").write_text(json.dumps(manifest))
    if entries is not None:
        (root / lock).write_text(json.dumps({"lockfileVersion": 3, "packages": entries}))
    return (Package(root, ".", read_manifest(root / "package.json")),)


def install(root: Path, name: str, version: str) -> None:
    folder = root / "node_modules" / name
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": name, "version": version}))


def lock_of(root: Path) -> Lock:
    lock = lockfile.read_lock(root)
    assert lock
    return lock


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose lock file npm wrote: specs of every kind, a workspace, local packages."""
    root = tmp_path_factory.mktemp("locked")
    for name in ("one", "two", "three"):
        write(root / "local" / name, name=name, version="1.0.0")
    write(root / "packages/a", name="a", version="1.0.0", dependencies={"two": "file:../../local/two"}, peerDependencies={"one": "*"})  # fmt: skip
    write(
        root,
        name="app",
        version="1.0.0",
        workspaces=["packages/*"],
        dependencies={"one": "file:local/one"},
        devDependencies={"three": "file:local/three"},
        optionalDependencies={"two": "file:local/two"},
    )
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--offline"],
        cwd=root,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return root


@pytest.fixture
def project(locked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(locked, tmp_path / "app", symlinks=True))


def stale(root: Path) -> list[str]:
    manifest = read_manifest(root / "package.json")
    return lockfile.out_of_step(lock_of(root), workspaces(root, manifest))


def change(file: Path, kind: str, **specs: str | None) -> None:
    raw = json.loads(file.read_text())
    part = raw.setdefault(kind, {})
    for name, spec in specs.items():
        if spec is None:
            del part[name]
        else:
            part[name] = spec
    file.write_text(json.dumps(raw))


def test_what_npm_wrote_is_in_step(project: Path) -> None:
    assert stale(project) == []
    assert lockfile.not_as_locked(lock_of(project), project) == []
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
def test_out_of_step(project: Path, file: str, kind: str, specs: dict[str, str | None], told: str) -> None:  # fmt: skip
    change(project / file, kind, **specs)
    (said,) = stale(project)
    assert told in said


def test_a_workspace_that_the_lock_does_not_know(project: Path) -> None:
    write(project / "packages/b", name="b", version="1.0.0")
    assert stale(project) == ["packages/b: package-lock.json does not know it"]


def test_installed_otherwise_than_locked(tmp_path: Path) -> None:
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
    write(tmp_path, entries, name="app")
    for name, version in {"same": "1.0.0", "other": "2.0.0", "dev": "2.0.0"}.items():
        install(tmp_path, name, version)

    assert lockfile.not_as_locked(lock_of(tmp_path), tmp_path) == [
        "other@2.0.0 is installed, 1.0.0 is locked",
        "gone@1.0.0 is locked, but not installed",
        "dev@2.0.0 is installed, 1.0.0 is locked",
        "inner@3.0.0 is locked, but not installed",
    ]


def test_deprecated_ones_the_direct_first(tmp_path: Path) -> None:
    entries = {
        "": {},
        "node_modules/b": {"version": "1.0.0", "deprecated": "use c"},
        "node_modules/a": {"version": "2.0.0", "deprecated": "old"},
        "node_modules/fine": {"version": "1.0.0"},
        "node_modules/fine/node_modules/b": {"version": "0.1.0", "deprecated": "use c"},
    }
    packages = write(tmp_path, entries, dependencies={"b": "1", "fine": "1"})

    found = lockfile.deprecated(lock_of(tmp_path), packages)

    assert [(one.name, one.version, one.direct) for one in found] == [
        ("b", "1.0.0", True), ("a", "2.0.0", False), ("b", "0.1.0", False),
    ]  # fmt: skip


def test_which_manager(tmp_path: Path) -> None:
    assert lockfile.manager(tmp_path) is None
    assert lockfile.read_lock(tmp_path) is None
    for name, manager in lockfile.OTHERS.items():
        (tmp_path / name).write_text("")
        assert lockfile.manager(tmp_path) == manager
        (tmp_path / name).unlink()
    write(tmp_path, {"": {}}, lock="npm-shrinkwrap.json")
    assert lock_of(tmp_path).name == "npm-shrinkwrap.json"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"5", b"\xff\x00", b"[" * 1_000_000, b"{}", b'{"packages": []}', b'{"a": ' + b"9" * 9_999 + b"}"],
    ids=range(10),
)  # fmt: skip
def test_hostile_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "package-lock.json").write_bytes(content)
    with pytest.raises(ProbeError, match=r"package-lock\.json"):
        lockfile.read_lock(tmp_path)


def test_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "package-lock.json")
    with pytest.raises(ProbeError, match="no regular file"):
        lockfile.read_lock(tmp_path)


def test_the_first_version_tells_too_little(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text('{"lockfileVersion": 1, "dependencies": {}}')
    with pytest.raises(Unmeasured, match="lockfileVersion 1"):
        lockfile.read_lock(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(("", "version", "dependencies", "deprecated", "link", "node_modules/a", "node_modules/\0", "x")), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.dictionaries(st.sampled_from(("", "node_modules/a", "node_modules/a\0b", "node_modules/" + "a" * 300)), JSON))  # fmt: skip
def test_no_lock_file_crashes_us(tmp_path: Path, entries: dict[str, Any]) -> None:
    packages = write(tmp_path, entries, name="app", dependencies={"a": "1"})
    try:
        lock = lock_of(tmp_path)
        lockfile.out_of_step(lock, packages)
        lockfile.not_as_locked(lock, tmp_path)
        lockfile.deprecated(lock, packages)
    except FlowHealthError:
        pass
