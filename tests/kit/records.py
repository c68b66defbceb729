"""Entries of runs, made by hand."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pytest_flowhealth.history.entry import Entry, Outcome, Taken

Make = Callable[..., Entry]


@pytest.fixture
def entry() -> Make:
    """Return a function that makes a run."""

    def make(uid: str = "r1", started: float | None = None, **samples: tuple[float, ...]) -> Entry:
        return Entry(
            uid=uid,
            started=time.time() if started is None else started,
            duration=1.0,
            status="healthy",
            target="app",
            version="1.0.0",
            fingerprint="f",
            outcomes=(Outcome("redis.command", "redis", "pass", 0.1, ""),),
            taken=tuple(Taken(name, "ms", ones) for name, ones in samples.items()),
            report=b"",
        )

    return make
