"""Whether what a package promises is built: there, whole and parseable."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from pytest_flowhealth.config.files import kind_of, read_text, reason
from pytest_flowhealth.errors import CheckFailed, FlowHealthError
from pytest_flowhealth.probes import javascript
from pytest_flowhealth.probes.artifacts import Promise, files_of
from pytest_flowhealth.probes.javascript import Source
from pytest_flowhealth.probes.jsonc import SyntaxProblem, check

_EMPTY_LOOK = 1 << 20
_LOOKED_INTO = frozenset({".json", ".node", ".wasm"})
_MAX_JSON = 64 << 20
_NATIVE = (
    b"\x7fELF",
    b"MZ",
    b"\xfe\xed\xfa",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
)
"""How native add-ons begin: ELF, PE, and Mach-O in both byte orders and fat."""


class Found(msgspec.Struct, frozen=True):
    """The artifacts that are there, and what is wrong with the others.

    Attributes:
        files: Each file that is there and whole, with its path below the target.
        problems: One line for each promise that is broken.
    """

    files: tuple[Source, ...]
    problems: tuple[str, ...]


class Parsed(msgspec.Struct, frozen=True):
    """How many artifacts were parsed, and what is wrong with some of them.

    The errors are `CheckFailed` for a broken file, `MeasurementUnavailable` for one that
    could not be parsed.
    """

    count: int
    errors: tuple[FlowHealthError, ...]


def find(promised: Iterable[Promise], root: Path) -> Found:
    """Look for the promised files: there, inside the target, regular and not empty.

    Args:
        promised: What must be there.
        root: The target's folder.
    """
    top = root.resolve()
    files: dict[Path, Source] = {}
    problems: list[str] = []
    for promise in promised:
        try:
            here = _kept(promise, root, top)
        except CheckFailed as error:
            problems.append(error.message)
        else:
            files.update((source.path, source) for source in here)
    return Found(tuple(files.values()), tuple(dict.fromkeys(problems)))


def syntax(files: Sequence[Source], timeout: float = javascript.SECONDS) -> Parsed:
    """Parse artifacts: JavaScript by `node --check`, JSON, and how add-ons and WASM begin.

    Others (declarations of types, styles) are not looked into.

    Args:
        files: The artifacts; they exist.
        timeout: Seconds that Node may take for each.
    """
    scripts = [source for source in files if _is_script(source.path)]
    others = [source for source in files if source.path.suffix in _LOOKED_INTO]
    found = [*javascript.syntax_problems(scripts, timeout), *map(_content_problem, others)]
    return Parsed(len(found), tuple(error for error in found if error))


def _kept(promise: Promise, root: Path, top: Path) -> list[Source]:
    """Return the files of a promise, or raise how it is broken."""
    if promise.refused:
        raise CheckFailed(f"{promise.shown}: Node takes only paths that begin with ./ there")
    where = Path(os.path.normpath(os.path.join(promise.folder, promise.path)))  # noqa: PTH118
    if not where.is_relative_to(root):
        raise CheckFailed(f"{promise.shown} is outside the target")
    found = files_of(promise)
    if not found:
        raise CheckFailed(f"{promise.shown} is missing")
    sources = [Source(path, path.relative_to(root).as_posix()) for path in found]
    if len(found) == 1:
        _look_at(sources[0], promise, top)
        return sources
    # A pattern promises some file, not that each is full.
    problems = [_problem(source, promise, top) for source in sources]
    whole = [source for source, problem in zip(sources, problems, strict=True) if not problem]
    if not whole:
        raise CheckFailed(f"{promise.shown}: {problems[0]}")
    # One over the whole package promises no file in particular.
    everything = not promise.path.removeprefix("./").split("*")[0] and promise.style == "pattern"
    return [] if everything else whole


def _problem(source: Source, promise: Promise, top: Path) -> CheckFailed | None:
    try:
        _look_at(source, promise, top)
    except CheckFailed as error:
        return error
    return None


def _look_at(source: Source, promise: Promise, top: Path) -> None:
    shown = f"{source.label} ({promise.field})"
    try:
        real = source.path.resolve(strict=True)
        status = real.stat()
        other = kind_of(status)
        empty = not other and _is_empty(real, status)
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckFailed(f"{shown} can't be read: {reason(error)}") from None
    if not real.is_relative_to(top):
        raise CheckFailed(f"{shown} is a link that leads outside the target")
    if other:
        raise CheckFailed(f"{shown} is {other}, not a file")
    if empty and not source.path.name.endswith((".d.ts", ".d.mts", ".d.cts")):
        raise CheckFailed(f"{shown} is empty")


def _is_empty(path: Path, status: os.stat_result) -> bool:
    """Tell whether a file holds nothing, or nothing but white space, in its first MiB."""
    if not status.st_size:
        return True
    with path.open("rb") as file:
        return not file.read(_EMPTY_LOOK).removeprefix(b"\xef\xbb\xbf").strip()


def _is_script(path: Path) -> bool:
    """Tell whether Node runs a file: by its ending, or where it has none by its first line."""
    if path.suffix:
        return path.suffix in javascript.JAVASCRIPT
    try:
        with path.open("rb") as file:
            first = file.readline(256)
    except OSError:
        return False
    return first.startswith(b"#!") and b"node" in first


def _content_problem(source: Source) -> FlowHealthError | None:
    """Look into a file that is no script."""
    suffix = source.path.suffix
    try:
        if suffix == ".json":
            check(read_text(source.path, source.label, _MAX_JSON), "json")
        elif suffix == ".wasm" and not _begin(source).startswith(b"\0asm"):
            return CheckFailed(f"{source.label} is no WebAssembly: it does not begin with \\0asm")
        elif suffix == ".node" and not _begin(source).startswith(_NATIVE):
            return CheckFailed(
                f"{source.label} is no native add-on: it is neither ELF, Mach-O nor PE"
            )
    except SyntaxProblem as problem:
        return CheckFailed(f"{source.label} {problem}")
    except CheckFailed as error:
        return error
    return None


def _begin(source: Source) -> bytes:
    try:
        with source.path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise CheckFailed(f"{source.label} can't be read: {reason(error)}") from None
