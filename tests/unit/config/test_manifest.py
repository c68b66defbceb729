"""package.json and workspaces, whatever is in them."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_flowhealth.config.manifest import Manifest, read_manifest
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from tests.kit.projects import write

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
NAMES = "name version dependencies bin main engines exports workspaces scripts os type"
FIELDS = st.sampled_from(NAMES.split())


def read(folder: Path, content: bytes | dict[str, object]) -> Manifest:
    path = folder / "package.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_manifest(path)


def test_each_part_of_a_manifest_is_read(tmp_path: Path) -> None:
    manifest = read(
        tmp_path,
        {
            "name": "@scope/app",
            "version": "1.0.0",
            "type": "module",
            "bin": "cli.js",
            "dependencies": {"redis": "^5"},
            "engines": ["node >= 0.8"],
            "os": ["!win32"],
            "workspaces": {"packages": ["packages/*"]},
            "typings": "x.d.ts",
        },
    )
    assert manifest.bin == {"app": "cli.js"}
    assert (manifest.type, manifest.types, manifest.engines) == ("module", "x.d.ts", {})
    assert (manifest.workspaces, manifest.os) == (("packages/*",), ("!win32",))


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    assert read(tmp_path, b'\xef\xbb\xbf{"name": "a"}').name == "a"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON"),
        (b'{"name": "a", "dep', "line 1 column"),
        (b"\x00\xff\xfe", "not UTF-8"),
        (b"[" * 1_000_000, "nested too deep"),
        (b"[]", "a JSON list, not an object"),
        (b"null", "not an object"),
        (b"<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n", "no JSON"),
        ('{"name": "a"}'.encode("utf-16"), "not UTF-8"),
        (
            b'{"name": 5, "dependencies": ["redis"]}',
            "'name' must be a string, not number; 'dependencies' must be",
        ),
        (b"9" * 10_000, "number"),
        (b" " * (6 * 2**20), "more than 5 MiB"),
    ],
)
def test_a_broken_manifest_is_refused_with_the_place_and_a_remedy(
    tmp_path: Path, content: bytes, said: str
) -> None:
    with pytest.raises(CheckFailed, match=said) as caught:
        read(tmp_path, content)
    assert caught.value.remedy


def test_a_manifest_that_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "package.json"
    with pytest.raises(CheckFailed, match="is not there"):
        read_manifest(path)
    os.mkfifo(path)
    with pytest.raises(CheckFailed, match="no regular file"):
        read_manifest(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(CheckFailed, match="no regular file"):
        read_manifest(path)
    path.rmdir()
    path.symlink_to("package.json")
    with pytest.raises(CheckFailed, match="can't be read"):
        read_manifest(path)


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(
        st.binary(),
        JSON.map(lambda one: json.dumps(one).encode()),
        st.dictionaries(FIELDS, JSON).map(lambda one: json.dumps(one).encode()),
    )
)
def test_any_bytes_give_a_manifest_or_our_error(content: bytes) -> None:
    with TemporaryDirectory() as folder, contextlib.suppress(CheckFailed):
        assert isinstance(read(Path(folder), content), Manifest)


def make(root: Path, *labels: str) -> None:
    for label in labels:
        write(root / label, name=label.replace("/", "-"))


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["packages/*"], ["packages/a", "packages/b"]),
        (["packages/**"], ["packages/a", "packages/b", "packages/b/inner"]),
        (["packages/*", "!packages/b"], ["packages/a"]),
        (["./apps/web"], ["apps/web"]),
        (["nothing/*"], []),
    ],
)
def test_workspaces_are_found_by_their_patterns(
    tmp_path: Path, patterns: list[str], found: list[str]
) -> None:
    make(tmp_path, "packages/a", "packages/b", "packages/b/inner", "apps/web")
    make(tmp_path, "packages/a/node_modules/x")
    manifest = read(tmp_path, {"name": "root", "workspaces": patterns})

    assert [one.label for one in workspaces(tmp_path, manifest)] == [".", *found]


@pytest.mark.parametrize(
    "pattern", ["packages/[ab]", "packages/+(a|b)", "p\\a", "{a,b}{c,d}" * 6, "packages/{a}"]
)
def test_a_pattern_that_is_not_understood_leaves_the_workspaces_unmeasured(
    tmp_path: Path, pattern: str
) -> None:
    manifest = read(tmp_path, {"workspaces": [pattern]})
    with pytest.raises(MeasurementUnavailable, match="is not understood"):
        workspaces(tmp_path, manifest)


def test_too_many_folders_leave_the_workspaces_unmeasured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, *(f"packages/{number}" for number in range(20)))
    monkeypatch.setattr("pytest_flowhealth.config.workspaces._MOST_FOLDERS", 10)
    manifest = read(tmp_path, {"workspaces": ["packages/*"]})
    with pytest.raises(MeasurementUnavailable, match="more than 10 folders"):
        workspaces(tmp_path, manifest)


def test_a_broken_workspace_is_named(tmp_path: Path) -> None:
    make(tmp_path, "packages/a")
    (tmp_path / "packages/a/package.json").write_text("{")
    manifest = read(tmp_path, {"workspaces": ["packages/*"]})
    with pytest.raises(CheckFailed, match=r"workspace packages/a: package\.json is no JSON"):
        workspaces(tmp_path, manifest)


@pytest.mark.parametrize("pattern", ["../other", "/etc", "a/../../b"])
def test_a_pattern_that_leads_out_of_the_project_is_refused(tmp_path: Path, pattern: str) -> None:
    manifest = read(tmp_path, {"workspaces": [pattern]})
    with pytest.raises(CheckFailed, match="leads out of the project"):
        workspaces(tmp_path, manifest)
