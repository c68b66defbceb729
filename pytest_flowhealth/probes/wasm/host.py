"""What a host's sentinel took in the last benchmarks there.

Within one benchmark a steady load looks like a slow machine. Beside the machine's
last 20 benchmarks it shows.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import platform
import statistics
from pathlib import Path

import msgspec
import psutil

from pytest_flowhealth.config.files import read_bytes
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes import usercache

MOST = 20
FEWEST = 5
"""Benchmarks that a reference of the host's own is taken from, at the most and at the least."""


class HostBaseline:
    """Keeps references (ms) in `folder`, apart for each version of Node; where that is None, none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def reference(self, node: str) -> float | None:
        """Return the median of the last benchmarks' references, None after too few of them."""
        references = self._load(node)
        return statistics.median(references) if len(references) >= FEWEST else None

    def keep(self, node: str, reference: float) -> None:
        """Keep one benchmark's own reference; what can't be kept is left."""
        path = self._path(node)
        if path is None or not 0 < reference < math.inf:
            return
        references = [*self._load(node), reference][-MOST:]
        with contextlib.suppress(OSError):
            usercache.write(path, msgspec.json.encode(references))

    def _load(self, node: str) -> list[float]:
        path = self._path(node)
        if path is None:
            return []
        try:
            references = msgspec.json.decode(
                read_bytes(path, "the references", 10_000), type=list[float]
            )
        except (CheckFailed, msgspec.DecodeError, UnicodeDecodeError):
            return []
        return [reference for reference in references if 0 < reference < math.inf][-MOST:]

    def _path(self, node: str) -> Path | None:
        # A home folder may be shared by several machines.
        machine = f"{platform.node()} {platform.machine()} {psutil.cpu_count()} {node}"
        name = hashlib.sha256(machine.encode()).hexdigest()
        return self._folder / f"{name}.json" if self._folder else None
