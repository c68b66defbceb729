"""One monitor for a history: two would tell everything twice."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pytest_flowhealth.errors import UsageError


class MonitorLock:
    """A lock that ends with the process, however that ends (flock(2)).

    Args:
        history: The history's file; its folder is made.

    Raises:
        UsageError: Another monitor has it, or it can't be made.
    """

    def __init__(self, history: Path) -> None:
        path = history.with_name(f"{history.name}.monitor")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UsageError(
                f"the monitor can't begin: {path}: {error.strerror}; "
                "name another history with --health-history"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            other = os.read(self._file, 32).decode(errors="replace").strip()
            os.close(self._file)
            raise UsageError(
                f"another monitor{f' (process {other})' if other.isdigit() else ''} goes by the history "
                f"{history}; end it, or name another history with --health-history"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another monitor have it."""
        os.close(self._file)
