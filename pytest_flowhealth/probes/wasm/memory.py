"""The linear memory of a WebAssembly module while its export is called again and again."""

from __future__ import annotations

import msgspec

from pytest_flowhealth.probes.wasm.harness import (
    BenchmarkSubject,
    base_spec,
    require_files,
    run_process,
)

SECONDS = 2.0
"""How long the export is called."""

CALLS = 200_000
"""Calls after which it ends earlier."""

SMALLER = 16
"""A call has this fraction of the iterations of a call whose time is measured: more calls fit."""

LATE = 0.25
"""The share of all calls after which a growth is late.

What a module allocates once, it allocates in its first calls. A leak goes on: memory that doubles
whenever it is full last grew in the second half of the calls, memory that quadruples after a quarter.
"""

_USUAL = 65_536
_PROCESS = 20.0


class MemoryUse(msgspec.Struct, frozen=True):
    """Linear memory over many calls of one export, in one process; bytes.

    Attributes:
        initial: Before the first call.
        steps: Each growth: the number of the call after which it was seen (0: before the first
            counted one), and the bytes then.
        calls: How many calls there were.
        visible: Whether the module exports or imports its memory; without, `steps` is empty.
        rss: The process's memory at the beginning and at the end.
        error: What ended the calls, None if nothing did.
        external: What the engine holds outside of JavaScript's heap, halfway and at the end; linear
            memory counts in it, also where it is not visible.
    """

    initial: int
    steps: tuple[tuple[int, int], ...]
    calls: int
    visible: bool
    rss: tuple[int, ...]
    error: str | None
    external: tuple[int, ...] = ()

    @property
    def final(self) -> int:
        """Bytes after the last call."""
        return self.steps[-1][1] if self.steps else self.initial

    @property
    def late_steps(self) -> tuple[tuple[int, int], ...]:
        """The growths after a quarter of the calls."""
        return tuple(step for step in self.steps if step[0] > LATE * self.calls)

    @property
    def leaks(self) -> bool:
        """Whether memory grew more than once, and late: in even steps or in geometric ones."""
        return len(self.steps) > 1 and bool(self.late_steps)


def watch_memory(
    subject: BenchmarkSubject, seconds: float = SECONDS, calls: int = CALLS
) -> MemoryUse:
    """Call the export for some seconds and return each growth of its memory.

    Raises:
        CheckFailed: The module or its adapter can't be used, or a call does not end.
        MeasurementUnavailable: Node gave no answer.
    """
    require_files(subject)
    n = max(1, (subject.n or _USUAL) // SMALLER)
    limits = {"memoryMs": 1_000 * seconds, "memoryCalls": calls}
    found = run_process(subject, {**base_spec(subject, n), **limits}, seconds + _PROCESS)
    return msgspec.convert(found, MemoryUse)
