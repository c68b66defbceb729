"""What starts an application, or what it is loaded by, as Node finds it."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from checks import test_build as checks
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.project import BuildState, NpmProject, find_build
from tests.kit.checks import assert_outcome, run_check
from tests.kit.projects import write, write_module

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def find(root: Path, files: tuple[str, ...] = (), **manifest: Any) -> BuildState:
    """Write a project, and look for what starts it."""
    write(root, dict.fromkeys(files, "1;\n"), **{"name": "app", **manifest})
    with contextlib.closing(NpmProject(root)) as project:
        return find_build(project)


def describe(state: BuildState) -> tuple[list[str], list[str], list[str]]:
    """Return the files that were found, the problems and the warnings."""
    return (
        [file.label for file, _ in state.files] + state.folders,
        [problem.message for problem in state.problems],
        [problem.message for problem in state.warnings],
    )


START = {"start": "node dist/main"}
SERVED = {"start": "node server.js"}


@pytest.mark.parametrize(
    ("files", "manifest", "expected"),
    [
        # A start script names a file as Node finds it.
        (("dist/main.js",), {"scripts": START}, ["dist/main.js"]),
        (("dist/main/index.js",), {"scripts": START}, ["dist/main/index.js"]),
        (("src/a.ts",), {"scripts": {"start": "tsx src/a"}}, ["src/a.ts"]),
        (("lib/a.js",), {"scripts": {"start": "node ."}, "main": "lib/a"}, ["lib/a.js"]),
        (("main.js",), {"scripts": {"start": "electron ."}, "main": "main.js"}, ["main.js"]),
        (("dist/i.html",), {"scripts": {"serve": "serve dist"}}, ["dist"]),
        (("server.js",), {}, ["server.js"]),
        # package.json's fields, where nothing else starts it.
        (("a.js",), {"main": "./a"}, ["a.js"]),
        (("a/index.js",), {"main": "a/"}, ["a/index.js"]),
        (("a.cjs", "a.mjs"), {"exports": {"import": "./a.mjs", "require": "./a.cjs"}}, ["a.mjs", "a.cjs"]),
        (("src/b.ts",), {"exports": {"./b": ["./src/b.tsx", "./src/b.ts"]}}, ["src/b.ts"]),
        (("b/x/y.js",), {"exports": {"./a/*": "./a/*.js", "./b/*": "./b/*.js"}}, []),
        (("cli.js",), {"bin": "cli.js"}, ["cli.js"]),
        (("src/a.ts",), {"main": "src/a.ts"}, ["src/a.ts"]),
        # What nothing uses.
        (("server.js",), {"scripts": SERVED, "main": "index.js"}, ["server.js"]),
        ((), {"scripts": {"start": "vite"}}, []),
        ((), {"scripts": {"start": "electron-vite preview"}, "main": "out/main.js"}, []),
        ((), {"scripts": {"start": "npm run build && node dist/main", "build": "tsc"}}, []),
    ],
)  # fmt: skip
def test_is_found(
    tmp_path: Path, files: tuple[str, ...], manifest: dict[str, Any], expected: list[str]
) -> None:
    assert describe(find(tmp_path, files, **manifest)) == (expected, [], [])


@pytest.mark.parametrize(
    ("files", "manifest", "problems", "warnings"),
    [
        ((), {"scripts": START}, ["dist/main is missing (scripts.start: node dist/main)"], []),
        ((), {"scripts": START, "main": "dist/x.js"},
            ["dist/main is missing (scripts.start: node dist/main)"], ["dist/x.js (main) is missing"]),
        ((), {"scripts": {"start": "electron ."}, "main": "main.js"},
            ["the file that main names is missing (scripts.start: electron .)"], ["main.js (main) is missing"]),
        ((), {"scripts": {"serve": "serve -s build"}}, ["build is missing (scripts.serve: serve -s build)"], []),
        ((), {"main": "lib/a.js"}, ["lib/a.js (main) is missing"], []),
        ((), {"main": "index.js"}, [], ["index.js (main) is missing"]),
        ((), {"exports": {"./*": "./dist/*.js"}}, ["dist/*.js (exports) matches no file"], []),
        ((), {"bin": {"x": "./build/x.js"}}, ["build/x.js (bin.x) is missing"], []),
        ((), {"exports": {"types": "./a.d.ts"}}, [], ["a.d.ts (exports.types) is missing"]),
        (("a.js",), {"exports": {".": "a.js"}},
            ['a.js (exports["."]): Node takes only paths that begin with ./'], []),
        ((), {"scripts": {"preview": "vite preview"}}, [],
            ["dist, the output of vite, is missing (scripts.preview: vite preview)"]),
        ((), {"scripts": {"start": "tool && node dist/a.js"}}, [],
            ["dist/a.js is missing (scripts.start: node dist/a.js)"]),
    ],
)  # fmt: skip
def test_is_missing(
    tmp_path: Path,
    files: tuple[str, ...],
    manifest: dict[str, Any],
    problems: list[str],
    warnings: list[str],
) -> None:
    assert describe(find(tmp_path, files, **manifest))[1:] == (problems, warnings)


def test_main_may_be_a_file_of_a_package(tmp_path: Path) -> None:
    write_module(tmp_path, "expo-router", {"entry.js": "1"})
    manifest: dict[str, Any] = {"main": "expo-router/entry", "scripts": {"start": "expo start"}}
    found = ["node_modules/expo-router/entry.js"]
    assert describe(find(tmp_path, **manifest)) == (found, [], [])
    (tmp_path / found[0]).unlink()
    assert describe(find(tmp_path, **manifest))[1]


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "x" * 5_000, "a/" * 3_000, "\n\x1b[31m"])
def test_a_hostile_name_is_missing(tmp_path: Path, path: str) -> None:
    assert "is missing" in find(tmp_path, main=path).problems[0].message


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text(" \n"), "a.js (bin) is empty"),
        (os.mkfifo, "a.js (bin) is a pipe"),
        (Path.mkdir, "a.js (bin) is a folder"),
        (lambda path: path.symlink_to("nowhere"), "a.js (bin) is missing"),
    ],
)
def test_only_a_regular_file_with_content_counts(tmp_path: Path, make: Any, says: str) -> None:
    make(tmp_path / "a.js")
    (problem,) = find(tmp_path, bin="a.js").problems
    assert says in problem.message


def test_each_workspace_counts(tmp_path: Path) -> None:
    web = {"name": "web", "scripts": {"start": "next start"}, "dependencies": {"ui": "*"}}
    write(tmp_path / "packages/web", **web)
    write(tmp_path / "packages/ui", name="ui", main="dist/ui.js", scripts={"start": "tsc -w"})
    state = find(tmp_path, workspaces=["packages/*"], scripts={"start": "turbo run start"})
    assert [problem.message for problem in state.problems] == [
        ".next/BUILD_ID, the output of next, is missing (scripts.start: next start)",
        # It would not be needed, if nothing depended on it.
        "packages/ui/dist/ui.js (main) is missing",
        ".next/BUILD_ID, the output of next, is missing (packages/web: scripts.start: next start)",
    ]


NEXT = {
    ".next/BUILD_ID": "1",
    ".next/required-server-files.json": '{"files": [".next/BUILD_ID", ".next/server/pages-manifest.json"]}',
    ".next/server/pages-manifest.json": '{"/": "pages/index.html"}',
    ".next/server/pages/index.html": "1",
}


@pytest.mark.parametrize("gone", list(NEXT))
def test_the_output_of_next_is_complete_by_its_own_list(tmp_path: Path, gone: str) -> None:
    write(tmp_path, NEXT)
    scripts = {"start": "next start", "build": "next build"}
    assert describe(find(tmp_path, scripts=scripts)) == ([".next/BUILD_ID"], [], [])
    (tmp_path / gone).unlink()
    (problem,) = find(tmp_path, scripts=scripts).problems
    assert problem.message.startswith(gone)


def test_the_output_of_next_may_be_in_another_folder(tmp_path: Path) -> None:
    config = {"next.config.js": "module.exports = { distDir: 'out/web' }"}
    write(tmp_path, config)
    scripts = {"start": "next start"}
    # Which folder it is, only Next knows.
    assert describe(find(tmp_path, scripts=scripts))[1:] == (
        [],
        [".next/BUILD_ID, the output of next, is missing (scripts.start: next start)"],
    )
    write(tmp_path, {"out/web/BUILD_ID": "1", "out/web/required-server-files.json": "{}"})
    assert describe(find(tmp_path, scripts=scripts)) == (["out/web/BUILD_ID"], [], [])


def test_a_standalone_output_has_its_server(tmp_path: Path) -> None:
    listed = '{"config": {"output": "standalone"}, "files": []}'
    write(tmp_path, {**NEXT, ".next/required-server-files.json": listed, "server.js": "1"})
    scripts = {"start": "next start"}
    found = [".next/BUILD_ID", "server.js"]
    assert describe(find(tmp_path, scripts=scripts)) == (found, [], [])
    (tmp_path / "server.js").unlink()
    assert "server.js, a part of the output" in find(tmp_path, scripts=scripts).problems[0].message


PATTERNS: dict[str, list[str]] = {
    "dist/index.js": ["dist/index.js"],
    "dist/*.js": ["dist/index.js", "dist/x.js"],
    "dist/?.js": ["dist/x.js"],
    "**/y.js": ["dist/deep/er/y.js"],
    "./dist/x.js": ["dist/x.js"],
    "odd[1].js": ["odd[1].js"],
    "dist/*.css": [],
    "../*": [],
    "/*": [],
}


def test_configured_patterns_replace_what_package_json_says(tmp_path: Path) -> None:
    names = ("dist/index.js", "dist/x.js", "dist/deep/er/y.js", "odd[1].js", "node_modules/y.js")
    write(tmp_path, dict.fromkeys(names, "1"), name="app", main="gone.js")
    with contextlib.closing(NpmProject(tmp_path)) as project:
        for pattern, expected in PATTERNS.items():
            problems = [] if expected else [f"{pattern} (build.artifacts) is missing"]
            assert describe(find_build(project, [pattern]))[:2] == (expected, problems)


def test_a_broken_package_json_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path, {"package.json": "{"})
    with contextlib.closing(NpmProject(tmp_path)) as project, pytest.raises(CheckFailed):
        find_build(project)


BUILD = {"build": "mkdir -p dist && cp src/main.js dist/main.js"}


@pytest.mark.parametrize(
    ("start", "missing"),
    [
        ("absent-program a.js", "absent-program"),
        ("PORT=1 absent-program a.js", "absent-program"),
        ("npx absent-program a.js", None),
        ("present a.js", None),
        ("sh a.js", None),
        ("ulimit -n 4096; node a.js", None),
        ("./a.js", None),
    ],
)
def test_a_program_that_no_installed_package_brings_is_warned_of(
    tmp_path: Path, start: str, missing: str | None
) -> None:
    write_module(tmp_path, "ms")
    files = ("a.js", "node_modules/.bin/present")
    state = find(
        tmp_path, files, scripts={"start": start, "build": "node a.js"}, dependencies={"ms": "1"}
    )
    text = f"node_modules/.bin/{missing} is missing (scripts.start: {start})"
    assert describe(state)[1:] == ([], [text] if missing else [])
    assert [warning.remedy for warning in state.warnings] == [None] * bool(missing)


def test_a_program_of_a_package_that_is_left_out_is_another_subject(tmp_path: Path) -> None:
    write_module(tmp_path, "ms")
    fields = {"dependencies": {"ms": "1"}, "devDependencies": {"absent-tools": "1"}}
    state = find(tmp_path, ("a.js",), scripts={"start": "absent-program a.js"}, **fields)
    assert describe(state)[1:] == ([], [])


def test_the_remedy_builds_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path, {"src/main.js": "1"}, name="app", scripts={**START, **BUILD})
    result = run_check(checks.test_artifacts, tmp_path)
    assert_outcome(result, "fail", "dist/main is missing", remedy="npm run build")
    subprocess.run(["npm", "run", "build"], cwd=tmp_path, check=True, capture_output=True)
    assert_outcome(run_check(checks.test_artifacts, tmp_path), "pass")


def test_the_remedy_builds_the_workspace_that_is_not_built(tmp_path: Path) -> None:
    write(tmp_path, name="root", workspaces=["a"])
    write(tmp_path / "a", {"src/main.js": "1"}, name="a", scripts={**START, **BUILD})
    subprocess.run(["npm", "install", "--no-audit"], cwd=tmp_path, check=True, capture_output=True)
    result = run_check(checks.test_artifacts, tmp_path)
    remedy = "npm run build --workspace=a"
    assert_outcome(result, "fail", "dist/main is missing", remedy=remedy)
    subprocess.run(remedy.split(), cwd=tmp_path, check=True, capture_output=True)
    assert_outcome(run_check(checks.test_artifacts, tmp_path), "pass")


def test_the_remedy_restores_what_git_keeps(tmp_path: Path) -> None:
    write(tmp_path, {"server.js": "1"}, name="app", scripts={**SERVED, **BUILD})
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "server.js").unlink()
    result = run_check(checks.test_artifacts, tmp_path)
    assert_outcome(result, "fail", remedy="git checkout -- server.js")
    subprocess.run(["git", "checkout", "--", "server.js"], cwd=tmp_path, check=True)
    assert_outcome(run_check(checks.test_artifacts, tmp_path), "pass")


@pytest.mark.parametrize("scripts", [SERVED, {**SERVED, "build": "absent-tool build"}])
def test_there_is_no_remedy_where_none_is_known(tmp_path: Path, scripts: dict[str, str]) -> None:
    write(tmp_path, name="app", scripts=scripts)
    result = run_check(checks.test_artifacts, tmp_path)
    assert (result.outcome, result.remedy) == ("fail", None)


def test_a_broken_file_fails_and_one_older_than_its_sources_warns(tmp_path: Path) -> None:
    write(tmp_path, {"src/main.js": "1", "dist/main.js": "1"}, name="app", scripts={**START, **BUILD})  # fmt: skip
    assert_outcome(run_check(checks.test_fresh, tmp_path), "pass")
    os.utime(tmp_path / "dist/main.js", (1_000_000_000, 1_000_000_000))
    says = "dist/main.js is older than src/main.js"
    assert_outcome(run_check(checks.test_fresh, tmp_path), "warn", says, remedy="npm run build")
    write(tmp_path, {"dist/main.js": "let a = ;"})
    result = run_check(checks.test_syntax, tmp_path)
    assert_outcome(result, "fail", "dist/main.js line 1", remedy="npm run build")


def test_typescript_that_nothing_here_reads_is_a_detail(tmp_path: Path) -> None:
    write(tmp_path, {"a.ts": "let a: number"}, name="app", main="a.ts")
    assert run_check(checks.test_syntax, tmp_path).outcome == "pass"


def test_what_nothing_is_known_of_is_not_applicable(tmp_path: Path) -> None:
    write(tmp_path, name="app", scripts={"start": "something --serve"})
    result = run_check(checks.test_artifacts, tmp_path)
    assert_outcome(result, "skip", "it is not known what `something --serve` needs")
    write(tmp_path, name="app")
    result = run_check(checks.test_artifacts, tmp_path)
    assert_outcome(result, "skip", "package.json names no file that a build makes")
