"""Measure processes and all their descendants with psutil."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

import msgspec
import psutil

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable


class ProcessUsage(msgspec.Struct, frozen=True):
    """What some processes and their descendants used.

    Attributes:
        cpu: Percent of one core, the mean over the interval; two busy cores are 200.
        memory: Bytes of resident memory, summed; memory that processes share counts for each.
        number: How many processes there were at the end of the interval.
        pids: Their process ids, in ascending order.
    """

    cpu: float
    memory: int
    number: int
    pids: tuple[int, ...]


class ProcessProbe:
    """Find processes, and measure them together with their descendants.

    Name the processes with one argument: `pid`; `name`, the executable's name, such as ``"node"``;
    or `command`, a part of the command line, such as ``"src/server.js"``. The process that asks,
    and those that started it, are never found by name or command. ::

        usage = process_probe.measure(command="src/server.js", seconds=2)
        health.measure("server_memory", usage.memory, unit="B")

    Args:
        sleep: Wait for so many seconds.
        clock: Return seconds that only go up.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._clock = clock

    def find(
        self, *, pid: int | None = None, name: str | None = None, command: str | None = None
    ) -> tuple[int, ...]:
        """Return the ids of the running processes and their descendants; empty if there is none.

        Raises:
            TypeError: Not exactly one of the arguments is given.
            MeasurementUnavailable: The processes can't be listed.
        """
        return tuple(sorted(_collect(_find_roots(pid, name, command))))

    def measure(
        self,
        *,
        pid: int | None = None,
        name: str | None = None,
        command: str | None = None,
        seconds: float = 1.0,
    ) -> ProcessUsage:
        """Return what the processes and their descendants use over an interval of `seconds`.

        Raises:
            TypeError: Not exactly one of `pid`, `name` and `command` is given.
            CheckFailed: No such process runs, or all of them ended within the interval.
            MeasurementUnavailable: One of them may not be read.
        """
        description = _describe(pid, name, command)
        before = _collect(_find_roots(pid, name, command))
        if not before:
            raise CheckFailed(f"no process {description} runs")
        begin, used = self._clock(), _sum_times(before.values())
        self._sleep(seconds)
        after = _collect(process for process in before.values() if _is_running(process))
        if not after:
            raise CheckFailed(f"the process {description} ended while it was measured")
        elapsed = self._clock() - begin
        cpu = 100.0 * max(0.0, _sum_times(after.values()) - used) / elapsed if elapsed > 0 else 0.0
        return ProcessUsage(cpu, _sum_memory(after.values()), len(after), tuple(sorted(after)))


def _describe(pid: int | None, name: str | None, command: str | None) -> str:
    given = {"pid": pid, "name": name, "command": command}
    chosen = [(key, value) for key, value in given.items() if value is not None and value != ""]
    if len(chosen) != 1:
        raise TypeError("name the processes with one of pid, name and command")
    ((key, value),) = chosen
    return f"with {key} {value!r}"


def _find_roots(pid: int | None, name: str | None, command: str | None) -> Iterator[psutil.Process]:
    _describe(pid, name, command)
    if pid is not None:
        with contextlib.suppress(psutil.NoSuchProcess, ValueError, OverflowError):
            yield psutil.Process(pid)
        return
    own = psutil.Process()
    ours = {own.pid, *(process.pid for process in own.parents())}
    try:
        processes = [*psutil.process_iter()]
    except (OSError, psutil.Error) as error:
        raise MeasurementUnavailable(f"the processes can't be listed: {error}") from None
    for process in processes:
        # A process of another user may hide its command line; then it is not the one named.
        with contextlib.suppress(psutil.Error):
            if process.pid not in ours and _matches(process, name, command):
                yield process


def _matches(process: psutil.Process, name: str | None, command: str | None) -> bool:
    if command is not None:
        return command in " ".join(process.cmdline())
    return process.name() == name


def _collect(roots: Iterable[psutil.Process]) -> dict[int, psutil.Process]:
    """Return the processes that run of `roots` and their descendants, by pid."""
    found: dict[int, psutil.Process] = {}
    for root in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in (root, *root.children(recursive=True)):
                if _is_running(process):
                    found[process.pid] = process
    return found


def _is_running(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _sum_times(processes: Iterable[psutil.Process]) -> float:
    """Return the seconds of CPU used so far, those of children that ended included.

    A child that ends within the interval moves from its own times to its parent's: the sum stays.
    """
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess), _readable(process):
            total += sum(process.cpu_times()[:4])
    return total


def _sum_memory(processes: Iterable[psutil.Process]) -> int:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess), _readable(process):
            total += process.memory_info().rss
    return total


@contextlib.contextmanager
def _readable(process: psutil.Process) -> Iterator[None]:
    try:
        yield
    except psutil.AccessDenied:
        raise MeasurementUnavailable(
            f"the process {process.pid} may not be read by this user"
        ) from None
