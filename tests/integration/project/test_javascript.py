"""JavaScript and TypeScript as Node, or the project's own compiler, parses them."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes import build, files, javascript
from pytest_flowhealth.probes.files import Looked
from pytest_flowhealth.probes.javascript import Source
from tests.kit.projects import write, write_module, write_program

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

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


def look(root: Path, content: Mapping[str, str]) -> dict[str, Looked]:
    """Write files, and look at each."""
    write(root, content)
    found = files.look(files.configured(root, list(content)), root)
    assert [one.label for one in found] == list(content)
    return {one.label: one for one in found}


def message(found: Looked) -> str:
    assert isinstance(found.error, CheckFailed), found
    assert found.error.message.startswith(found.label)
    return found.error.message


def test_a_script_that_node_would_run_parses_and_does_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    content = {
        "jest.config.js": "module.exports = { a: 1 };",
        "jest.config.mjs": "import a from 'a';\nexport default await a;",
        "a.cjs": "#!/usr/bin/env node\nreturn;",
        "-e.js": "1",
        "run.js": f"require('fs').writeFileSync({json.dumps(str(ran))}, '')",
    }
    assert [one.error for one in look(tmp_path, content).values()] == [None] * len(content)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("jest.config.js", "module.exports = {\n  a: ,\n};", "line 2, column 6: SyntaxError: Unex"),
        ("a.mjs", "export default {", "SyntaxError: Unexpected end of input"),
        ("a.cjs", "import a from 'a';", "SyntaxError: Cannot use import"),
    ],
)
def test_a_script_that_does_not_parse_is_broken_with_line_and_column(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    assert says in message(look(tmp_path, {name: content})[name])


def test_a_script_in_a_folder_with_a_broken_package_json_is_unmeasured(tmp_path: Path) -> None:
    found = look(tmp_path, {"package.json": "{", "a.js": "1"})
    assert isinstance(found["a.js"].error, MeasurementUnavailable)


def test_a_node_that_hangs_leaves_a_script_unmeasured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", write_program(tmp_path / "bin", "node", "sleep 60"))
    write(tmp_path, {"a.js": "1"})
    (problem,) = javascript.syntax_problems(files.configured(tmp_path, ["a.js"]), timeout=0.2)
    assert isinstance(problem, MeasurementUnavailable)


def test_an_artifact_is_parsed_by_its_nearest_package_json_ending_or_first_line(
    tmp_path: Path,
) -> None:
    write(tmp_path, type="module")
    write(tmp_path / "cjs", type="commonjs")
    module = "import x from 'x';\nawait x;\n"
    script = "#!/usr/bin/env node\nconst a = 1;\n"
    sloppy = "const await = 1; with (await) {}\n"
    whole = {"a.js": module, "cjs/a.mjs": module, "b.js": script, "cjs/a.cjs": script}
    whole |= {
        "c.cjs": sloppy,
        "cjs/c.js": sloppy,
        "program": script,
        "shell": "#!/bin/sh\nif then\n",
    }
    broken = {
        "d.js": ("const await = 1;\n", "line 1, column 7: SyntaxError: "),
        "bad.cjs": ("const a = 1;\nconst b = ;\n", "line 2, column 11: SyntaxError: "),
        "bad": ("#!/usr/bin/env node\n1 1;\n", "line 2"),
    }
    write(tmp_path, whole | {name: content for name, (content, _) in broken.items()})

    errors = build.syntax([Source(tmp_path / name, name) for name in (*whole, *broken)]).errors

    assert {type(error) for error in errors} == {CheckFailed}
    for error, (name, (_, says)) in zip(errors, broken.items(), strict=True):
        assert error.message.startswith(f"{name} {says}")


def test_typescript_is_parsed_by_the_compiler_of_the_target(tmp_path: Path) -> None:
    write_module(tmp_path, "typescript", {"index.js": FAKE_TYPESCRIPT})
    found = look(tmp_path, {"whole.ts": "let a: number = 1", "broken.mts": "oops"})
    assert found["whole.ts"].error is None
    assert message(found["broken.mts"]) == "broken.mts line 2, column 5: TS1005: no"


def test_typescript_is_parsed_by_a_compiler_that_is_a_program(tmp_path: Path) -> None:
    """TypeScript 7 has no functions to call."""
    program = {"version.js": "exports.version = '7.0.2'", "bin/tsc": FAKE_TSC}
    package = write_module(tmp_path, "typescript", program, main="version.js")
    sources = dict.fromkeys(("a.ts", "sub/b.ts", "c.ts"), "let a = 1")

    found = look(tmp_path, sources)
    assert found["a.ts"].error is found["c.ts"].error is None
    assert message(found["sub/b.ts"]) == "sub/b.ts line 2, column 8: TS1110: Type expected."

    write(package, {"bin/tsc": "console.log('error TS5023: Unknown option'); process.exit(1)"})
    for one in look(tmp_path, sources).values():
        assert isinstance(one.error, MeasurementUnavailable)
        assert "TS5023" in one.error.message


@pytest.mark.parametrize("code", ["process.stdout.write('x'.repeat(1e6))", "throw 1", None])
def test_without_a_compiler_that_works_typescript_is_parsed_by_node_or_unmeasured(
    tmp_path: Path, code: str | None
) -> None:
    if code:
        write_module(tmp_path, "typescript", {"index.js": code})
    content = {"a.ts": "enum A { B = 1 }\nlet a: number = 1", "b.ts": "let a: = 1"}
    whole, broken = (one.error for one in look(tmp_path, content).values())
    if isinstance(whole, MeasurementUnavailable):  # a Node that can't read types
        assert code or whole.remedy == "npm install --save-dev typescript"
        assert isinstance(broken, MeasurementUnavailable)
    else:
        assert whole is None
        assert isinstance(broken, CheckFailed)
