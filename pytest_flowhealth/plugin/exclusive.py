"""Keeps an exclusive check alone among xdist's workers: a lock that the others share."""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def alone_or_shared(config: pytest.Config, *, exclusive: bool) -> Iterator[None]:
    """Hold the run's lock, shared or alone; without xdist checks follow each other anyway."""
    worker = getattr(config, "workerinput", None)
    if worker is None:
        yield
        return
    path = Path(tempfile.gettempdir()) / f"flowhealth-{worker['testrunuid']}.lock"
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
