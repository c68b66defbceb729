"""Files of configuration of every kind, whole, broken and hostile."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes import files, javascript
from pytest_flowhealth.probes.files import Looked

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")

FAKE_TYPESCRIPT = """
exports.ScriptTarget = { ESNext: 99 };
exports.ModuleKind = { ESNext: 99 };
exports.flattenDiagnosticMessageText = (text) => text;
exports.getLineAndCharacterOfPosition = (file, start) => ({ line: 1, character: start });
exports.transpileModule = (text) => ({
  diagnostics: text.includes('oops') ? [{ file: {}, start: 4, code: 1005, messageText: 'no' }] : [],
});
"""


FAKE_TSC = """
console.log("sub/b.ts(2,8): error TS1110: Type expected.");
console.log("sub/b.ts(9,1): error TS1005: '}' expected.");
console.log("c.ts(1,1): error TS2304: Cannot find name 'x'.");
process.exit(1);
"""


def look(root: Path, name: str, content: str | bytes | None = None) -> Looked:
    """Write a file, and look at it."""
    path = root / name
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    (found,) = files.look(files.configured(root, [name]), root)
    assert found.label == name
    return found


def broken(found: Looked) -> str:
    """Return the message of a file that is broken, and names it."""
    assert isinstance(found.error, CheckFailed), found.error
    assert found.error.message.startswith(found.label)
    return found.error.message


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.json", '{"a": 1}', "json"),
        ("a.json", '\ufeff{"a": 1}', "json"),
        ("tsconfig.json", '{"a": 1, /* c */ }', "jsonc"),
        ("tsconfig.build.json", "{} // c", "jsonc"),
        (".swcrc", '{"jsc": {},}', "jsonc"),
        (".eslintrc", '{"a": 1} // c', "rc"),
        (".eslintrc", "root: true\n", "rc"),
        (".prettierrc", "semi: false", "rc"),
        (".babelrc", "{presets: ['a'],}", "json5"),
        ("config/a.yaml", "a: &x [1]\nb: *x\n---\nc: !Ref d\n", "yaml"),
        ("docker-compose.yml", "services: {}\n", "yaml"),
        ("a.toml", "[a]\nb = 1\n", "toml"),
        (".env", "A=1\nexport B='x\ny'\n\n# c\n", "env"),
        (".env", "", "env"),
        (".npmrc", "a=b\n[c]\nd\n", "ini"),
        (".npmrc", "", "ini"),
        ("notes.txt", "whatever {", "text"),
    ],
)
def test_whole_files(tmp_path: Path, name: str, content: str, kind: str) -> None:
    found = look(tmp_path, name, content)
    assert found.error is None
    assert found.kind == kind


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{\n "a": 1\n "b": 2}', "line 3, column 2"),
        ("a.json", '{"a": 1,}', "line 1, column "),
        ("a.json", "{} // c", "line 1, column 4"),
        ("a.json", '{"a": NaN}', "line 1, column 7: NaN"),
        ("a.json", "", "is empty"),
        ("a.json", " \n\t\n", "is empty"),
        ("a.json", b'{"a": "\xff"}', "not UTF-8 text: byte 0xff in line 1"),
        ("a.json", b"{\n\0}", "byte 0x00 in line 2"),
        ("a.json", "[" * 1_000_000, "line 1"),
        ("a.json", b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8"),
        ("a.json", '"' + "x" * (6 << 20) + '"', "more than 5 MiB"),
        ("a.json", '{"a": ' + "9" * 10_000 + "}x", "line 1, column 10008"),
        ("tsconfig.json", '{"a": 1', "line 1, column 8"),
        (".swcrc", "{'a': 1}", "line 1, column 2"),
        (".eslintrc", '{"a" 1}', "line 1, column 6"),
        (".eslintrc", "a: [1\n", "line 2, column 1"),
        ("a.yaml", "a: *b\n", "line 1, column 4: an alias"),
        ("a.yaml", "a: 1\n\tb: 2\n", "line 2"),
        ("a.yaml", "a: \x07\n", "line 1"),
        ("a.yaml", "[" * 1_000_000, "line 1, column 1001: "),
        ("a.toml", "a = 1\na = 2\n", "line 2"),
        ("a.toml", "a = " + "[" * 100_000, "line 1"),
        (".env", "A=1\ns3cret\n", "line 2"),
        (".env", "A=1\nB='s3cret\n", "line 2, column 1: the quote"),
        (".npmrc", "[a\n", "line 1"),
        ("notes.txt", b"\xff\xfe", "not UTF-8"),
        ("notes.txt", " ", "is empty"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    found = look(tmp_path, name, content)
    assert message in broken(found)
    assert "s3cret" not in broken(found)
    assert len(broken(found)) < 300


def test_an_alias_bomb_is_read_and_not_blown_up(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 60)
    )
    assert look(tmp_path, "bomb.yaml", bomb).error is None


@pytest.mark.parametrize("content", ["a." * 50_000 + "a = 1", "[" + "a." * 50_000 + "a]"])
def test_toml_that_would_take_minutes_is_not_read(tmp_path: Path, content: str) -> None:
    assert isinstance(look(tmp_path, "a.toml", content).error, MeasurementUnavailable)


def test_without_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    error = look(tmp_path, "a.yaml", "a: 1").error
    assert isinstance(error, MeasurementUnavailable)
    assert error.remedy == "pip install pytest-flowhealth[yaml]"


def test_files_that_are_none(tmp_path: Path) -> None:
    assert broken(look(tmp_path, "absent.json")).endswith("is not there")
    (tmp_path / "folder.json").mkdir()
    assert "is a folder" in broken(look(tmp_path, "folder.json"))
    os.mkfifo(tmp_path / "pipe.js")
    assert "is a pipe" in broken(look(tmp_path, "pipe.js"))
    (tmp_path / "ring.json").symlink_to("ring.json")
    assert "can't be read" in broken(look(tmp_path, "ring.json"))
    (tmp_path / "dangling.json").symlink_to("nowhere")
    assert "leads nowhere" in broken(look(tmp_path, "dangling.json"))
    (tmp_path / "endless.json").symlink_to("/dev/zero")
    assert "is a device" in broken(look(tmp_path, "endless.json"))
    assert "can't be read" in broken(look(tmp_path, "x" * 300 + ".json"))
    assert "can't be read" in broken(look(tmp_path, "nul\0.json"))
    (tmp_path / "file").write_text("x")
    assert "can't be read" in broken(look(tmp_path, "file/below.json"))


@needs_node
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jest.config.js", "module.exports = { a: 1 };"),
        ("jest.config.mjs", "import a from 'a';\nexport default await a;"),
        ("a.cjs", "#!/usr/bin/env node\nreturn;"),
        ("-e.js", "1"),
    ],
)
def test_scripts_that_parse(tmp_path: Path, name: str, content: str) -> None:
    assert look(tmp_path, name, content).error is None


@needs_node
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("jest.config.js", "module.exports = {\n  a: ,\n};", "line 2, column 6: SyntaxError: Unex"),
        ("a.mjs", "export default {", "SyntaxError: Unexpected end of input"),
        ("a.cjs", "import a from 'a';", "SyntaxError: Cannot use import"),
        ("a.js", "", "is empty"),
        ("a.js", b"\xff\xfe\0\0", "not UTF-8"),
    ],
)
def test_scripts_that_do_not(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    assert message in broken(look(tmp_path, name, content))


@needs_node
def test_no_script_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"require('fs').writeFileSync({json.dumps(str(mark))}, '')"
    assert look(tmp_path, "a.js", code).error is None
    assert not mark.exists()


@needs_node
def test_scripts_in_a_folder_whose_package_json_is_broken(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{")
    error = look(tmp_path, "a.js", "1").error
    assert isinstance(error, MeasurementUnavailable)


def test_scripts_without_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("a.js", "a.ts"):
        error = look(tmp_path, name, "const a = 1;").error
        assert isinstance(error, MeasurementUnavailable)
        assert "no `node`" in error.message
    assert "line 1" in broken(look(tmp_path, "a.json", "{"))


@needs_node
def test_a_node_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "bin/node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\nsleep 60\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", f"{node.parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "a.js").write_text("1")
    sources = files.configured(tmp_path, ["a.js"])
    (problem,) = javascript.syntax_problems(sources, timeout=0.2)
    assert isinstance(problem, MeasurementUnavailable)


@needs_node
def test_typescript_by_the_target_s_compiler(tmp_path: Path) -> None:
    package = tmp_path / "node_modules/typescript"
    package.mkdir(parents=True)
    (package / "index.js").write_text(FAKE_TYPESCRIPT)
    names = ["whole.ts", "broken.mts"]
    (tmp_path / "whole.ts").write_text("let a: number = 1")
    (tmp_path / "broken.mts").write_text("oops")
    whole, other = files.look(files.configured(tmp_path, names), tmp_path)
    assert whole.error is None
    assert broken(other) == "broken.mts line 2, column 5: TS1005: no"


@needs_node
def test_typescript_by_a_compiler_that_is_a_program(tmp_path: Path) -> None:
    """TypeScript 7 has no functions to call."""
    package = tmp_path / "node_modules/typescript"
    (package / "bin").mkdir(parents=True)
    (package / "package.json").write_text('{"main": "version.js"}')
    (package / "version.js").write_text("exports.version = '7.0.2'")
    (package / "bin/tsc").write_text(FAKE_TSC)
    for name in ("a.ts", "sub/b.ts", "c.ts"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("let a = 1")
    sources = files.configured(tmp_path, ["a.ts", "sub/b.ts", "c.ts"])
    first, second, third = files.look(sources, tmp_path)
    assert first.error is None
    assert broken(second) == "sub/b.ts line 2, column 8: TS1110: Type expected."
    assert third.error is None
    (package / "bin/tsc").write_text("console.log('error TS5023: Unknown option'); process.exit(1)")
    for found in files.look(sources, tmp_path):
        assert isinstance(found.error, MeasurementUnavailable)
        assert "TS5023" in found.error.message


@needs_node
@pytest.mark.parametrize(
    "code",
    [
        "process.stdout.write('x'.repeat(1e6))",
        "throw 1",
        "process.exit(0)",
        "exports.transpileModule = 1",
    ],
)
def test_a_compiler_that_is_none(tmp_path: Path, code: str) -> None:
    package = tmp_path / "node_modules/typescript"
    package.mkdir(parents=True)
    (package / "index.js").write_text(code)
    found = look(tmp_path, "a.ts", "let a: number = 1")
    assert found.error is None or isinstance(found.error, MeasurementUnavailable)


@needs_node
def test_typescript_without_a_compiler_is_parsed_by_node_or_not_at_all(tmp_path: Path) -> None:
    whole = look(tmp_path, "a.ts", "enum A { B = 1 }\nlet a: number = 1").error
    other = look(tmp_path, "b.ts", "let a: = 1").error
    if isinstance(whole, MeasurementUnavailable):  # a Node that can't read types
        assert whole.remedy == "npm install --save-dev typescript"
        assert isinstance(other, MeasurementUnavailable)
    else:
        assert whole is None
        assert isinstance(other, CheckFailed)


def test_well_known_files_are_found_where_they_are(tmp_path: Path) -> None:
    package = tmp_path / "packages/a"
    for name in (
        *(".swcrc", "jest.config.js", "jest.config.js.bak", "tsconfig.json", "README.md"),
        *("config/default.yaml", "config/notes.txt", "src/jest.config.js", "data.json"),
        *("packages/a/tsconfig.json", "packages/b/tsconfig.json"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / ".prettierrc.json").mkdir()
    found = files.well_known(tmp_path, [tmp_path, package])
    assert [source.label for source in found] == [
        ".swcrc",
        "jest.config.js",
        "tsconfig.json",
        "config/default.yaml",
        "packages/a/tsconfig.json",
    ]


def test_no_well_known_file(tmp_path: Path) -> None:
    assert files.well_known(tmp_path, [tmp_path, tmp_path / "absent"]) == ()


def test_one_answer_for_each_file_in_order(tmp_path: Path) -> None:
    names = ["b.json", "a.js", "absent.json", "c.txt", "a.js"]
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "c.txt").write_text("x")
    found = files.look(files.configured(tmp_path, names), tmp_path)
    errors: list[FlowHealthError | None] = [one.error for one in found]
    assert [one.label for one in found] == names[:4]
    assert [error is None for error in errors] == [False, True, False, True]
