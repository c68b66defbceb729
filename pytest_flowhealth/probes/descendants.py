"""All that a program started, found and ended: its process group, its children, and what got away.

A child that left the session and whose parent ended (setsid, a double fork) belongs to nobody:
it is found by a mark in its environment, which is handed on from process to process. One that
also cleared its environment is found where it was seen among the descendants before that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import psutil

from pytest_flowhealth.probes.process_groups import signal_group

MARK = "FLOWHEALTH_SPAWN"
"""The environment variable that holds the mark."""

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""

_LONGEST = 5.0
_STEP = 0.02


class Descendants:
    """The processes that come from one start.

    Args:
        pid: The first one, leader of a session of its own.
        mark: The random word in its environment.
        variable: The variable that holds it.
    """

    def __init__(self, pid: int, mark: str, variable: str = MARK) -> None:
        self._group = pid
        self._mark = f"{variable}={mark}".encode()
        self._seen: dict[int, psutil.Process] = {}
        self.look()

    def look(self) -> None:
        """Remember the present descendants of those that are known."""
        with contextlib.suppress(psutil.Error):
            self._seen.setdefault(self._group, psutil.Process(self._group))
        for process in [*self._seen.values()]:
            with contextlib.suppress(psutil.Error):
                for child in process.children(recursive=True):
                    self._seen.setdefault(child.pid, child)

    def alive(self) -> list[psutil.Process]:
        """Return those that run, the marked ones of the whole system included."""
        self.look()
        for process in _marked(self._mark):
            self._seen.setdefault(process.pid, process)
        return [process for process in self._seen.values() if _runs(process)]

    def detached(self) -> int:
        """Return how many of those that run have left the session."""
        return sum(_session(process) not in (self._group, None) for process in self.alive())

    def end(self) -> tuple[int, int]:
        """End all: SIGTERM, and SIGKILL for those that it does not end in time.

        Returns:
            How many had to be killed, and how many are left all the same.
        """
        killed: set[int] = set()
        begin = time.monotonic()
        signal_group(self._group, signal.SIGTERM)
        asked: set[int] = set()
        while alive := self.alive():
            late = time.monotonic() - begin
            if late > GRACE + _LONGEST:
                break
            for process in alive:
                if late > GRACE:
                    killed.add(process.pid)
                    _send(process, signal.SIGKILL)
                elif process.pid not in asked:
                    asked.add(process.pid)
                    _send(process, signal.SIGTERM)
            if late > GRACE:
                signal_group(self._group, signal.SIGKILL)
            time.sleep(_STEP)
        return len(killed), len(alive)


def _marked(mark: bytes) -> Iterator[psutil.Process]:
    """Yield the processes with this mark; read straight from proc, which is quicker than psutil."""
    if not os.path.isdir("/proc/self"):  # noqa: PTH112  # a question of the system, not of a file
        yield from _marked_slowly(mark.decode())
        return
    for name in os.listdir("/proc"):  # noqa: PTH208  # as above
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError, psutil.Error):
            with open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123
                found = mark in file.read(1 << 20).split(b"\0")
            if found:
                yield psutil.Process(int(name))


def _marked_slowly(mark: str) -> Iterator[psutil.Process]:
    name, _, word = mark.partition("=")
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == word:
                yield process


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _session(process: psutil.Process) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(process.pid)
    return None


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)
