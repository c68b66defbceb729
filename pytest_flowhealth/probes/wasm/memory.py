"""The linear memory of a WebAssembly module while its export is called again and again."""

from __future__ import annotations

import msgspec

from pytest_flowhealth.probes.wasm.node_runner import (
    BenchmarkSubject,
    base_spec,
    require_files,
    run_process,
)

SECONDS = 2.0
"""How long the export is called, four times as long while its memory grows; then half as long with
one iteration a call."""

CALLS = 200_000
"""Calls after which it ends earlier; ten times as many of one iteration."""

SMALLER = 16
"""A call has this fraction of the iterations of a call whose time is measured: more calls fit."""

LATE = 0.25
"""The share of all calls after which a growth is late.

What a module allocates once, it allocates in its first calls. A leak goes on: memory that doubles
whenever it is full last grew in the second half of the calls, memory that quadruples after a quarter.
"""

_USUAL = 65_536
_PROCESS = 20.0
_MUCH = 64 * 2**20


class MemoryPhase(msgspec.Struct, frozen=True):
    """Calls with the same number of iterations.

    Attributes:
        n: Iterations of a call.
        calls: How many calls there were.
        steps: Each growth of linear memory: the number of the call after which it was seen (0:
            before the first one), and the bytes then.
        external: Bytes that the engine holds outside of JavaScript's heap, halfway and at the end;
            linear memory counts in it, also where it is not visible.
    """

    n: int
    calls: int
    steps: tuple[tuple[int, int], ...]
    external: tuple[int, ...]

    @property
    def late_steps(self) -> tuple[tuple[int, int], ...]:
        """The growths after a quarter of the calls."""
        return tuple(step for step in self.steps if step[0] > LATE * self.calls)

    @property
    def leaks(self) -> bool:
        """Whether memory grew more than once, and late: in even steps or in geometric ones."""
        return len(self.steps) > 1 and bool(self.late_steps)


class MemoryUse(msgspec.Struct, frozen=True):
    """Linear memory over many calls of one export, in one process; bytes.

    Attributes:
        initial: Before the first call.
        phases: Calls of the usual kind; then many calls of one iteration, without an adapter.
        visible: Whether the module exports or imports its memory; without, no step is seen.
        rss: The process's memory at the beginning and at the end.
        error: What ended the calls, None if nothing did.
    """

    initial: int
    phases: tuple[MemoryPhase, ...]
    visible: bool
    rss: tuple[int, ...]
    error: str | None

    @property
    def final(self) -> int:
        """Bytes after the last call."""
        return max((size for _, size in self.steps), default=self.initial)

    @property
    def calls(self) -> int:
        """The calls of all phases."""
        return sum(phase.calls for phase in self.phases)

    @property
    def steps(self) -> tuple[tuple[int, int], ...]:
        """The growths of all phases, in their order."""
        return tuple(step for phase in self.phases for step in phase.steps)

    @property
    def late_steps(self) -> tuple[tuple[int, int], ...]:
        """The growths after a quarter of a phase's calls."""
        return tuple(step for phase in self.phases for step in phase.late_steps)

    @property
    def leaks(self) -> bool:
        """Whether memory leaks in one of the phases, or grew much until the calls failed."""
        exhausted = self.error is not None and self.final - self.initial > _MUCH
        return exhausted or any(phase.leaks for phase in self.phases)

    @property
    def external_growth(self) -> int:
        """Bytes outside of JavaScript's heap that came in the second half of a phase, at the most."""
        return max(phase.external[-1] - phase.external[0] for phase in self.phases)


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
    limits = {"memoryMs": 1_000 * seconds, "memoryCalls": calls, "memoryLate": LATE}
    found = run_process(subject, {**base_spec(subject, n), **limits}, 6 * seconds + _PROCESS)
    return msgspec.convert(found, MemoryUse)
