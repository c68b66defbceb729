"""A queue of remote write requests on disk: one file each, in the order of sending.

Several processes may add requests to one folder; one of them at a time sends.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

_END = ".write"
_BEGUN = ".new"
_OLD = 60.0


class QueueLimits(msgspec.Struct, frozen=True):
    """Limits of a queue: bytes on disk, seconds, and bytes in memory while the disk can't be written."""

    size: float = 512 * 2.0**20
    age: float = 7 * 86_400.0
    held: float = 4 * 2.0**20


class PendingRequest(msgspec.Struct, frozen=True):
    """A queued request; `at` is when it was queued, in ns since 1970, and its id."""

    at: int
    body: bytes


class RequestQueue:
    """The queued requests, on disk, or bounded in memory while the disk is full.

    `lost` counts what had to be dropped.

    Args:
        folder: Where the files are.
        limits: How much may wait; the oldest go first.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        limits: QueueLimits = QueueLimits(),  # noqa: B008  # frozen
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.lost = DroppedRequests()
        self._limits, self._clock = limits, clock
        self._memory: deque[PendingRequest] = deque()
        self._files: deque[tuple[int, int]] = deque()
        self._stuck: set[int] = set()
        self._size = 0
        self._last = 0
        self._lock: int | None = None
        self.refresh()

    def __len__(self) -> int:
        return len(self._files) + len(self._memory)

    def put(self, body: bytes) -> None:
        """Queue a request."""
        self._last = max(self._last + 1, int(1e9 * self._clock()))
        self._memory.append(PendingRequest(self._last, body))
        self._save()
        self._bound()

    def first(self) -> PendingRequest | None:
        """Return the oldest request, of whatever process; None where none waits."""
        self._bound()
        if not self._files:
            self.refresh()
        while self._files:
            at = self._files[0][0]
            with contextlib.suppress(OSError):
                if body := self._path(at).read_bytes():
                    return PendingRequest(at, body)
            self._forget()  # another process sent it, or the machine crashed while it was written
        return self._memory[0] if self._memory else None

    def done(self, at: int) -> None:
        """Forget a request; it may have been dropped meanwhile."""
        if self._files and self._files[0][0] == at:
            self._forget()
        elif self._memory and self._memory[0].at == at:
            self._memory.popleft()
        self._save()

    def refresh(self) -> None:
        """Read again which requests other processes have queued or sent."""
        found = []
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.folder):
                number, end = os.path.splitext(entry.name)  # noqa: PTH122  # of thousands of names
                if end == _END and number.isdigit() and int(number) not in self._stuck:
                    with contextlib.suppress(OSError):
                        found.append((int(number), entry.stat().st_size))
                elif end == _BEGUN:
                    _remove_old(Path(entry.path), self._clock())
        self._files = deque(sorted(found))
        self._size = sum(size for _, size in found)

    def claim(self) -> bool:
        """Tell whether this process is the one that sends; it stays so until `release`."""
        if self._lock is not None:
            return True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            number = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return True  # nothing but memory, which is ours alone
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(number)
            return False
        except OSError:
            os.close(number)
            return True  # a file system without locks
        self._lock = number
        self.refresh()
        return True

    def release(self) -> None:
        """Let another process send."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _path(self, at: int) -> Path:
        return self.folder / f"{at:020}{_END}"

    def _save(self) -> None:
        """Write what is in memory, as far as there is room."""
        while self._memory:
            request = self._memory[0]
            path = self._path(request.at)
            while path.exists():  # of another process in the same nanosecond
                request = self._memory[0] = PendingRequest(request.at + 1, request.body)
                path = self._path(request.at)
            begun = path.with_suffix(f".{os.getpid()}{_BEGUN}")
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                begun.write_bytes(request.body)
                begun.replace(path)
            except OSError:
                with contextlib.suppress(OSError):
                    begun.unlink()
                return
            self._memory.popleft()
            self._files.append((request.at, len(request.body)))
            self._size += len(request.body)

    def _bound(self) -> None:
        """Drop what is too old, and the oldest of what is too much."""
        oldest = 1e9 * (self._clock() - self._limits.age)
        while self._files and (
            self._files[0][0] < oldest or (self._size > self._limits.size and len(self._files) > 1)
        ):
            at = self._files[0][0]
            if self._path(at).exists():  # else another process has sent it
                self.lost.add(at)
            self._forget()
        while len(self._memory) > 1 and (
            sum(len(request.body) for request in self._memory) > self._limits.held
        ):
            self.lost.add(self._memory.popleft().at)

    def _forget(self) -> None:
        at, size = self._files.popleft()
        self._size -= size
        try:
            self._path(at).unlink(missing_ok=True)
        except OSError:
            self._stuck.add(at)  # it must not be sent again and again


class DroppedRequests:
    """How many requests were dropped, and from when to when they were queued."""

    def __init__(self) -> None:
        self.count = 0
        self._first, self._last = 0, 0

    def add(self, at: int) -> None:
        """Count one, put at `at` ns since 1970."""
        self._first = min(self._first or at, at)
        self._last = max(self._last, at)
        self.count += 1

    def __str__(self) -> str:
        return (
            f"{self.count} requests from {_time(self._first)} to {_time(self._last)} UTC are lost "
            "for want of room"
        )


def _time(at: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at / 1e9, datetime.UTC):%Y-%m-%d %H:%M:%S}"


def _remove_old(path: Path, now: float) -> None:
    """Remove what a process that was killed had begun to write."""
    with contextlib.suppress(OSError):
        if now - path.stat().st_mtime > _OLD:
            path.unlink()
