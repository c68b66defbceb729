"""Sample CPU, memory, disk and network every second; what can't be read has no value."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil

from pytest_flowhealth.errors import FlowHealthError
from pytest_flowhealth.probes.system import CpuMeter, cgroup, read_disk, read_load, read_memory

UNITS = {
    "system.cpu": "%",
    "system.memory": "%",
    "system.memory_available": "MiB",
    "system.disk": "%",
    "system.load": "1",
    "system.network_in": "B/s",
    "system.network_out": "B/s",
}
"""What is read, and in which unit."""


LOOKED = 30.0
"""Seconds after which it is looked again whether a control group limits us: that costs the most."""


class Network(msgspec.Struct, frozen=True):
    """Bytes that came in and went out since the machine's start, loopback left out, and when."""

    at: float
    received: int
    sent: int


class Sampler:
    """Reads the machine.

    Args:
        root: A folder on the disk that is looked at.
        clock: Seconds that only go up.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._cpu: CpuMeter | None = None
        self._network: Network | None = None
        self._limited = True
        self._requested = float("-inf")

    def read(self) -> dict[str, float]:
        """Return what can be read now, by metric; rates are since the last reading."""
        found: dict[str, float] = {}
        if self._clock() - self._requested >= LOOKED:
            self._requested = self._clock()
            self._limited = _is_limited()
        for part in (self._busy, self._memory, self._disk, self._load, self._traffic):
            # What can't be read now is absent: nothing stands in for it.
            with contextlib.suppress(FlowHealthError, OSError, psutil.Error):
                found.update(part())
        return found

    def _busy(self) -> Iterator[tuple[str, float]]:
        if self._cpu is None:
            self._cpu = CpuMeter(clock=self._clock)
            return
        self._cpu.groups = self._limited
        yield "system.cpu", self._cpu.read().used

    def _memory(self) -> Iterator[tuple[str, float]]:
        memory = read_memory(groups=self._limited)
        yield "system.memory", memory.used
        yield "system.memory_available", memory.available

    def _disk(self) -> Iterator[tuple[str, float]]:
        yield "system.disk", read_disk(self._root).used

    def _load(self) -> Iterator[tuple[str, float]]:
        yield "system.load", read_load().per_cpu

    def _traffic(self) -> Iterator[tuple[str, float]]:
        before, now = self._network, _read_network(self._clock())
        self._network = now
        if before is None or now.at <= before.at:
            return
        # A counter that went back belongs to a card that is gone: nothing is known of this second.
        if now.received >= before.received and now.sent >= before.sent:
            yield "system.network_in", (now.received - before.received) / (now.at - before.at)
            yield "system.network_out", (now.sent - before.sent) / (now.at - before.at)


def _is_limited() -> bool:
    """Tell whether a control group limits us, as far as can be told."""
    try:
        return bool(cgroup.memory_limits() or cgroup.cpu_limits())
    except FlowHealthError:
        return True


def _read_network(at: float) -> Network:
    cards = psutil.net_io_counters(pernic=True, nowrap=True)
    external = [counters for name, counters in cards.items() if name != "lo"]
    return Network(
        at,
        sum(counters.bytes_recv for counters in external),
        sum(counters.bytes_sent for counters in external),
    )
