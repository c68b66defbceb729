"""Whether files of the project parse, as Node or the tool that runs them would read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from pytest_flowhealth.errors import CheckFailed, FlowHealthError, MeasurementUnavailable
from pytest_flowhealth.probes.project.npm_project import NpmProject
from pytest_flowhealth.probes.project.source_file import SourceFile

Runner = Literal["node", "tsx", "either", "tool"]
"""Who reads a file: Node as it is, or with tsx; something that loads it as a script or as a module; or a tool such
as a bundler, which may take more than Node does."""

TYPED_ENDINGS = frozenset((".ts", ".cts", ".mts", ".tsx"))
PARSED_ENDINGS = TYPED_ENDINGS | {".js", ".cjs", ".mjs", ".jsx", ".json", ".node", ".wasm"}
"""Endings of files that are parsed; of a file without one, the `#!` line tells."""

SECONDS = 60.0


class _Result(msgspec.Struct, frozen=True):
    problem: str | None
    line: int
    column: int
    unparsed: str | None


class _Answer(msgspec.Struct, frozen=True):
    files: list[_Result]


def parse_files(
    project: NpmProject, files: Sequence[tuple[SourceFile, Runner]], *, seconds: float = SECONDS
) -> list[FlowHealthError | None]:
    """Parse JavaScript, TypeScript and JSON; look at how add-ons and WebAssembly begin.

    Args:
        project: The project, whose `typescript` is used where Node can't read types.
        files: The files and who reads each; they exist.
        seconds: Time limit for all of them.

    Returns:
        For each file None, a CheckFailed with line and column, or a MeasurementUnavailable where
        nothing here can tell.
    """
    if not files:
        return []
    request = [{"path": str(file.path), "runner": runner} for file, runner in files]
    try:
        answer = project.ask("syntax", _Answer, seconds=seconds, files=request)
    except FlowHealthError as error:
        return [
            MeasurementUnavailable(
                f"{file.label} was not parsed: {error.message}", remedy=error.remedy
            )
            for file, _ in files
        ]
    return [_error(file, result) for (file, _), result in zip(files, answer.files, strict=True)]


def _error(file: SourceFile, result: _Result) -> FlowHealthError | None:
    if result.unparsed is not None:
        return MeasurementUnavailable(f"{file.label} was not parsed: {result.unparsed}")
    if result.problem is None:
        return None
    place = f" line {result.line}" if result.line else ""
    place += f", column {result.column}" if result.column else ""
    return CheckFailed(f"{file.label}{place}: {result.problem}")
