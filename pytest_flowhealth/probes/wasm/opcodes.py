"""The instructions of one WebAssembly function, counted by what they show.

WebAssembly Core Specification 2.0, 5.4 (instructions) and the appendix "Index
of Instructions"; 0xFE: threads proposal; 0x06 to 0x19 and 0x1F: exception
handling; 0xFD from 0x100: relaxed SIMD.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pytest_flowhealth.probes.wasm.reader import ByteReader, Malformed


class Code(msgspec.Struct):
    """What one function has: counts of instructions, and the functions that it calls."""

    instructions: int = 0
    simd: int = 0
    simd_in_loops: int = 0
    tees: int = 0
    sets: int = 0
    indirect: bool = False
    calls: list[int] = []


def walk(body: ByteReader) -> Code:
    """Return what a function's expression has.

    Raises:
        Malformed: It does not end where its body does.
        NotImplementedError: An instruction is not known.
    """
    code = Code(calls=[])
    blocks = [False]  # whether each enclosing block is, or is in, a loop
    while blocks:
        opcode = body.byte()
        code.instructions += 1
        if opcode in _OPENING:
            body.signed()
            if opcode == _TRY_TABLE:
                _catches(body)
            blocks.append(blocks[-1] or opcode == _LOOP)
        elif opcode in (_END, _DELEGATE):
            blocks.pop()
            if opcode == _DELEGATE:
                body.unsigned()
        else:
            _plain(opcode, body, code, in_loop=blocks[-1])
    if not body.done:
        raise Malformed("a function goes on after its end")
    return code


_LOOP, _END, _DELEGATE, _TRY_TABLE = 0x03, 0x0B, 0x18, 0x1F
_OPENING = frozenset({0x02, _LOOP, 0x04, 0x06, _TRY_TABLE})
_CALLS = frozenset({0x10, 0x12})
_INDIRECT = frozenset({0x11, 0x13, 0x14, 0x15})
_SET, _TEE = 0x21, 0x22
_SIMD, _MISC, _ATOMIC = 0xFD, 0xFC, 0xFE
_NO_OPERAND = frozenset(
    {0x00, 0x01, 0x05, 0x0A, 0x0F, 0x19, 0x1A, 0x1B, 0xD1, 0xD3, 0xD4, *range(0x45, 0xC5)}
)


def _plain(opcode: int, body: ByteReader, code: Code, *, in_loop: bool) -> None:
    if opcode in _CALLS:
        code.calls.append(body.unsigned())
    elif opcode == _SIMD:
        computes = _simd(body)
        code.simd += computes
        code.simd_in_loops += computes and in_loop
    elif opcode in _OPERANDS:
        code.indirect = code.indirect or opcode in _INDIRECT
        code.tees += opcode == _TEE
        code.sets += opcode == _SET
        _OPERANDS[opcode](body)
    elif opcode not in _NO_OPERAND:
        raise NotImplementedError(f"instruction 0x{opcode:02x}")


def _one(body: ByteReader) -> None:
    body.unsigned()


def _two(body: ByteReader) -> None:
    body.unsigned()
    body.unsigned()


def _bytes(count: int) -> Callable[[ByteReader], None]:
    def skip(body: ByteReader) -> None:
        body.take(count)

    return skip


def _vector(body: ByteReader) -> None:
    for _ in range(body.unsigned()):
        body.unsigned()


def _branches(body: ByteReader) -> None:
    _vector(body)
    body.unsigned()


def _address(body: ByteReader) -> None:
    if body.unsigned() & 0x40:  # a memory's index follows
        body.unsigned()
    body.unsigned()


def _catches(body: ByteReader) -> None:
    for _ in range(body.unsigned()):
        if body.byte() < 2:  # catch and catch_ref name a tag
            body.unsigned()
        body.unsigned()


_MISC_OPERANDS = {8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1}


def _misc(body: ByteReader) -> None:
    kind = body.unsigned()
    if kind > max(_MISC_OPERANDS):
        raise NotImplementedError(f"instruction 0xfc {kind}")
    for _ in range(_MISC_OPERANDS.get(kind, 0)):
        body.unsigned()


def _atomic(body: ByteReader) -> None:
    if body.unsigned() == 3:  # atomic.fence
        body.byte()
    else:
        _address(body)


def _simd(body: ByteReader) -> bool:
    """Pass over a vector instruction; tell whether it computes on lanes.

    Loads, stores, constants, shuffles and what moves single lanes do not.
    """
    kind = body.unsigned()
    if kind <= 11 or kind in (92, 93):
        _address(body)
    elif kind in (12, 13):
        body.take(16)
    elif 21 <= kind <= 34:
        body.byte()
    elif 84 <= kind <= 91:
        _address(body)
        body.byte()
    return 35 <= kind <= 83 or kind >= 94


_OPERANDS: dict[int, Callable[[ByteReader], None]] = {
    **dict.fromkeys((0x07, 0x08, 0x09, 0x0C, 0x0D, 0x14, 0x15, 0xD2, 0xD5, 0xD6), _one),
    **dict.fromkeys((*range(0x20, 0x27), 0x3F, 0x40, 0x41, 0x42, 0xD0), _one),
    **dict.fromkeys(range(0x28, 0x3F), _address),
    **dict.fromkeys((0x11, 0x13), _two),
    0x0E: _branches,
    0x1C: _vector,
    0x43: _bytes(4),
    0x44: _bytes(8),
    _MISC: _misc,
    _ATOMIC: _atomic,
}
