"""JavaScript and TypeScript as Node, or the project's own compiler, parses them; many in one process."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.project import NpmProject
from pytest_flowhealth.probes.project.source_file import SourceFile
from pytest_flowhealth.probes.project.syntax import Runner, parse_files
from tests.kit.projects import write, write_module

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

FAKE_TYPESCRIPT = """
exports.ScriptTarget = exports.ModuleKind = exports.JsxEmit = {};
exports.flattenDiagnosticMessageText = (text) => text;
exports.getLineAndCharacterOfPosition = (file, start) => ({ line: 1, character: start });
exports.transpileModule = (text, { fileName }) => ({
  diagnostics: text.includes("oops") || (text.includes("<") && !fileName.endsWith("x"))
    ? [{ file: {}, start: 4, code: 1005, messageText: "no" }] : [],
});
"""
FAKE_TSC = """
if (!process.argv.some((word) => word.endsWith("b.ts"))) process.exit(0);
console.log("b.ts(2,8): error TS1110: Type expected.");
console.log("b.ts(9,1): error TS1005: '}' expected.");
console.log("b.ts(1,1): error TS2304: Cannot find name 'x'.");
process.exit(1);
"""
FAKE_ESBUILD = """
exports.transform = async (text, { loader }) => {
  if (!text.includes("oops")) return;
  throw { errors: [{ text: `no ${loader}`, location: { line: 3, column: 4 } }] };
};
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[NpmProject]:
    write(tmp_path, name="app")
    with contextlib.closing(NpmProject(tmp_path)) as project:
        yield project


def parse(
    project: NpmProject, content: Mapping[str, str | bytes], runner: Runner = "node"
) -> dict[str, FlowHealthError | None]:
    """Write files, and parse each."""
    write(project.root, content)
    files = [(SourceFile(project.root / name, name), runner) for name in content]
    return dict(zip(content, parse_files(project, files), strict=True))


def test_a_file_that_node_runs_parses_and_does_not_run(project: NpmProject) -> None:
    ran = project.root / "ran"
    whole = {
        "a.js": "module.exports = { a: 1 }; return;",
        "detected.js": "import a from 'fs';\nexport default await a;",
        "a.mjs": "import a from './a.json' with { type: 'json' };\nimport.meta.url;",
        "a.cjs": "#!/usr/bin/env node\nconst await = 1; with (await) {}",
        "a.json": "{}",
        "-e.js": "1",
        "program": "#!/usr/bin/env node\nconst a = 1;\n",
        "shell": "#!/bin/sh\nif then\n",
        "run.js": f"require('fs').writeFileSync({json.dumps(str(ran))}, '')",
        "empty.js": "",
        "types/package.json": '{"type": "module"}',
        "types/a.js": "await import('x')",
    }
    assert parse(project, whole) == dict.fromkeys(whole)
    assert not ran.exists()


BROKEN = {
    "a.js": ("module.exports = {\n  a: ,\n};", " line 2, column 6: SyntaxError: Unexpected"),
    "module.js": ("import a from 'a';\nlet b = ;\n", " line 2, column 9: SyntaxError: Unexpected"),
    "a.mjs": ("export default {", " line 1"),
    "a.cjs": ("import a from 'a';", " line 1, column 1: SyntaxError: Cannot use import"),
    "esm/a.js": ("const await = 1;", " line 1, column 7: SyntaxError"),
    "cjs/a.js": ("export {}", " line 1, column 1: SyntaxError: Unexpected token 'export'"),
    "jsx.js": ("const a = <b/>", " line 1, column 11: SyntaxError"),
    "program": ("#!/usr/bin/env node\n1 1;\n", " line 2"),
    "a.json": ("{", ": it is not JSON: "),
    "a.wasm": ("<html>", ": it is not WebAssembly"),
    "a.node": ("<html>", ": it is not a native add-on"),
}


def test_a_file_that_does_not_parse_is_broken_with_line_and_column(project: NpmProject) -> None:
    write(project.root, {"esm/package.json": '{"type": "module"}'})
    write(project.root, {"cjs/package.json": '{"type": "commonjs"}'})
    errors = parse(project, {name: content for name, (content, _) in BROKEN.items()})
    for name, (_, says) in BROKEN.items():
        error = errors[name]
        assert isinstance(error, CheckFailed)
        assert error.message.startswith(name + says)


def test_a_binary_is_recognised_by_how_it_begins(project: NpmProject) -> None:
    content = {"a.wasm": b"\0asm\1\0\0\0", "a.node": b"\x7fELF\2"}
    assert parse(project, content) == dict.fromkeys(content)


def test_what_a_tool_loads_may_be_a_module_in_a_package_of_scripts(project: NpmProject) -> None:
    write(project.root, name="app", type="commonjs")
    content = {"vite.config.js": "export default {}"}
    assert isinstance(parse(project, content)["vite.config.js"], CheckFailed)
    assert parse(project, content, "either") == {"vite.config.js": None}
    error = parse(project, {"jest.config.js": "export default {"}, "either")["jest.config.js"]
    assert isinstance(error, CheckFailed)


@pytest.mark.parametrize("compiler", ["typescript", "esbuild"])
def test_what_a_bundler_reads_is_parsed_by_its_compiler(project: NpmProject, compiler: str) -> None:
    content = {"a.js": "const a = <b/>", "b.js": "oops <"}
    for error in parse(project, content, "tool").values():
        assert isinstance(error, MeasurementUnavailable)
        assert "what else reads it is unknown" in error.message
    fakes = {"typescript": FAKE_TYPESCRIPT, "esbuild": FAKE_ESBUILD}
    write_module(project.root, compiler, {"index.js": fakes[compiler]})
    whole, broken = parse(project, content, "tool").values()
    assert whole is None
    assert isinstance(broken, CheckFailed)
    where = {"typescript": "line 2, column 5: TS1005: no", "esbuild": "line 3, column 5: SyntaxError: no jsx"}  # fmt: skip
    assert broken.message == f"b.js {where[compiler]}"


def test_typescript_is_parsed_by_the_compiler_of_the_project(project: NpmProject) -> None:
    write_module(project.root, "typescript", {"index.js": FAKE_TYPESCRIPT})
    whole, broken = parse(project, {"a.ts": "let a: number = 1", "b.mts": "oops ="}).values()
    assert whole is None
    assert isinstance(broken, CheckFailed)
    assert broken.message == "b.mts line 2, column 5: TS1005: no"


def test_typescript_is_parsed_by_a_compiler_that_is_a_program(project: NpmProject) -> None:
    """TypeScript 7 has no functions to call."""
    program = {"version.js": "exports.version = '7.0.2'", "bin/tsc": FAKE_TSC}
    package = write_module(project.root, "typescript", program, main="version.js")
    whole, broken = parse(project, {"a.ts": "let a = 1", "b.ts": "let a: ="}).values()
    assert whole is None
    assert isinstance(broken, CheckFailed)
    assert broken.message == "b.ts line 2, column 8: TS1110: Type expected."

    write(package, {"bin/tsc": "console.log('something else'); process.exit(1)"})
    error = parse(project, {"b.ts": "let a: ="})["b.ts"]
    assert isinstance(error, FlowHealthError)


def test_typescript_without_a_compiler_is_parsed_by_node_or_not_at_all(project: NpmProject) -> None:
    content = {"a.ts": "enum A { B = 1 }\nlet a: number = 1", "b.ts": "let a: = 1"}
    whole, broken = parse(project, content).values()
    if whole:  # a Node that can't read types
        assert isinstance(whole, MeasurementUnavailable)
        assert "no compiler of TypeScript" in whole.message
        assert isinstance(broken, MeasurementUnavailable)
    else:
        assert isinstance(broken, CheckFailed)


def test_a_file_that_can_not_be_read_is_unknown(project: NpmProject) -> None:
    (file,) = [(SourceFile(project.root / "gone.js", "gone.js"), "node")]
    (error,) = parse_files(project, [file])  # type: ignore[list-item]  # a literal is inferred as str
    assert isinstance(error, MeasurementUnavailable)


def test_without_node_files_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with contextlib.closing(NpmProject(tmp_path)) as project:
        error = parse(project, {"a.js": "1"})["a.js"]
    assert isinstance(error, MeasurementUnavailable)
    assert "no `node`" in error.message


def test_many_files_take_one_process(project: NpmProject) -> None:
    content = {f"{number}.mjs": f"export const a = {number};" for number in range(200)}
    assert parse(project, content) == dict.fromkeys(content)


IMPORTS = {
    "a.mjs": "import './lib/b.mjs';\nexport * from './c.js';\nawait import('./optional.mjs');",
    "lib/b.mjs": "import 'node:fs';\nimport 'present/below.js';",
    "node_modules/present/package.json": "{}",
    "node_modules/present/below.js": "1",
    "c.js": '"use strict";\nvar __export;\nconst d_1 = require("./d");\n__star(require("./e"), exports);',
    "d.js": "try {\n  require('./optional');\n} catch {}",
    "e/index.js": "require('../c')",
}


def test_what_a_file_imports_exists_and_parses(project: NpmProject) -> None:
    write(project.root, IMPORTS)
    assert parse(project, {"a.mjs": IMPORTS["a.mjs"]}) == {"a.mjs": None}


@pytest.mark.parametrize("name", ["lib/b.mjs", "c.js", "d.js", "e/index.js"])
def test_an_import_that_is_missing_or_broken_is_a_fault_of_the_file(
    project: NpmProject, name: str
) -> None:
    write(project.root, {**IMPORTS, name: "let a = ;"})
    error = parse(project, {"a.mjs": IMPORTS["a.mjs"]})["a.mjs"]
    assert isinstance(error, CheckFailed)
    assert error.message.startswith(f"a.mjs: it imports {name}: SyntaxError")
    (project.root / name).unlink()
    error = parse(project, {"a.mjs": IMPORTS["a.mjs"]})["a.mjs"]
    assert isinstance(error, CheckFailed)
    assert error.message.endswith((", which is missing", f"Cannot find module '{name}'"))
    # A tool may find it elsewhere.
    assert parse(project, {"a.mjs": IMPORTS["a.mjs"]}, "either") == {"a.mjs": None}


IMPORTED = (
    ("const { a,\n  b } = require('./gone')", "./gone"),
    ("const a=require('./gone')", "./gone"),
    ("app.use('/a', guard, require('./gone'))", "./gone"),
    ("module.exports = require('./gone')", "./gone"),
    ("const a = require('absent/part')", "absent/part"),
    ("import a from '@absent/part'", "@absent/part"),
    ("const a = require('declared')", None),
    ("const a = require('present/gone')", "present/gone"),
    ("import a from 'app/self'", None),
    ("const a = require('omitted')", "omitted"),
    ("const fs = require('fs')\nconst b = require('present')", None),
    ("/*\nconst a = require('./gone')\n*/\nconst t = `\nrequire('./gone')`", None),
    ("if (a) {\nrequire('./gone')\n}\ntry {\nrequire('absent')\n} catch {}", None),
    ("function a() {\nrequire('./gone')\n}\nrequire('./there')", None),
    ("const a = 010\nif (a) {\nrequire('absent')\n}", None),
    ("const a = b ? require('./gone') : null", None),
)


def test_only_what_is_imported_whenever_a_file_runs_must_exist(project: NpmProject) -> None:
    others = {
        "package.json": '{"name": "app", "dependencies": {"declared": "1"}, "devDependencies": {"omitted": "1"}}',
        "node_modules/present/package.json": "{}",
        "node_modules/present/index.js": "1",
        "there.js": "1",
    }
    write(project.root, others)
    found = parse(project, {f"{at}.js": text for at, (text, _) in enumerate(IMPORTED)})
    for (name, error), (text, missing) in zip(found.items(), IMPORTED, strict=True):
        if missing is None:
            assert error is None, text
            continue
        package = missing if missing.startswith("@") else missing.partition("/")[0]
        messages = (
            f"{name}: {name} imports {missing}, which is missing",
            f"{name}: {name}: Cannot find package {package!r}",
        )
        assert error, text
        assert error.message in messages, text


def test_a_program_with_a_hashbang_is_followed(project: NpmProject) -> None:
    text = "#!/usr/bin/env node\nvar app = require('./app');"
    for error in parse(project, dict.fromkeys(("www", "www.js", "www.cjs"), text)).values():
        assert error
        assert error.message.endswith("imports ./app, which is missing")


@pytest.mark.parametrize("start", ["node -r ./paths.js a.js", "NODE_PATH=src node a.js"])
def test_where_node_may_be_told_of_other_places_a_missing_package_is_no_fault(
    project: NpmProject, start: str
) -> None:
    write(project.root, scripts={"start": start})
    assert parse(project, {"a.js": "require('absent')"}) == {"a.js": None}


def test_an_es_module_can_not_call_require(project: NpmProject) -> None:
    made = "import { createRequire } from 'module'\nconst require = createRequire('/')\n"
    texts = {
        "top.js": "const fs = require('fs')",
        "made.js": f"{made}require('fs')",
        "function.js": "function a() {\nrequire('fs')\n}",
    }
    write(project.root, {"package.json": '{"type": "module"}'})
    found = parse(project, texts)
    assert [name for name, error in found.items() if error] == ["top.js"]
    assert "calls require, which no ES module has" in str(found["top.js"])
