"""Replace a file atomically: readers see the old content or the new one."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

FOLDER = ".flowhealth"
"""The folder of this program in a project."""


def replace_file(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write `content` beside `path` and rename it.

    `mode` says who may read it; without one it is that of the file that is replaced, else everybody's.

    Raises:
        OSError: It can't be written; what was there is still there.
    """
    path = path.resolve()  # a link to the report stays a link
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(_mode_of(path) if mode is None else mode)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _mode_of(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return 0o644


def make_folder(folder: Path) -> None:
    """Make the folder; our own one keeps itself out of the target's git.

    Raises:
        OSError: It can't be made.
    """
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if folder.name == FOLDER:
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
