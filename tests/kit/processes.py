"""Ask whether processes still run."""

from __future__ import annotations

import psutil


def is_running(process_id: int) -> bool:
    """Tell whether a process runs; one that ended and was not waited for does not."""
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
