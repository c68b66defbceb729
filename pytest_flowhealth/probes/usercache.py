"""The user's own cache folder: what is worth keeping from one run to the next, and nobody else may write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def user_folder(environ: Mapping[str, str], part: str) -> Path | None:
    """Return `part` of our place in the user's cache (XDG Base Directory), None where there is none."""
    base = environ.get("XDG_CACHE_HOME") or ""
    if not Path(base).is_absolute():
        home = environ.get("HOME") or ""
        base = f"{home}/.cache" if Path(home).is_absolute() else ""
    return Path(base) / "pytest-flowhealth" / part if base else None


def write(path: Path, content: bytes) -> None:
    """Write a file in one step, readable by the user alone; its folder is made.

    Raises:
        OSError: It can't be written; what was there is still there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
