"""What a WebAssembly binary shows of itself: its exports, SIMD where it counts, signs of optimisation.

Format: WebAssembly Core Specification 2.0, chapter 5 (binary format), with the
opcodes of exception handling, threads, tail calls and relaxed SIMD. What
`producers` and `target_features` claim is not looked at: tools rewrite them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from pytest_flowhealth.config.files import read_bytes
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.wasm.opcodes import Code, walk
from pytest_flowhealth.probes.wasm.reader import ByteReader, Malformed

LARGEST = 200 * 2**20
"""Bytes of a module that are read."""

_IMPORT, _FUNCTION, _EXPORT, _CODE = 2, 3, 7, 10
_SPILLS = 0.15
_FEWEST = 20


class Evidence(msgspec.Struct, frozen=True):
    """What the binary shows of the code that an export can reach by direct calls.

    Attributes:
        exports: The exported functions.
        functions: Functions that the export reaches, itself included.
        instructions: Instructions in them.
        simd_in_loops: Instructions among them that compute on lanes, inside a loop.
        simd_elsewhere: The same in all the module, wherever they stand.
        tees: `local.tee` instructions. `sets`: `local.set` instructions.
        indirect: Whether it also calls through a table, where this does not follow.
    """

    exports: tuple[str, ...]
    functions: int
    instructions: int
    simd_in_loops: int
    simd_elsewhere: int
    tees: int
    sets: int
    indirect: bool

    @property
    def optimisation(self) -> str:
        """The level as far as code can show it.

        A compiler that does not optimise keeps every value in a local: no `local.tee`,
        and a large share of `local.set`.
        """
        if self.instructions < _FEWEST:
            return "unknown: too little code to tell"
        if self.tees == 0 and self.sets / self.instructions >= _SPILLS:
            return "unoptimised"
        return "optimised, level unknown"


def read_evidence(path: Path, export: str | None) -> Evidence:
    """Return what the module at `path` shows; `export` None: of everything that it exports.

    Raises:
        CheckFailed: It is not there, or no WebAssembly module.
        MeasurementUnavailable: It has code that this decoder does not know.
    """
    content = read_bytes(path, largest=LARGEST)
    try:
        return evidence(content, export)
    except Malformed as error:
        raise CheckFailed(f"{path.name} is no WebAssembly module: {error}") from None
    except NotImplementedError as error:
        raise MeasurementUnavailable(f"{path.name} has code that can't be read: {error}") from None


def evidence(content: bytes, export: str | None) -> Evidence:
    """Return what a module's bytes show.

    Raises:
        Malformed: They are no module.
        NotImplementedError: They have an instruction that is not known.
    """
    sections = _sections(content)
    imported = _imported_functions(sections.get(_IMPORT))
    exports = _exports(sections.get(_EXPORT))
    codes = _codes(sections.get(_CODE))
    starts = [index for name, index in exports.items() if export in (None, name)]
    reached = _reach(starts, codes, imported)
    return Evidence(
        exports=tuple(exports),
        functions=len(reached),
        instructions=sum(code.instructions for code in reached),
        simd_in_loops=sum(code.simd_in_loops for code in reached),
        simd_elsewhere=sum(code.simd for code in codes),
        tees=sum(code.tees for code in reached),
        sets=sum(code.sets for code in reached),
        indirect=any(code.indirect for code in reached),
    )


def _sections(content: bytes) -> dict[int, ByteReader]:
    reader = ByteReader(content)
    if reader.take(4) != b"\0asm":
        raise Malformed("it does not begin with \\0asm")
    if reader.take(4) != b"\1\0\0\0":
        raise Malformed("it is not of version 1")
    found: dict[int, ByteReader] = {}
    while not reader.done:
        kind = reader.byte()
        body = ByteReader(reader.take(reader.unsigned()))
        if kind:
            found.setdefault(kind, body)
    return found


def _entries(section: ByteReader | None) -> Iterator[ByteReader]:
    """Yield the section once for each entry that it counts, at the entry's beginning."""
    if section is not None:
        for _ in range(section.unsigned()):
            yield section


def _imported_functions(section: ByteReader | None) -> int:
    count = 0
    for entry in _entries(section):
        entry.take(entry.unsigned())
        entry.take(entry.unsigned())
        count += _skip_import(entry) == 0
    return count


def _skip_import(section: ByteReader) -> int:
    kind = section.byte()
    if kind == 0:
        section.unsigned()
    elif kind == 1:
        section.signed()
        _skip_limits(section)
    elif kind == 2:
        _skip_limits(section)
    elif kind == 3:
        section.signed()
        section.byte()
    elif kind == 4:
        section.byte()
        section.unsigned()
    else:
        raise Malformed(f"an import of the unknown kind {kind}")
    return kind


def _skip_limits(section: ByteReader) -> None:
    flags = section.byte()
    section.unsigned()
    if flags & 1:
        section.unsigned()


def _exports(section: ByteReader | None) -> dict[str, int]:
    found = {}
    for entry in _entries(section):
        name = entry.take(entry.unsigned()).decode("utf-8", "replace")
        kind, index = entry.byte(), entry.unsigned()
        if kind == 0:
            found[name] = index
    return found


def _codes(section: ByteReader | None) -> list[Code]:
    codes = []
    for entry in _entries(section):
        body = ByteReader(entry.take(entry.unsigned()))
        for _ in range(body.unsigned()):
            body.unsigned()
            body.signed()
        codes.append(walk(body))
    return codes


def _reach(starts: Iterable[int], codes: list[Code], imported: int) -> list[Code]:
    """Return the functions of this module that direct calls lead to."""
    waiting, reached_indexes = list(starts), set[int]()
    while waiting:
        index = waiting.pop() - imported
        if 0 <= index < len(codes) and index not in reached_indexes:
            reached_indexes.add(index)
            waiting += codes[index].calls
    return [codes[index] for index in sorted(reached_indexes)]
