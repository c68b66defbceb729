"""What the agents' processes use of the CPU time and the memory that they may use.

An agent's process is known by its number, or by its connection to the source; it counts with
all its descendants. Each scope has its own share: the machine (the CPUs that a process may run
on, its memory), and each control group with a limit that processes of agents are in. The
largest share is the one that counts: that scope runs out first.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import psutil

from pytest_flowhealth.errors import MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.fleet.snapshot import Agent, Snapshot
from pytest_flowhealth.probes.system import cgroup

SLACK = 5.0
"""Seconds by which a process may seem younger than its agent: clocks are not the same."""


class Share(msgspec.Struct, frozen=True):
    """A share in use, in %, and the scope where it is largest."""

    percent: float
    scope: str


class Usage(msgspec.Struct, frozen=True):
    """What the agents' processes use.

    Attributes:
        cpu: Of the CPU time that they may use.
        memory: Of the memory (proportional set size, where that can be read).
        processes: How many there are, descendants included.
        agents: How many agents they belong to.
        unseen: Agents whose process was not found on this machine.
        seconds: Over how long the CPU time was measured.
        megabytes: Memory in MB.
        cores: CPU time in cores.
    """

    cpu: Share
    memory: Share
    processes: int
    agents: int
    unseen: int
    seconds: float
    megabytes: float
    cores: float

    @property
    def percent(self) -> float:
        """The larger of both shares."""
        return max(self.cpu.percent, self.memory.percent)


class ProcessMeter:
    """The processes of agents, found once.

    Args:
        snapshot: What the source told.
        root: Where `cgroup` finds proc and the mounts.
        clock: Seconds that only go up.

    Raises:
        NotApplicable: The source can't tell processes, or they are on other machines.
        MeasurementUnavailable: None was found.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._clock = clock
        self._heads, self._agents = _heads(snapshot)
        self._unseen = len(snapshot.agents.members) - self._agents
        self._begin = clock()
        self._before = {process.pid: _cpu_seconds(process) for process in self._family()}

    def usage(self) -> Usage:
        """Return what was used since the processes were found.

        Raises:
            MeasurementUnavailable: No process is left, or the limits can't be read.
        """
        family = self._family()
        seconds = self._clock() - self._begin
        used = {process: self._used(process, seconds) for process in family}
        memory = {process: _memory(process) for process in family}
        if not family or seconds <= 0:
            raise MeasurementUnavailable("the agents' processes ended while they were looked at")
        return Usage(
            cpu=self._share(used, _machine_cpus(family), "cpu"),
            memory=self._share(memory, float(psutil.virtual_memory().total), "memory"),
            processes=len(family),
            agents=self._agents,
            unseen=self._unseen,
            seconds=seconds,
            megabytes=sum(memory.values()) / 1e6,
            cores=sum(used.values()),
        )

    def _family(self) -> list[psutil.Process]:
        found = {}
        for head in self._heads:
            with contextlib.suppress(psutil.Error):
                for process in (head, *head.children(recursive=True)):
                    found[process.pid] = process
        return [*found.values()]

    def _used(self, process: psutil.Process, seconds: float) -> float:
        """Return the cores that a process used; one that is new began with nothing."""
        now = _cpu_seconds(process)
        return max(0.0, now - self._before.get(process.pid, 0.0)) / seconds if seconds > 0 else 0.0

    def _share(self, used: dict[psutil.Process, float], machine: float, what: str) -> Share:
        scopes = {"machine": machine}
        inside: dict[str, float] = {"machine": sum(used.values())}
        for process, amount in used.items():
            for name, limit in self._limits(process, what):
                if limit < machine:
                    scope = f"control group {name}"
                    scopes[scope] = limit
                    inside[scope] = inside.get(scope, 0.0) + amount
        shares = [
            Share(100.0 * inside[scope] / limit, scope) for scope, limit in scopes.items() if limit
        ]
        if not shares:
            raise MeasurementUnavailable(f"how much {what} the machine has can't be read")
        return max(shares, key=lambda share: share.percent)

    def _limits(self, process: psutil.Process, what: str) -> list[tuple[str, float]]:
        number = str(process.pid)
        if what == "cpu":
            return [(each.group, each.cpus) for each in cgroup.cpu_limits(self._root, number)]
        return [
            (each.group, float(each.limit)) for each in cgroup.memory_limits(self._root, number)
        ]


def _heads(snapshot: Snapshot) -> tuple[list[psutil.Process], int]:
    """Return the processes, and how many agents they are: one may be several."""
    agents = snapshot.agents.members
    if "processes" in snapshot.never:
        raise NotApplicable(f"not known to this source: {snapshot.never['processes']}")
    if not agents:
        raise NotApplicable("there is no agent")
    ours = [agent for agent in agents if _is_here(agent, snapshot)]
    if not ours:
        raise NotApplicable("no agent's process is on this machine, by what the source tells")
    by_address = _connections({agent.address for agent in ours if agent.address and not agent.pid})
    processes = [_process(agent, by_address) for agent in ours]
    found = [process for process in processes if process is not None]
    if not found:
        raise MeasurementUnavailable(
            f"no process of {len(ours)} agents was found on this machine",
            remedy="run the check as the user that the agents run as, where they run",
        )
    return [*{process.pid: process for process in found}.values()], len(found)


def _is_here(agent: Agent, snapshot: Snapshot) -> bool:
    if agent.host is not None:
        return agent.host in (socket.gethostname(), "localhost", "127.0.0.1")
    return snapshot.local and bool(agent.pid or agent.address)


def _process(agent: Agent, by_address: dict[str, int]) -> psutil.Process | None:
    """Return an agent's process, unless its number belongs to a younger one by now."""
    number = agent.pid or by_address.get(agent.address or "")
    if not number:
        return None
    with contextlib.suppress(psutil.Error, ValueError, OverflowError):
        process = psutil.Process(number)
        seen = agent.heartbeat or agent.ready or agent.spawn_begin
        if number != os.getpid() and (seen is None or process.create_time() <= seen + SLACK):
            return process
    return None


def _connections(addresses: Iterable[str | None]) -> dict[str, int]:
    """Return the process at this end of each connection, by host and port."""
    wanted = {address for address in addresses if address}
    if not wanted:
        return {}
    found = {}
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            place = _place(connection.laddr) if connection.laddr and connection.pid else ""
            if place in wanted and connection.pid:
                found[place] = connection.pid
    return found


def _place(address: object) -> str:
    host, port = getattr(address, "ip", ""), getattr(address, "port", 0)
    host = host.removeprefix("::ffff:")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _cpu_seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return times.user + times.system
    return 0.0


def _memory(process: psutil.Process) -> float:
    """Return bytes: shared pages in proportion where that can be read, else all of them."""
    with contextlib.suppress(psutil.Error, AttributeError):
        return float(process.memory_full_info().pss)
    with contextlib.suppress(psutil.Error):
        return float(process.memory_info().rss)
    return 0.0


def _machine_cpus(family: Iterable[psutil.Process]) -> float:
    """Return how many CPUs the processes may run on together."""
    every: set[int] = set()
    for process in family:
        with contextlib.suppress(psutil.Error, AttributeError):
            every.update(process.cpu_affinity() or ())
    return float(len(every) or os.cpu_count() or 1)
