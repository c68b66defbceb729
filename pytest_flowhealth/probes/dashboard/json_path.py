"""Where a value is in JSON: ``stats.sockets[0].open``."""

from __future__ import annotations

import re
from typing import Any

_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def read_path(value: Any, path: str) -> Any:
    """Return what `value` has at `path`, None if it has nothing there."""
    try:
        for name, index in _PART.findall(path):
            value = value[name] if name else value[int(index)]
    except (KeyError, IndexError, TypeError):
        return None
    return value
