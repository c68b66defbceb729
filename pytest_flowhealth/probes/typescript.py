"""Whether TypeScript files parse; types are not looked at.

They are read by the target's own `typescript` package: up to 6 by its
`transpileModule`, from 7 on, which has no such function, by its `tsc`. Without
it by Node's `module.stripTypeScriptTypes` (Node 22.13, 23.2 and later:
https://nodejs.org/api/module.html#modulestriptypescripttypescode-options).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes import command
from pytest_flowhealth.probes.javascript import Source, without_node

SECONDS = 30.0
"""What Node, or the compiler, may take for all files together."""

_MAX_OUTPUT = 1 << 22

_PROGRAM = r"""
const fs = require('node:fs');
const path = require('node:path');
const [root, ...files] = process.argv.slice(1);
let ts, strip, compiler = '';
try { ts = require(require.resolve('typescript', { paths: [root] })); } catch {}
try {
  const home = path.dirname(require.resolve('typescript/package.json', { paths: [root] }));
  if (fs.existsSync(path.join(home, 'bin/tsc'))) compiler = path.join(home, 'bin/tsc');
} catch {}
try { strip = require('node:module').stripTypeScriptTypes; } catch {}
process.removeAllListeners('warning');
function byCompiler(file, text) {
  const options = { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext };
  const found = ts.transpileModule(text, {
    fileName: file, reportDiagnostics: true, compilerOptions: options,
  }).diagnostics.filter((one) => one.file)[0];
  if (!found) return { parsed: true };
  const at = ts.getLineAndCharacterOfPosition(found.file, found.start);
  const problem = `TS${found.code}: ${ts.flattenDiagnosticMessageText(found.messageText, ' ')}`;
  return { parsed: true, problem, line: at.line + 1, column: at.character + 1 };
}
function byNode(text) {
  try { strip(text, { mode: 'transform' }); return { parsed: true }; } catch (error) {
    if (!(error instanceof SyntaxError)) return { parsed: false };
    return { parsed: true, problem: `SyntaxError: ${String(error.message).split('\n').pop()}` };
  }
}
const api = ts && ts.transpileModule;
const said = api || !compiler ? files.map((file) => {
  const text = fs.readFileSync(file, 'utf8');
  if (api) return byCompiler(file, text);
  return strip ? byNode(text) : { parsed: false };
}) : [];
process.stdout.write(JSON.stringify({ compiler: api ? '' : compiler, files: said }));
"""

_TSC_OPTIONS = (
    *("--noEmit", "--noCheck", "--noResolve", "--noLib"),
    *("--ignoreConfig", "--pretty", "false"),
)
_TSC_LINE = re.compile(r"(?m)^(.+)\((\d+),(\d+)\): error (TS(\d+): .*)$")


class _Said(msgspec.Struct, frozen=True):
    """What was found of one file; line and column begin at 1, 0 where they are not known."""

    parsed: bool
    problem: str = ""
    line: int = 0
    column: int = 0


class _Answer(msgspec.Struct, frozen=True):
    """The program's answer: what it found, or the compiler to ask instead."""

    compiler: str
    files: list[_Said]


def syntax_problems(
    sources: Sequence[Source], root: Path, timeout: float = SECONDS
) -> list[FlowHealthError | None]:
    """Parse TypeScript files.

    Args:
        sources: The files; they exist.
        root: The target's folder, from which its `typescript` is resolved.
        timeout: Seconds for all of them, in each of two processes at most.

    Returns:
        For each file `None`, a `CheckFailed` with line and column, or an
        `MeasurementUnavailable` where nothing here reads TypeScript, or gave no verdict.
    """
    if not sources:
        return []
    if shutil.which("node") is None:
        return [without_node(source.label) for source in sources]
    files = [str(source.path) for source in sources]
    try:
        found = _found(files, root, timeout)
    except FlowHealthError as error:
        return [
            MeasurementUnavailable(f"{one.label} was not parsed: {error.message}")
            for one in sources
        ]
    return [_problem(one, said) for one, said in zip(sources, found, strict=True)]


def _found(files: list[str], root: Path, timeout: float) -> list[_Said]:
    done = command.run(
        ["node", "-e", _PROGRAM, "--", str(root), *files],
        cwd=root,
        timeout=timeout,
        max_output=_MAX_OUTPUT,
    )
    try:
        answer = msgspec.convert(json.loads(done.stdout), _Answer)
    except (ValueError, RecursionError):
        answer = _Answer("", [])
    if answer.compiler:
        return _by_tsc(answer.compiler, files, root, timeout)
    if done.returncode != 0 or len(answer.files) != len(files):
        raise MeasurementUnavailable("the `typescript` package here gave no verdict")
    return answer.files


def _by_tsc(compiler: str, files: list[str], root: Path, timeout: float) -> list[_Said]:
    done = command.run(
        ["node", compiler, *_TSC_OPTIONS, *files], cwd=root, timeout=timeout, max_output=_MAX_OUTPUT
    )
    problems = _tsc_problems(done.stdout, root)
    if done.returncode != 0 and not problems:
        said = " ".join((done.stdout or done.stderr).split())
        raise MeasurementUnavailable(f"`tsc` gave no verdict: {said[:200]}")
    return [problems.get(Path(file), _Said(parsed=True)) for file in files]


def _tsc_problems(output: str, root: Path) -> dict[Path, _Said]:
    """Return the first problem of each file; of syntax only, whose numbers are these."""
    problems: dict[Path, _Said] = {}
    for file, line, column, problem, number in _TSC_LINE.findall(output):
        if 1_000 <= int(number) < 2_000 or 17_000 <= int(number) < 19_000:
            said = _Said(parsed=True, problem=problem, line=int(line), column=int(column))
            problems.setdefault(Path(os.path.normpath(root / file)), said)
    return problems


def _problem(source: Source, said: _Said) -> FlowHealthError | None:
    if not said.parsed:
        return MeasurementUnavailable(
            f"{source.label} was not parsed: `typescript` is not installed here, "
            "and this Node can't read types",
            remedy="npm install --save-dev typescript",
        )
    if not said.problem:
        return None
    where = f" line {said.line}, column {said.column}" if said.line else ""
    return CheckFailed(f"{source.label}{where}: {said.problem[:200]}")
