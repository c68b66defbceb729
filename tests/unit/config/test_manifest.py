"""package.json and workspaces, whatever is in them."""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.manifest import Manifest, read_manifest
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from tests.kit.projects import write, write_package


def read(folder: Path, content: str | bytes) -> Manifest:
    return read_manifest(write(folder, {"package.json": content}) / "package.json")


def test_each_part_of_a_manifest_is_read(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "name": "@scope/app",
        "version": "1.0.0",
        "type": "module",
        "bin": "cli.js",
        "dependencies": {"redis": "^5"},
        "engines": ["node >= 0.8"],
        "os": ["!win32"],
        "workspaces": {"packages": ["packages/*"]},
        "typings": "x.d.ts",
    }
    manifest = read(tmp_path, "\ufeff" + json.dumps(fields))
    assert manifest.bin == {"app": "cli.js"}
    assert (manifest.type, manifest.types, manifest.engines) == ("module", "x.d.ts", {})
    assert (manifest.workspaces, manifest.os) == (("packages/*",), ("!win32",))


@pytest.mark.parametrize(
    ("content", "says"),
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
    ids=range(8),
)
def test_a_broken_manifest_is_refused_with_the_place_and_a_remedy(
    tmp_path: Path, content: bytes, says: str
) -> None:
    with pytest.raises(CheckFailed, match=says) as caught:
        read(tmp_path, content)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "is not there"),
        (os.mkfifo, "no regular file"),
        (Path.mkdir, "no regular file"),
        (lambda path: path.symlink_to("package.json"), "can't be read"),
    ],
    ids=["nothing", "a pipe", "a folder", "a link to itself"],
)
def test_a_manifest_that_is_no_regular_file_is_refused(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "package.json")
    with pytest.raises(CheckFailed, match=says):
        read_manifest(tmp_path / "package.json")


FIELDS = ("name", "bin", "dependencies", "engines", "exports", "workspaces", "scripts", "os")


@pytest.mark.parametrize("field", FIELDS)
def test_any_value_of_a_field_gives_a_manifest_or_our_error(tmp_path: Path, field: str) -> None:
    values: tuple[object, ...] = (None, 5, 1e999, "", "\ud800", [], [5], {"": 5}, {"x": {"y": []}})
    for value in values:
        with contextlib.suppress(CheckFailed):
            assert isinstance(read(tmp_path, json.dumps({field: value})), Manifest)


def find(root: Path, pattern: str, *more: str) -> list[str]:
    """Return the labels of the workspaces that these patterns find."""
    manifest = write_package(root, workspaces=[pattern, *more]).manifest
    return [one.label for one in workspaces(root, manifest)]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["packages/*"], ["packages/a", "packages/b"]),
        (["packages/**"], ["packages/a", "packages/b", "packages/b/inner"]),
        (["packages/*", "!packages/b"], ["packages/a"]),
        (["./apps/web", "nothing/*"], ["apps/web"]),
    ],
)
def test_workspaces_are_found_by_their_patterns(
    tmp_path: Path, patterns: list[str], found: list[str]
) -> None:
    for label in ("a", "b", "b/inner", "a/node_modules/x", "../apps/web"):
        write(tmp_path / "packages" / label, name=label.replace("/", "-"))
    assert find(tmp_path, *patterns) == [".", *found]


@pytest.mark.parametrize(
    ("pattern", "error", "says"),
    [
        ("packages/[ab]", MeasurementUnavailable, "is not understood"),
        ("packages/+(a|b)", MeasurementUnavailable, "is not understood"),
        ("p\\a", MeasurementUnavailable, "is not understood"),
        ("{a,b}{c,d}" * 6, MeasurementUnavailable, "is not understood"),
        ("packages/{a}", MeasurementUnavailable, "is not understood"),
        ("../other", CheckFailed, "leads out of the project"),
        ("/etc", CheckFailed, "leads out of the project"),
        ("a/../../b", CheckFailed, "leads out of the project"),
        ("broken/*", CheckFailed, r"workspace broken/a: package\.json is no JSON"),
    ],
)
def test_a_pattern_that_is_not_understood_leads_out_or_finds_a_broken_workspace_is_an_error(
    tmp_path: Path, pattern: str, error: type[Exception], says: str
) -> None:
    write(tmp_path, {"broken/a/package.json": "{"})
    with pytest.raises(error, match=says):
        find(tmp_path, pattern)


def test_too_many_folders_leave_the_workspaces_unmeasured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (tmp_path / f"packages/{number}").mkdir(parents=True)
    monkeypatch.setattr("pytest_flowhealth.config.workspaces._MOST_FOLDERS", 10)
    with pytest.raises(MeasurementUnavailable, match="more than 10 folders"):
        find(tmp_path, "packages/*")
