"""Keeps an exclusive check alone among xdist's workers: a lock that the others share."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_KEY = "flowhealth_lock"


class LockKeeper:
    """Makes the lock in xdist's controller, names it to the workers, and removes it at the end."""

    def __init__(self) -> None:
        self._path: Path | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker, before it starts, where the lock is."""
        if self._path is None:
            handle, name = tempfile.mkstemp(prefix="flowhealth-", suffix=".lock")
            os.close(handle)
            self._path = Path(name)
        node.workerinput[_KEY] = str(self._path)

    def pytest_unconfigure(self) -> None:
        """Remove the lock."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def alone_or_shared(config: pytest.Config, *, exclusive: bool) -> Iterator[None]:
    """Hold the run's lock, shared or alone; without xdist checks follow each other anyway."""
    path = getattr(config, "workerinput", {}).get(_KEY)
    if path is None:
        yield
        return
    with Path(path).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
