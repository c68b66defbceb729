"""Run an exclusive check alone: under pytest-xdist, all checks share a lock that it holds alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

_KEY = "flowhealth_lock"
_NO_LOCK = contextlib.nullcontext()


class LockFile:
    """Create the lock in xdist's controller, pass its path to the workers, and remove it at the end."""

    def __init__(self) -> None:
        self._path: Path | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass the path of the lock to a worker."""
        if self._path is None:
            handle, name = tempfile.mkstemp(prefix="flowhealth-", suffix=".lock")
            os.close(handle)
            self._path = Path(name)
        node.workerinput[_KEY] = str(self._path)

    def pytest_unconfigure(self) -> None:
        """Remove the lock."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def hold_lock(config: pytest.Config, *, exclusive: bool) -> AbstractContextManager[None]:
    """Hold the run's lock, shared or exclusively; without xdist there is nothing to lock."""
    path = getattr(config, "workerinput", {}).get(_KEY)
    return _NO_LOCK if path is None else _hold(Path(path), exclusive=exclusive)


@contextlib.contextmanager
def _hold(path: Path, *, exclusive: bool) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
