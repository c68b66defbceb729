"""Requests that wait for their server: a file each, in order, as they will be sent."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from pathlib import Path

_END = ".write"


class Queue:
    """The requests that wait.

    A kill leaves what was written; a full disk leaves them in memory, bounded.

    Args:
        folder: Where the files are.
        most: Bytes on disk at the most; the oldest go first.
        held: Requests in memory at the most.
    """

    def __init__(self, folder: Path, most: int = 512 * 2**20, held: int = 2_000) -> None:
        self.folder = folder
        self.dropped = 0
        self._most, self._held = most, held
        self._memory: deque[bytes] = deque()
        self._files: deque[tuple[Path, int]] = deque()
        self._size = 0
        self._number = time.time_ns()
        for path in sorted(folder.glob(f"*{_END}")) if folder.is_dir() else ():
            with contextlib.suppress(OSError):
                self._note(path, path.stat().st_size)

    def __len__(self) -> int:
        return len(self._files) + len(self._memory)

    def put(self, body: bytes) -> None:
        """Let a request wait."""
        self._memory.append(body)
        self._save()
        while self._size > self._most and len(self._files) > 1:
            self._forget()
            self.dropped += 1
        while len(self._memory) > self._held:
            self._memory.popleft()
            self.dropped += 1

    def first(self) -> bytes | None:
        """Return the oldest request; None where none waits."""
        while self._files:
            with contextlib.suppress(OSError):
                if body := self._files[0][0].read_bytes():
                    return body
            self._forget()  # somebody removed it, or it was cut off by a crash of the machine
        return self._memory[0] if self._memory else None

    def done(self) -> None:
        """Forget the oldest request."""
        if self._files:
            self._forget()
        elif self._memory:
            self._memory.popleft()
        self._save()

    def _save(self) -> None:
        """Write what is in memory, as far as there is room."""
        while self._memory:
            self._number += 1
            path = self.folder / f"{self._number:020}{_END}"
            begun = path.with_suffix(".new")
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                begun.write_bytes(self._memory[0])
                begun.replace(path)
            except OSError:
                with contextlib.suppress(OSError):
                    begun.unlink()
                return
            self._note(path, len(self._memory.popleft()))

    def _note(self, path: Path, size: int) -> None:
        self._files.append((path, size))
        self._size += size

    def _forget(self) -> None:
        path, size = self._files.popleft()
        self._size -= size
        with contextlib.suppress(OSError):
            path.unlink()
