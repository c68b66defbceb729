"""What a package.json promises, and whether it is there, whole, parseable and fresh."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_flowhealth.config.manifest import Package
from pytest_flowhealth.config.workspaces import workspaces
from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
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


def labels(sources: Iterable[Source]) -> list[str]:
    return sorted(source.label for source in sources)


def paths(root: Path, **fields: Any) -> dict[str, str]:
    return {one.field: one.path for one in artifacts.promises(package(root, **fields))}


def test_each_field_of_a_manifest_promises_its_file(tmp_path: Path) -> None:
    assert paths(tmp_path) == {}
    assert paths(tmp_path, main="a.js", module="b.mjs") == {"main": "a.js", "module": "b.mjs"}
    assert paths(tmp_path, typings="c.d.ts", bin="d.js") == {"types": "c.d.ts", "bin.it": "d.js"}
    assert paths(tmp_path, bin={"x": "./x.js", "y": "y.js"}) == {"bin.x": "./x.js", "bin.y": "y.js"}


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
        (7, {}),
    ],
)
def test_exports_promise_each_target_of_each_condition(
    tmp_path: Path, exports: object, expected: dict[str, str]
) -> None:
    assert paths(tmp_path, exports=exports) == expected


def test_a_file_that_three_fields_promise_is_one_promise(tmp_path: Path) -> None:
    promised = artifacts.promises(package(tmp_path, main="a.js", exports="./a.js", bin="a.js"))
    assert len(promised) == 1


@pytest.mark.parametrize(
    ("main", "file"),
    [
        ("a.js", "a.js"), ("./a", "a.js"), ("a", "a"), ("a", "a.json"), ("a", "a.node"), ("a", "a/index.js"),
        ("a/", "a/index.json"), (".", "index.js"), ("./", "index.js"),
    ],
)  # fmt: skip
def test_main_is_found_as_node_finds_it(tmp_path: Path, main: str, file: str) -> None:
    assert found(tmp_path, main=main).problems
    write(tmp_path, file)
    assert labels(found(tmp_path, main=main).files) == [file]


@pytest.mark.parametrize(
    ("types", "file"), [("a.d.ts", "a.d.ts"), ("a", "a.d.ts"), ("a", "a/index.d.ts")]
)
def test_types_are_found_as_typescript_finds_them(tmp_path: Path, types: str, file: str) -> None:
    write(tmp_path, file, content="")
    assert labels(found(tmp_path, types=types).files) == [file]


def test_exports_and_bin_are_taken_by_the_letter(tmp_path: Path) -> None:
    write(tmp_path, "a.js", "b.js")
    result = found(tmp_path, exports="./a", bin="b")
    assert result.files == ()
    assert sorted(result.problems) == ["a (exports) is missing", "b (bin.it) is missing"]


def test_an_export_that_does_not_begin_with_a_dot_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.js")
    (problem,) = found(tmp_path, exports={".": "a.js"}).problems
    assert "begin with ./" in problem


def test_a_pattern_in_exports_promises_one_file_at_least(tmp_path: Path) -> None:
    write(tmp_path, "dist/a.js", "dist/deep/b.js", "dist/c.css", "other/d.js")
    write(tmp_path, "dist/empty.js", content="")
    result = found(tmp_path, exports={"./*": "./dist/*.js"})
    assert labels(result.files) == ["dist/a.js", "dist/deep/b.js"]
    assert result.problems == ()
    (problem,) = found(tmp_path, exports={"./*": "./lib/*.js"}).problems
    assert 'lib/*.js (exports["./*"]) is missing' in problem
    result = found(tmp_path, exports={"./*": "./dist/*/*.js"})
    assert result.problems
    write(tmp_path, "dist/x/x.js")
    result = found(tmp_path, exports={"./*": "./dist/*/*.js"})
    assert labels(result.files) == ["dist/x/x.js"]


def test_a_pattern_over_the_whole_package_promises_no_file_in_particular(tmp_path: Path) -> None:
    write(tmp_path, "a.js", "node_modules/b/c.js")
    assert found(tmp_path, exports={"./*": "./*"}) == Found((), ())


def test_a_pattern_that_fits_empty_files_only_is_broken(tmp_path: Path) -> None:
    write(tmp_path, "dist/a.js", "dist/b.js", content=" \n")
    assert "empty" in found(tmp_path, exports={"./*": "./dist/*.js"}).problems[0]


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
        assert labels(result.files) == expected
        assert result.problems == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        (" \n\t\r\n", "is empty"),
        ("\ufeff\n", "is empty"),
        (" " * (2 << 20), "is empty"),
    ],
    ids=["nothing", "white", "mark", "long"],
)
def test_a_file_of_white_space_is_empty(tmp_path: Path, content: str, problem: str) -> None:
    write(tmp_path, "a.js", content=content)
    assert found(tmp_path, main="a.js").problems == (f"a.js (main) {problem}",)


@pytest.mark.parametrize("path", ["../a.js", "/etc/hostname", "x/../../a.js", "../*.js", "/*"])
def test_nothing_outside_the_target_is_looked_at(tmp_path: Path, path: str) -> None:
    root = tmp_path / "it"
    write(tmp_path, "a.js")
    (problem,) = found(root, main=path).problems
    assert problem == f"{path} (main) is outside the target"
    (problem,) = build.find(artifacts.configured(root, (path,)), root).problems
    assert "outside" in problem


def test_a_link_is_followed_inside_the_target_only(tmp_path: Path) -> None:
    root = tmp_path / "it"
    write(tmp_path, "a.js", "it/real.js")
    (root / "out.js").symlink_to("../a.js")
    (root / "in.js").symlink_to("real.js")
    (root / "nowhere.js").symlink_to("absent.js")
    assert "leads outside" in found(root, main="out.js").problems[0]
    assert labels(found(root, main="in.js").files) == ["in.js"]
    assert "is missing" in found(root, main="nowhere.js").problems[0]


def test_a_pipe_and_a_folder_are_no_artifacts(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.js")
    (tmp_path / "folder.js").mkdir()
    assert "is a pipe" in found(tmp_path, main="pipe.js").problems[0]
    assert "is a folder" in found(tmp_path, bin="folder.js").problems[0]
    assert "is missing" in found(tmp_path, main="folder.js").problems[0]


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
    package(tmp_path / "packages/two", name="two")
    write(tmp_path, "a.js")
    everything = workspaces(tmp_path, root.manifest)
    promised = [promise for one in everything for promise in artifacts.promises(one)]
    result = build.find(promised, tmp_path)
    assert labels(result.files) == ["a.js"]
    assert result.problems == ("packages/one/dist/index.js (main) is missing",)


def problems(root: Path, *names: str) -> list[FlowHealthError]:
    return list(build.syntax([Source(root / name, name) for name in names]).errors)


def test_json_webassembly_and_add_ons_are_recognised_by_their_content(tmp_path: Path) -> None:
    write(tmp_path, "a.json", content='{"a": 1}')
    write(tmp_path, "a.wasm", content=b"\0asm\1\0\0\0")
    write(tmp_path, "a.node", content=b"\x7fELF\2\1\1")
    write(tmp_path, "a.css", "a.d.ts", content="}}}")
    assert problems(tmp_path, "a.json", "a.wasm", "a.node", "a.css", "a.d.ts") == []
    write(tmp_path, "b.json", content="{")
    write(tmp_path, "b.wasm", "b.node", content="<html>")
    found = problems(tmp_path, "b.json", "b.wasm", "b.node")
    assert [type(one) for one in found] == [CheckFailed] * 3
    assert [one.message.split()[0] for one in found] == ["b.json", "b.wasm", "b.node"]


def compared(root: Path, *names: str) -> freshness.Comparison:
    return freshness.compare([Source(root / name, name) for name in names], [root], root)


def at(root: Path, when: float, *names: str) -> None:
    for name in names:
        write(root, name)
        os.utime(root / name, (when, when))


def test_an_artifact_older_than_its_sources_is_stale(tmp_path: Path) -> None:
    at(tmp_path, 1_000, "dist/index.js", "src/old.ts")
    assert compared(tmp_path, "dist/index.js") == freshness.Comparison(1, ())
    at(tmp_path, 5_000, "src/deep/new.ts")
    (stale,) = compared(tmp_path, "dist/index.js").stale
    assert stale == freshness.Stale("dist/index.js", "src/deep/new.ts", 4_000)
    at(tmp_path, 5_000, "dist/other.js")  # a build that writes only what changed
    assert compared(tmp_path, "dist/index.js").stale == ()


def test_tests_prose_and_other_folders_make_no_artifact_stale(tmp_path: Path) -> None:
    at(tmp_path, 1_000, "dist/index.js", "src/a.ts", ".x/dist/src/b.js")
    at(tmp_path, 1_001.5, "src/b.ts")
    at(tmp_path, 9_000, "src/a.test.ts", "src/__tests__/b.ts", "src/README.md", "src/native.cc")
    at(tmp_path, 9_000, "src/node_modules/c.ts", "other/d.ts")
    assert compared(tmp_path, "dist/index.js", ".x/dist/src/b.js").stale == ()
    assert compared(tmp_path, "index.js").compared == 0


def test_add_ons_are_compared_with_their_own_sources(tmp_path: Path) -> None:
    at(tmp_path, 1_000, "build/a.node", "build/a.wasm")
    at(tmp_path, 9_000, "src/a.ts")
    assert compared(tmp_path, "build/a.node").compared == 0
    at(tmp_path, 9_000, "src/a.cc")
    assert [one.source for one in compared(tmp_path, "build/a.node").stale] == ["src/a.cc"]


def test_each_package_has_its_own_sources(tmp_path: Path) -> None:
    one, two = tmp_path / "packages/one", tmp_path / "packages/two"
    at(tmp_path, 1_000, "packages/one/dist/a.js", "packages/one/src/a.ts", "packages/two/dist/b.js")
    at(tmp_path, 9_000, "packages/two/src/b.ts", "src/c.ts")
    names = ("packages/one/dist/a.js", "packages/two/dist/b.js")
    sources = [Source(tmp_path / name, name) for name in names]
    found = freshness.compare(sources, [tmp_path, one, two], tmp_path)
    assert found.compared == 2
    assert [stale.artifact for stale in found.stale] == ["packages/two/dist/b.js"]


def test_a_folder_of_too_many_files_is_unmeasured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "MAX_FILES", 2)
    monkeypatch.setattr(artifacts, "MAX_FILES", 2)
    at(tmp_path, 1_000, "dist/a.js", "src/a.ts", "src/b.ts", "src/c.ts")
    with pytest.raises(MeasurementUnavailable, match="more than 2 files"):
        compared(tmp_path, "dist/a.js")
    assert "more than 2 files" in found(tmp_path, exports={"./*": "./src/*.ts"}).problems[0]
