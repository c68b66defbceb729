"""The machine, or the part of it that this process may use.

CPU, memory and load come from psutil, the disk from statvfs(3), the limits of
a container from `cgroup`. Where a group's limit is lower than what the machine
has, the group is what runs out first: each figure names its scope.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.system import cgroup

MIB = 2**20
"""Bytes in a MiB."""


class Memory(msgspec.Struct, frozen=True):
    """Memory in the tightest scope.

    Attributes:
        available: What can still be had without swapping, in MiB.
        available_in: The scope of `available`: "machine" or "control group /x".
        used: The share in use, in %, where it is largest.
        used_in: The scope of `used`.
        total: What there is in that of `available`, in MiB.
    """

    available: float
    available_in: str
    used: float
    used_in: str
    total: float


class Cpu(msgspec.Struct, frozen=True):
    """CPU time in use, in % of what may be used, and the scope where it is largest."""

    used: float
    scope: str


class Disk(msgspec.Struct, frozen=True):
    """A file system, as df(1) tells it to an ordinary user.

    Attributes:
        used: Blocks in use, in % of those that an ordinary user may have.
        free: What such a user can still write, in MiB.
        inodes_used: Inodes in use, in %; `None` where the system has no table of them.
    """

    used: float
    free: float
    inodes_used: float | None


class Load(msgspec.Struct, frozen=True):
    """The load average of one minute, the CPUs that may be used, and their quotient."""

    average: float
    cpus: float
    per_cpu: float


def read_memory(root: Path = Path("/"), *, groups: bool = True) -> Memory:
    """Return memory in use and available.

    Args:
        root: Where `cgroup` finds proc and the mounts.
        groups: Whether control groups are looked at; not where it is known that none has a limit.

    Raises:
        MeasurementUnavailable: The machine's or a group's figures can't be read.
    """
    try:
        machine = psutil.virtual_memory()
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise MeasurementUnavailable(f"memory can't be read: {error}") from None
    if not machine.total:
        raise MeasurementUnavailable("memory can't be read: the machine has 0 bytes")
    scopes = [("machine", machine.total, machine.available)]
    scopes += [
        (f"control group {bound.group}", bound.limit, max(0, bound.limit - bound.used))
        for bound in (cgroup.memory_limits(root) if groups else ())
        if bound.limit < machine.total
    ]
    least = min(scopes, key=lambda scope: scope[2])
    fullest = max(scopes, key=_share)
    return Memory(least[2] / MIB, least[0], _share(fullest), fullest[0], least[1] / MIB)


def _share(scope: tuple[str, int, int]) -> float:
    _, total, available = scope
    return 100.0 * (total - available) / total if total else 100.0


def measure_cpu(
    interval: float = 0.25,
    *,
    root: Path = Path("/"),
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    own_seconds: Callable[[], float] | None = None,
) -> Cpu:
    """Return the CPU time that other processes use during `interval` seconds from now.

    The machine's share counts the CPUs that this process may run on; a group's
    is its use of its quota (more than 100 % for a moment, with a burst).

    Args:
        interval: Seconds; below 0.1 the kernel's ticks of 10 ms show.
        root: Where `cgroup` finds proc and the mounts.
        clock: Seconds that only go up.
        sleep: Waits.
        own_seconds: Returns the CPU time that does not count; by default that of this process and
            the processes below it.

    Raises:
        MeasurementUnavailable: The figures can't be read, or did not move.
    """
    meter = CpuMeter(root=root, clock=clock, own_seconds=own_seconds or read_own_seconds)
    sleep(interval)
    return meter.read()


class CpuMeter:
    """Tells the CPU time in use since it was last asked, as `cpu` does.

    Args:
        root: Where `cgroup` finds proc and the mounts.
        clock: Seconds that only go up.
        own_seconds: Returns CPU time that does not count.

    Raises:
        MeasurementUnavailable: The figures can't be read.
    """

    def __init__(
        self,
        *,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
        own_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._root, self._clock, self._own_seconds = root, clock, own_seconds
        self.groups = True
        """Whether control groups are looked at; not where it is known that none has a limit."""
        self._last = self._now()

    def read(self) -> Cpu:
        """Return the share in use since the last reading.

        Raises:
            MeasurementUnavailable: The figures can't be read, or did not move.
        """
        (begin, before, groups_before, own_before), self._last = self._last, self._now()
        now, after, groups, own_after = self._last
        own = own_after - own_before
        found = [Cpu(_busy(before, after, own), "machine")]
        found += [
            Cpu(
                max(0.0, 100.0 * (groups[quota.group] - groups_before[quota.group] - own))
                / (quota.cpus * (now - begin)),
                f"control group {quota.group}",
            )
            for quota in (cgroup.cpu_limits(self._root) if groups else ())
            if quota.group in groups and quota.group in groups_before and now > begin
        ]
        return max(found, key=lambda cpu: cpu.used)

    def _now(self) -> tuple[float, list[tuple[float, float]], dict[str, float], float]:
        groups = cgroup.cpu_seconds(self._root) if self.groups else {}
        return self._clock(), _cpu_times(), groups, self._own_seconds()


def read_own_seconds() -> float:
    """Return the CPU time of this process and of all that it has started, in seconds."""
    seconds = 0.0
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with contextlib.suppress(psutil.Error):  # it has just ended: its parent has its time
            seconds += sum(process.cpu_times()[:4])  # user, system, and of children that ended
    return seconds


def _cpu_times() -> list[tuple[float, float]]:
    """Return busy and total seconds of each CPU that this process may run on."""
    try:
        every = psutil.cpu_times(percpu=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise MeasurementUnavailable(f"CPU times can't be read: {error}") from None
    ours = _affinity()
    # Where proc shows fewer CPUs than the mask has (lxcfs), the numbers don't match.
    if ours and max(ours) < len(every):
        every = [every[number] for number in sorted(ours)]
    return [_busy_and_total(times._asdict()) for times in every]


def _busy_and_total(times: dict[str, float]) -> tuple[float, float]:
    # Linux counts guest time in user time too.
    total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return total - times.get("idle", 0.0) - times.get("iowait", 0.0), total


def _busy(before: list[tuple[float, float]], after: list[tuple[float, float]], own: float) -> float:
    busy = sum(times[0] for times in after) - sum(times[0] for times in before) - own
    total = sum(times[1] for times in after) - sum(times[1] for times in before)
    if total <= 0:
        raise MeasurementUnavailable("CPU times did not move between two readings")
    return min(100.0, max(0.0, 100.0 * busy / total))


def _affinity() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def read_load() -> Load:
    """Return the load average of one minute for each CPU of the machine.

    The average counts the processes of the whole machine, so it is not set
    against a container's share; `cpu` tells how much of that is used.

    Raises:
        MeasurementUnavailable: It can't be read.
    """
    count = os.cpu_count()
    if not count:
        raise MeasurementUnavailable("the number of CPUs can't be read")
    try:
        average = os.getloadavg()[0]
    except OSError as error:
        raise MeasurementUnavailable(f"the load average can't be read: {error}") from None
    return Load(average, count, average / count)


def read_disk(path: Path) -> Disk:
    """Return how full the file system is that holds `path`.

    As df(1) of GNU coreutils: used / (used + available), where the blocks that
    only root may use are neither.

    Raises:
        MeasurementUnavailable: `path` is not there, or its file system has no such figures.
    """
    try:
        found = os.statvfs(path)
    except (OSError, ValueError) as error:
        raise MeasurementUnavailable(f"the file system of {path} can't be read: {error}") from None
    used = found.f_blocks - found.f_bfree
    # Below the reserve for root, some systems count down past zero, unsigned.
    available = found.f_bavail if found.f_bavail <= found.f_bfree else 0
    if used + available <= 0:
        raise MeasurementUnavailable(f"the file system of {path} tells no size")
    inodes = found.f_files - found.f_ffree
    return Disk(
        used=100.0 * used / (used + available),
        free=available * found.f_frsize / MIB,
        inodes_used=100.0 * inodes / found.f_files if found.f_files else None,
    )
