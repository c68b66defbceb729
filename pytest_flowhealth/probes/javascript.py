"""Whether JavaScript and TypeScript files parse; none of them is run.

JavaScript is read by `node --check`, which decides as Node does between ES
module and CommonJS (https://nodejs.org/api/packages.html#determining-module-system).
TypeScript is read by the target's own `typescript` package, else by Node's
`module.stripTypeScriptTypes` (Node 22.13 and 23.2 and later).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from pytest_flowhealth.errors import FlowHealthError, ProbeError, Unmeasured
from pytest_flowhealth.probes import command

JAVASCRIPT = frozenset({".js", ".cjs", ".mjs"})
"""Extensions that `node --check` reads."""

TYPESCRIPT = frozenset({".ts", ".cts", ".mts"})
"""Extensions that the TypeScript compiler reads."""

SECONDS = 15.0
"""What Node may take for one file."""

_AT_ONCE = 4
_MAX_OUTPUT = 1 << 20


class Source(msgspec.Struct, frozen=True):
    """A file of JavaScript or TypeScript, and its name in messages."""

    path: Path
    label: str


def syntax_problems(
    sources: Sequence[Source], timeout: float = SECONDS
) -> list[FlowHealthError | None]:
    """Parse JavaScript files, a few at once.

    Args:
        sources: The files; they exist.
        timeout: Seconds that each may take.

    Returns:
        For each file `None`, a `ProbeError` with line and column, or an
        `Unmeasured` where Node is missing or gave no verdict.
    """
    with ThreadPoolExecutor(_AT_ONCE, "flowhealth node") as pool:
        return list(pool.map(lambda source: syntax_problem(source, timeout), sources))


def syntax_problem(source: Source, timeout: float = SECONDS) -> FlowHealthError | None:
    """Parse one JavaScript file; as `syntax_problems`."""
    if shutil.which("node") is None:
        return _without_node(source.label)
    try:
        done = command.run(
            ["node", "--check", str(source.path)], timeout=timeout, max_output=_MAX_OUTPUT
        )
    except FlowHealthError as error:
        return Unmeasured(f"{source.label} was not parsed: {error.message}", remedy=error.remedy)
    if done.returncode == 0:
        return None
    return _verdict(done.stderr, source.label)


def _verdict(stderr: str, label: str) -> FlowHealthError:
    """Return what Node's words mean: PATH:LINE, the line, a caret below it, the error."""
    lines = stderr.splitlines()
    said = next((line for line in lines if re.match(r"\w*Error\b.*: ", line)), "")
    if not said.startswith("SyntaxError: "):
        return Unmeasured(f"{label} was not parsed: {said[:200] or 'node --check failed'}")
    number = re.search(r":(\d+)$", lines[0])
    line = f" line {number[1]}" if number else ""
    caret = next(
        (text.index("^") for text in lines if text.strip(" \t^") == "" and "^" in text), None
    )
    column = "" if caret is None else f", column {caret + 1}"
    return ProbeError(f"{label}{line}{column}: {said[:200]}")


def _without_node(label: str) -> Unmeasured:
    return Unmeasured(
        f"{label} was not parsed: there is no `node` on the PATH", remedy="nvm install --lts"
    )


class _Diagnostic(msgspec.Struct):
    """What the program below says of one file; line and column begin at 1."""

    parsed: bool
    problem: str = ""
    line: int = 0
    column: int = 0


_TYPESCRIPT_PROGRAM = r"""
const fs = require('node:fs');
const [root, ...files] = process.argv.slice(1);
let ts, strip;
try { ts = require(require.resolve('typescript', { paths: [root] })); } catch {}
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
process.stdout.write(JSON.stringify(files.map((file) => {
  const text = fs.readFileSync(file, 'utf8');
  if (ts && ts.transpileModule) return byCompiler(file, text);
  return strip ? byNode(text) : { parsed: false };
})));
"""


def typescript_problems(
    sources: Sequence[Source], root: Path, timeout: float = 2 * SECONDS
) -> list[FlowHealthError | None]:
    """Parse TypeScript files, all in one process of Node.

    Args:
        sources: The files; they exist.
        root: The target's folder, from which its `typescript` is resolved.
        timeout: Seconds for all of them.

    Returns:
        As `syntax_problems`; `Unmeasured` also where neither `typescript` is
        installed nor Node can read types by itself.
    """
    if not sources:
        return []
    if shutil.which("node") is None:
        return [_without_node(source.label) for source in sources]
    try:
        found = _diagnostics(sources, root, timeout)
    except FlowHealthError as error:
        return [Unmeasured(f"{one.label} was not parsed: {error.message}") for one in sources]
    return [_typescript_problem(one, said) for one, said in zip(sources, found, strict=True)]


def _diagnostics(sources: Iterable[Source], root: Path, timeout: float) -> list[_Diagnostic]:
    files = [str(source.path) for source in sources]
    done = command.run(
        ["node", "-e", _TYPESCRIPT_PROGRAM, "--", str(root), *files],
        cwd=root,
        timeout=timeout,
        max_output=_MAX_OUTPUT,
    )
    try:
        found = msgspec.convert(json.loads(done.stdout), list[_Diagnostic])
    except (ValueError, RecursionError):
        found = []
    if done.returncode != 0 or len(found) != len(files):
        raise Unmeasured("its `typescript` package gave no verdict")
    return found


def _typescript_problem(source: Source, said: _Diagnostic) -> FlowHealthError | None:
    if not said.parsed:
        return Unmeasured(
            f"{source.label} was not parsed: `typescript` is not installed here, "
            "and this Node can't read types",
            remedy="npm install --save-dev typescript",
        )
    if not said.problem:
        return None
    where = f" line {said.line}, column {said.column}" if said.line else ""
    return ProbeError(f"{source.label}{where}: {said.problem[:200]}")
