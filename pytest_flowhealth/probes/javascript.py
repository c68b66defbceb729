"""Whether JavaScript files parse; none of them is run.

They are read by `node --check`, which decides as Node does between ES module
and CommonJS (https://nodejs.org/api/packages.html#determining-module-system).
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes import command

JAVASCRIPT = frozenset({".js", ".cjs", ".mjs"})
"""Extensions that `node --check` reads."""

SECONDS = 15.0
"""What Node may take for one file."""

_AT_ONCE = 4
_MAX_OUTPUT = 1 << 20


_MODULE_WORDS = re.compile(rb"^\s*(?:import|export)\b", re.MULTILINE)


class Source(msgspec.Struct, frozen=True):
    """A file, and its name in messages: its path below the target."""

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
        For each file `None`, a `CheckFailed` with line and column, or an
        `MeasurementUnavailable` where Node is missing or gave no verdict.
    """
    with ThreadPoolExecutor(_AT_ONCE, "flowhealth node") as pool:
        return list(pool.map(lambda source: syntax_problem(source, timeout), sources))


def syntax_problem(source: Source, timeout: float = SECONDS) -> FlowHealthError | None:
    """Parse one JavaScript file; as `syntax_problems`."""
    if shutil.which("node") is None:
        return without_node(source.label)
    try:
        return _checked(source, timeout)
    except FlowHealthError as error:
        remedy = error.remedy or f"node --check {shlex.quote(source.label)}"
        return MeasurementUnavailable(
            f"{source.label} was not parsed: {error.message}", remedy=remedy
        )


def _checked(source: Source, timeout: float) -> FlowHealthError | None:
    done = command.run(
        ["node", "--check", str(source.path)], timeout=timeout, max_output=_MAX_OUTPUT
    )
    if done.returncode == 0 and source.path.suffix == ".js":
        return _checked_as_either(source, timeout)
    return None if done.returncode == 0 else _verdict(done.stderr, source.label)


def _checked_as_either(source: Source, timeout: float) -> FlowHealthError | None:
    """Parse a `.js` as a script, and where it is none, as a module.

    Where package.json has no `type`, `node --check` of Node 20 and 22 passes
    every file that has the words of a module, whatever else is in it.
    """
    text = source.path.read_bytes()
    if not _MODULE_WORDS.search(text):
        return None
    stderr = ""
    for kind in ("commonjs", "module"):
        argv = ["node", f"--input-type={kind}", "--check", "-"]
        done = command.run(argv, timeout=timeout, max_output=_MAX_OUTPUT, stdin=text)
        if done.returncode == 0:
            return None
        stderr = done.stderr
    return _verdict(stderr, source.label)


def _verdict(stderr: str, label: str) -> FlowHealthError:
    """Return what Node's words mean: PATH:LINE, the line, a caret below it, the error."""
    lines = stderr.splitlines()
    said = next((line for line in lines if re.match(r"\w*Error\b.*: ", line)), "")
    if not said.startswith("SyntaxError: "):
        return MeasurementUnavailable(
            f"{label} was not parsed: {said[:200] or 'node --check failed'}",
            remedy=f"node --check {shlex.quote(label)}",
        )
    number = re.search(r":(\d+)$", lines[0])
    line = f" line {number[1]}" if number else ""
    caret = next(
        (text.index("^") for text in lines if text.strip(" \t^") == "" and "^" in text), None
    )
    column = "" if caret is None else f", column {caret + 1}"
    return CheckFailed(f"{label}{line}{column}: {said[:200]}")


def without_node(label: str) -> MeasurementUnavailable:
    """Return that the file called `label` was not parsed, since there is no Node."""
    return MeasurementUnavailable(
        f"{label} was not parsed: there is no `node` on the PATH", remedy="nvm install --lts"
    )
