"""How long an agent takes to be ready: really started, watched for its sign, and ended with all it started."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.descendants import MARK, Descendants
from pytest_flowhealth.probes.fleet.readiness import ReadySignal
from pytest_flowhealth.probes.program_errors import find_cause

LINES = 5
"""Last lines of output that are reported."""

KEPT_LINES = 200
"""Last lines of output in which the cause of a program's end is looked for."""

LONGEST_LINE = 4_096
"""Bytes of a line; what is longer is cut where it is looked at and shown."""

TIMEOUTS = 2
"""After so many starts that never got ready no more are made: each costs its whole time."""

_LOOK = 0.1
_DRAIN = 0.3


class AgentStart(msgspec.Struct, frozen=True):
    """One start.

    Attributes:
        milliseconds: From just before it to its ready sign; None where that did not come.
        problem: Why it did not; "" where it did.
        exit_code: What the program ended with before it was ended; negative for a signal.
        detached: Processes that had left its session, and were ended too.
        killed: Processes that SIGTERM did not end.
        left: Processes that could not be ended.
        output: How many bytes it wrote.
        last_lines: The last lines of its outputs.
        cause: The error in its output, if it was not ready; the last line if it still ran.
        timed_out: Whether it ran out of time.
    """

    milliseconds: float | None
    problem: str = ""
    exit_code: int | None = None
    detached: int = 0
    killed: int = 0
    left: int = 0
    output: int = 0
    last_lines: tuple[str, ...] = ()
    cause: str = ""
    timed_out: bool = False


class AgentProgram(msgspec.Struct, frozen=True):
    """What is started: its words, its folder, and its environment (the present one by default)."""

    argv: tuple[str, ...]
    folder: Path
    environ: Mapping[str, str] | None = None


def start_agents(
    program: AgentProgram,
    sign: Callable[[str], ReadySignal],
    *,
    count: int = 5,
    timeout: float = 30.0,
    longest: float = 240.0,
) -> tuple[AgentStart, ...]:
    """Start a program several times, one after the other.

    Args:
        program: What is started.
        sign: Makes the ready sign of one start from its random word.
        count: How often; fewer where `TIMEOUTS` of them ran out of time.
        timeout: Seconds that one may take to get ready.
        longest: Seconds after which no more are begun.

    Raises:
        CheckFailed: It can't be started at all, or its sign can't be watched.
    """
    done: list[AgentStart] = []
    end = time.monotonic() + longest
    while len(done) < count and sum(attempt.timed_out for attempt in done) < TIMEOUTS:
        if time.monotonic() > end:
            break
        word = secrets.token_hex(8)
        done.append(start_agent(program, sign(word), word, timeout))
    return tuple(done)


def start_agent(
    program: AgentProgram,
    sign: ReadySignal,
    word: str,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
) -> AgentStart:
    """Start a program once, wait for its sign, and end it with all its descendants.

    Args:
        program: What is started.
        sign: Its ready sign, not yet prepared.
        word: The mark in its environment.
        timeout: Seconds that it may take.
        clock: Seconds that only go up; the sign's own.

    Raises:
        CheckFailed: It can't be started, or its sign can't be watched.
    """
    sign.prepare(timeout + 1.0)
    process: subprocess.Popen[bytes] | None = None
    family: Descendants | None = None
    try:
        begin = clock()
        process = _popen(program, word)
        output = ProgramOutput(process, sign)
        family = Descendants(process.pid, word)
        problem, timed_out = _wait(process, family, sign, begin + timeout, clock)
        exit_code = process.poll()
        detached = family.detached()
    finally:
        sign.end()
        killed, left = _end(process, family, word)
    output.drain()
    return AgentStart(
        milliseconds=None if sign.at is None or problem else 1_000.0 * (sign.at - begin),
        problem=problem,
        exit_code=exit_code,
        detached=detached,
        killed=killed,
        left=left,
        output=output.size,
        last_lines=output.last(),
        cause=output.cause(exit_code) if problem else "",
        timed_out=timed_out,
    )


class ProgramOutput:
    """What a program writes, read to the end so that it never has to wait, and kept in small part."""

    def __init__(self, process: subprocess.Popen[bytes], sign: ReadySignal) -> None:
        self.size = 0
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._sign = sign
        self._threads = [
            threading.Thread(target=self._read, args=(pipe, counts), daemon=True)
            for pipe, counts in ((process.stdout, True), (process.stderr, False))
        ]
        for thread in self._threads:
            thread.start()

    def last(self) -> tuple[str, ...]:
        """Return the last lines, printable and cut."""
        lines = [line for line in [*self._lines] if line.strip()]
        return tuple(one_line(line, 200) for line in lines[-LINES:])

    def cause(self, code: int | None) -> str:
        """Return the error in the output, or the last line of a program that still runs."""
        if code is None:
            return f"its last line: {self.last()[-1]}" if self.last() else ""
        return find_cause("\n".join(self._lines), code) if self._lines else ""

    def drain(self) -> None:
        """Wait a moment for what was written and not yet read."""
        for thread in self._threads:
            thread.join(_DRAIN)

    def _read(self, pipe: IO[bytes] | None, counts: bool) -> None:
        rest = b""
        with contextlib.suppress(OSError, ValueError):
            while pipe is not None and (chunk := os.read(pipe.fileno(), 1 << 16)):
                self.size += len(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line, counts=counts)
                rest = rest[-LONGEST_LINE:]
        if rest:
            self._take(rest, counts=counts)
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()

    def _take(self, line: bytes, *, counts: bool) -> None:
        text = line[:LONGEST_LINE].decode("utf-8", "replace")
        self._lines.append(text)
        if counts:
            self._sign.line(text)


def _popen(program: AgentProgram, word: str) -> subprocess.Popen[bytes]:
    environ = {**(os.environ if program.environ is None else program.environ), MARK: word}
    try:
        return subprocess.Popen(  # noqa: S603  # what the user configured, without a shell
            program.argv,
            cwd=program.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise CheckFailed(
        f"`{one_line(program.argv[0], 80)}` can't be started: {reason}",
        remedy="correct [fleet.spawn] command in flowhealth.toml",
    )


def _wait(
    process: subprocess.Popen[bytes],
    family: Descendants,
    sign: ReadySignal,
    deadline: float,
    clock: Callable[[], float],
) -> tuple[str, bool]:
    """Wait for the sign; return why it did not come, "" where it did, and whether time was up."""
    while not sign.wake.wait(max(0.0, min(_LOOK, deadline - clock()))):
        family.look()
        if clock() >= deadline:
            return _never(process, sign), True
        # A program may leave its work to a process of its own and end, well.
        if process.poll() is not None and not family.alive() and not sign.wake.wait(_DRAIN):
            return _ended(process.returncode), False
        if process.returncode not in (None, 0) and not sign.wake.wait(_DRAIN):
            return _ended(process.returncode), False
    if sign.problem is not None:
        raise sign.problem
    return "", False


def _never(process: subprocess.Popen[bytes], sign: ReadySignal) -> str:
    runs = "still ran" if process.poll() is None else "had left others running"
    return f"it was not ready in time, and {runs}: no sign of {one_line(sign.what, 60)!r}"


def _ended(code: int) -> str:
    how = f"by signal {-code}" if code < 0 else f"with exit code {format_number(code)}"
    return f"it ended {how} before it was ready"


def _end(
    process: subprocess.Popen[bytes] | None, family: Descendants | None, word: str
) -> tuple[int, int]:
    if process is None:
        return 0, 0
    counts = (family or Descendants(process.pid, word)).end()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    return counts


def describe_failed_starts(done: Sequence[AgentStart]) -> str:
    """Return how many starts failed and why, "" where none did."""
    failed = [attempt for attempt in done if attempt.problem]
    if not failed:
        return ""
    reasons = "; ".join(dict.fromkeys(attempt.problem for attempt in failed))
    cause = next((attempt.cause for attempt in failed if attempt.cause), "")
    return f"{len(failed)} of {len(done)} starts failed: {reasons}{f': {cause}' if cause else ''}"
