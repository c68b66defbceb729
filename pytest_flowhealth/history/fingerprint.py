"""What makes two runs comparable: the same machine, the same Node, the same target."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import psutil


def cpu_model() -> str:
    """Return the name of the processor, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    # Python starts `uname` for the processor.
    return next(named, None) or platform.processor() or platform.machine()


def fingerprint(target: str | None, node: str | None) -> str:
    """Return 16 hexadecimal digits of CPU model, cores, Node's version and the target's name."""
    parts = (cpu_model(), str(psutil.cpu_count()), platform.machine(), node or "", target or "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
