"""What a package.json promises, and whether it is there, whole, parseable and fresh."""

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.manifest import Package
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import artifacts, build, freshness
from pytest_flowhealth.probes.build import Found
from pytest_flowhealth.probes.javascript import Source
from tests.kit.projects import write as write_files
from tests.kit.projects import write_package


def write(root: Path, *names: str, content: str | bytes = "1;\n") -> None:
    write_files(root, dict.fromkeys(names, content))


def package(root: Path, **fields: Any) -> Package:
    return write_package(root, **{"name": "it", **fields})


def found(root: Path, **fields: Any) -> Found:
    return build.find(artifacts.promises(package(root, **fields)), root)


def labels(found: Found) -> list[str]:
    return sorted(source.label for source in found.files)


def paths(root: Path, **fields: Any) -> dict[str, str]:
    return {one.field: one.path for one in artifacts.promises(package(root, **fields))}


def test_each_field_of_a_manifest_promises_its_file_once(tmp_path: Path) -> None:
    assert paths(tmp_path) == {}
    assert paths(tmp_path, main="a.js", module="b.mjs") == {"main": "a.js", "module": "b.mjs"}
    assert paths(tmp_path, typings="c.d.ts", bin="d.js") == {"types": "c.d.ts", "bin.it": "d.js"}
    assert paths(tmp_path, bin={"x": "./x.js", "y": "y.js"}) == {"bin.x": "./x.js", "bin.y": "y.js"}
    assert paths(tmp_path, main="a.js", exports="./a.js", bin="a.js") == {"bin.it": "a.js"}


@pytest.mark.parametrize(
    ("exports", "expected"),
    [
        ("./a.js", {"exports": "./a.js"}),
        (
            {"import": "./a.mjs", "require": "./a.cjs"},
            {"exports.import": "./a.mjs", "exports.require": "./a.cjs"},
        ),
        ({".": {"node": {"import": "./a.js"}}}, {'exports["."].node.import': "./a.js"}),
        ({"./x": ["./a.js", None], "./y": None}, {'exports["./x"]': "./a.js"}),
        ({"./f/*": "./dist/*.js"}, {'exports["./f/*"]': "./dist/*.js"}),
        ([], {}),
    ],
)
def test_exports_promise_each_target_of_each_condition(
    tmp_path: Path, exports: object, expected: dict[str, str]
) -> None:
    assert paths(tmp_path, exports=exports) == expected


@pytest.mark.parametrize(
    ("field", "path", "file"),
    [
        *(("main", "./a", "a.js"), ("main", "a", "a"), ("main", "a", "a.json")),
        *(("main", "a", "a.node"), ("main", "a", "a/index.js"), ("main", "a/", "a/index.json")),
        *(("main", ".", "index.js"), ("types", "a.d.ts", "a.d.ts")),
        *(("types", "a", "a.d.ts"), ("types", "a", "a/index.d.ts")),
    ],
)
def test_main_and_types_are_found_as_node_and_typescript_find_them(
    tmp_path: Path, field: str, path: str, file: str
) -> None:
    assert found(tmp_path, **{field: path}).problems
    write(tmp_path, file, content="" if field == "types" else "1;\n")
    assert labels(found(tmp_path, **{field: path})) == [file]


def test_exports_and_bin_are_taken_by_the_letter(tmp_path: Path) -> None:
    write(tmp_path, "a.js", "b.js")
    result = found(tmp_path, exports="./a", bin="b")
    assert result.files == ()
    assert sorted(result.problems) == ["a (exports) is missing", "b (bin.it) is missing"]
    (problem,) = found(tmp_path, exports={".": "a.js"}).problems
    assert "begin with ./" in problem


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("./dist/*.js", ["dist/a.js", "dist/deep/b.js", "dist/x/x.js"]),
        ("./dist/*/*.js", ["dist/x/x.js"]),
        ("./*", []),  # the whole package: no file in particular
    ],
)
def test_a_pattern_in_exports_is_kept_by_one_whole_file(
    tmp_path: Path, pattern: str, files: list[str]
) -> None:
    write(tmp_path, "dist/a.js", "dist/deep/b.js", "dist/x/x.js", "dist/c.css", "other/d.js")
    write(tmp_path, "dist/empty.js", content="")
    result = found(tmp_path, exports={"./*": pattern})
    assert (labels(result), result.problems) == (files, ())


def test_a_pattern_that_fits_nothing_or_empty_files_only_is_broken(tmp_path: Path) -> None:
    write(tmp_path, "dist/a.js", "dist/b.js", content=" \n")
    for pattern, says in (("./lib/*.js", 'lib/*.js (exports["./*"]) is missing'), ("./dist/*.js", "empty")):  # fmt: skip
        (problem,) = found(tmp_path, exports={"./*": pattern}).problems
        assert says in problem


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("dist/index.js", ["dist/index.js"]), ("dist/*.js", ["dist/index.js", "dist/x.js"]),
        ("dist/**/*.js", ["dist/deep/er/y.js", "dist/index.js", "dist/x.js"]), ("dist/?.js", ["dist/x.js"]),
        ("dist/[xy].js", ["dist/x.js"]), ("**/y.js", ["dist/deep/er/y.js"]),
        ("dist/**", ["dist/deep/er/y.js", "dist/index.js", "dist/x.js"]), ("./dist/x.js", ["dist/x.js"]),
        ("odd[1].js", ["odd[1].js"]), ("dist/*.css", None), ("dist/**/**/**/**/**/**/**/**/**/**/**/z.js", None),
    ],
)  # fmt: skip
def test_a_configured_glob_names_files(
    tmp_path: Path, pattern: str, expected: list[str] | None
) -> None:
    write(tmp_path, "dist/index.js", "dist/x.js", "dist/deep/er/y.js", "odd[1].js")
    result = build.find(artifacts.configured(tmp_path, (pattern,)), tmp_path)
    if expected is None:
        assert result.problems == (f"{pattern} (build.artifacts) is missing",)
    else:
        assert labels(result) == expected
        assert result.problems == ()


@pytest.mark.parametrize("content", ["", " \n\t\r\n", "\ufeff\n", " " * (2 << 20)], ids=range(4))
def test_a_file_of_white_space_is_empty(tmp_path: Path, content: str) -> None:
    write(tmp_path, "a.js", content=content)
    assert found(tmp_path, main="a.js").problems == ("a.js (main) is empty",)


@pytest.mark.parametrize("path", ["../a.js", "/etc/hostname", "x/../../a.js", "../*.js", "/*"])
def test_nothing_outside_the_target_is_looked_at(tmp_path: Path, path: str) -> None:
    root = tmp_path / "it"
    write(tmp_path, "a.js")
    (problem,) = found(root, main=path).problems
    assert problem == f"{path} (main) is outside the target"
    (problem,) = build.find(artifacts.configured(root, (path,)), root).problems
    assert "outside" in problem


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"main": "out.js"}, "leads outside"),
        ({"main": "nowhere.js"}, "is missing"),
        ({"main": "pipe.js"}, "is a pipe"),
        ({"bin": "folder.js"}, "is a folder"),
        ({"main": "folder.js"}, "is missing"),
    ],
)
def test_a_link_is_followed_inside_the_target_and_only_a_regular_file_is_an_artifact(
    tmp_path: Path, fields: dict[str, str], says: str
) -> None:
    root = tmp_path / "it"
    write(tmp_path, "a.js", "it/real.js")
    for name, target in {
        "out.js": "../a.js",
        "in.js": "real.js",
        "nowhere.js": "absent.js",
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe.js")
    (root / "folder.js").mkdir()
    assert labels(found(root, main="in.js")) == ["in.js"]
    assert says in found(root, **fields).problems[0]


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "x" * 5_000, "a/" * 3_000, "\n\x1b[31m"])
def test_a_hostile_name_is_missing(tmp_path: Path, path: str) -> None:
    assert "is missing" in found(tmp_path, main=path).problems[0]
    assert found(tmp_path, exports={"./*": f"./{path}*"}).problems


def test_deeply_nested_exports_give_a_short_message(tmp_path: Path) -> None:
    exports: object = "./a.js"
    for _ in range(400):
        exports = {"node": exports}
    (problem,) = found(tmp_path, exports=exports).problems
    assert len(problem) < 300


def test_the_promises_of_each_workspace_count(tmp_path: Path) -> None:
    root = package(tmp_path, workspaces=["packages/*"], main="a.js")
    package(tmp_path / "packages/one", name="one", main="dist/index.js")
    write(tmp_path, "a.js")
    everything = workspaces(tmp_path, root.manifest)
    result = build.find([file for one in everything for file in artifacts.promises(one)], tmp_path)
    assert labels(result) == ["a.js"]
    assert result.problems == ("packages/one/dist/index.js (main) is missing",)


def test_json_webassembly_and_add_ons_are_recognised_by_their_content(tmp_path: Path) -> None:
    whole: dict[str, str | bytes] = {"a.json": "{}", "a.wasm": b"\0asm\1", "a.node": b"\x7fELF\2"}
    others = {"a.css": "}}}", "a.d.ts": "}}}"}
    broken = {"b.json": "{", "b.wasm": "<html>", "b.node": "<html>"}
    files = whole | others | broken
    write_files(tmp_path, files)

    parsed = build.syntax([Source(tmp_path / name, name) for name in files])

    assert parsed.count == len(whole | broken)
    assert {type(error) for error in parsed.errors} == {CheckFailed}
    assert [error.message.split()[0] for error in parsed.errors] == list(broken)


def compared(root: Path, times: dict[str, float], *names: str) -> freshness.Comparison:
    """Write files with their times of modification, and compare the artifacts `names`."""
    for name, when in times.items():
        write(root, name)
        os.utime(root / name, (when, when))
    packages = [root, root / "packages/one", root / "packages/two"]
    return freshness.compare([Source(root / name, name) for name in names], packages, root)


FRESH = {"dist/index.js": 1_000, "src/a.ts": 1_000, "src/b.ts": 1_001.5}
NATIVE = {"build/a.node": 1_000, "src/a.ts": 9_000}
WORKSPACE = {"packages/one/dist/a.js": 1_000, "packages/two/src/b.ts": 9_000, "src/c.ts": 9_000}
NO_SOURCES = ("src/a.test.ts", "src/__tests__/b.ts", "src/README.md", "src/native.cc", "other/d.ts")


@pytest.mark.parametrize(
    ("times", "built", "stale"),
    [
        (FRESH, "dist/index.js", []),
        (FRESH | {"src/deep/new.ts": 5_000}, "dist/index.js", [("src/deep/new.ts", 4_000)]),
        (FRESH | {"src/new.ts": 5_000, "dist/other.js": 5_000}, "dist/index.js", []),
        (FRESH | dict.fromkeys(NO_SOURCES, 9_000), "dist/index.js", []),
        (FRESH | {"src/node_modules/c.ts": 9_000}, "dist/index.js", []),
        (
            FRESH | {"dist/b.js": 1_000, "src/b.ts": 9_000},
            "dist/index.js dist/b.js",
            [("src/b.ts", 8_000)],
        ),
        (FRESH, "index.js", None),
        ({".x/dist/src/b.js": 1_000, **FRESH}, ".x/dist/src/b.js", []),
        (NATIVE, "build/a.node", None),
        (NATIVE | {"src/a.cc": 9_000}, "build/a.node", [("src/a.cc", 8_000)]),
        (WORKSPACE | {"packages/one/src/a.ts": 1_000}, "packages/one/dist/a.js", []),
        (
            WORKSPACE | {"packages/two/dist/b.js": 1_000},
            "packages/two/dist/b.js",
            [("packages/two/src/b.ts", 8_000)],
        ),
    ],
    ids=range(12),
)
def test_an_artifact_older_than_the_sources_of_its_kind_and_package_is_stale(
    tmp_path: Path, times: dict[str, float], built: str, stale: list[tuple[str, float]] | None
) -> None:
    found = compared(tmp_path, times, *built.split())
    assert found.compared == (0 if stale is None else len(built.split()))
    assert [(one.source, one.seconds) for one in found.stale] == (stale or [])
    assert all(built.startswith(one.artifact) for one in found.stale)


def test_a_folder_of_too_many_files_is_unmeasured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "MAX_FILES", 2)
    monkeypatch.setattr(artifacts, "MAX_FILES", 2)
    times = dict.fromkeys(("dist/a.js", "src/a.ts", "src/b.ts", "src/c.ts"), 1_000.0)
    with pytest.raises(MeasurementUnavailable, match="more than 2 files"):
        compared(tmp_path, times, "dist/a.js")
    assert "more than 2 files" in found(tmp_path, exports={"./*": "./src/*.ts"}).problems[0]
