"""package.json and workspaces, whatever is in them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flowhealth.config.manifest import Manifest, read_manifest
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = st.sampled_from(
    [
        "name",
        "version",
        "dependencies",
        "bin",
        "main",
        "engines",
        "exports",
        "workspaces",
        "scripts",
        "os",
        "type",
    ]
)


def read(folder: Path, content: bytes | dict[str, object]) -> Manifest:
    path = folder / "package.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_manifest(path)


def test_the_parts_that_are_looked_at(tmp_path: Path) -> None:
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
        (
            b'{"name": 5, "dependencies": ["redis"]}',
            "'name' must be a string, not number; 'dependencies' must be",
        ),
        (b"9" * 10_000, "number"),
        (b" " * (6 * 2**20), "more than 5 MiB"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(CheckFailed, match=said) as caught:
        read(tmp_path, content)
    assert caught.value.remedy


def test_absent_and_no_regular_file(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="is not there"):
        read_manifest(tmp_path / "package.json")
    os.mkfifo(tmp_path / "package.json")
    with pytest.raises(CheckFailed, match="no regular file"):
        read_manifest(tmp_path / "package.json")


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
        (root / label).mkdir(parents=True)
        (root / label / "package.json").write_text(json.dumps({"name": label.replace("/", "-")}))


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
def test_workspaces(tmp_path: Path, patterns: list[str], found: list[str]) -> None:
    make(
        tmp_path,
        "packages/a",
        "packages/b",
        "packages/b/inner",
        "apps/web",
        "packages/a/node_modules/x",
    )
    manifest = read(tmp_path, {"name": "root", "workspaces": patterns})

    assert [one.label for one in workspaces(tmp_path, manifest)] == [".", *found]


@pytest.mark.parametrize(
    "patterns",
    [
        ["packages/{a,b}", "apps/*"],
        ["{apps,packages}/*", "!packages/b"],
        ["**"],
        ["./packages/*/"],
        [".hidden/x", "packages/?"],
        ["*/*"],
        ["linked/*"],
        ["apps/*", "!apps/*", "apps/web"],
        ["linked-one"],
    ],
)
def test_workspaces_are_those_that_npm_finds(tmp_path: Path, patterns: list[str]) -> None:
    make(tmp_path, "packages/a", "packages/b", "packages/b/inner", "apps/web", ".hidden/x")
    make(tmp_path / "elsewhere", "deep/one")
    (tmp_path / "linked-one").symlink_to("elsewhere/deep/one")
    (tmp_path / "linked").symlink_to("elsewhere/deep")
    manifest = read(tmp_path, {"name": "root", "workspaces": patterns})

    found = {one.label for one in workspaces(tmp_path, manifest)} - {"."}

    # Behind a link npm's ** sees nothing: we look at more, never at less.
    missed = set(npm_finds(tmp_path, patterns)) - found
    assert not missed
    assert patterns == ["**"] or found == set(npm_finds(tmp_path, patterns))


def npm_finds(root: Path, patterns: list[str]) -> list[str]:
    """Ask the map-workspaces that npm itself brings."""
    npm = Path(shutil.which("npm") or "").resolve().parent.parent
    script = f"""
      require({str(npm / "node_modules/@npmcli/map-workspaces")!r})({{
        cwd: {str(root)!r}, pkg: {{workspaces: {json.dumps(patterns)}}}
      }}).then(found => console.log(JSON.stringify([...found.values()])))
    """
    printed = subprocess.run(["node", "-e", script], capture_output=True, check=True, timeout=60)
    return [os.path.relpath(path, root) for path in json.loads(printed.stdout)]


@pytest.mark.parametrize(
    "pattern", ["packages/[ab]", "packages/+(a|b)", "p\\a", "{a,b}{c,d}" * 6, "packages/{a}"]
)
def test_a_pattern_that_is_not_understood_is_never_an_empty_one(
    tmp_path: Path, pattern: str
) -> None:
    manifest = read(tmp_path, {"workspaces": [pattern]})
    with pytest.raises(MeasurementUnavailable, match="is not understood"):
        workspaces(tmp_path, manifest)


def test_too_many_folders_are_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_pattern_that_leads_out(tmp_path: Path, pattern: str) -> None:
    manifest = read(tmp_path, {"workspaces": [pattern]})
    with pytest.raises(CheckFailed, match="leads out of the project"):
        workspaces(tmp_path, manifest)
