"""A temporary folder that is removed whatever happens, at the latest by the next who needs one."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes import command

PREFIX = "flowhealth-install-"
"""What the folders' names begin with; the maker's process id follows."""

_ATTEMPTS = 20
_lock = threading.Lock()
_open: set[Path] = set()
_over = threading.Event()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder that nobody else can read, and remove it at the end.

    A thread that is still at work when Python ends gets no chance to: what it leaves is removed as
    Python ends. What a killed run left is removed by the next.

    Raises:
        MeasurementUnavailable: Python is ending.
    """
    _sweep(Path(tempfile.gettempdir()))
    with _lock:
        go_on()
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        _open.add(folder)
    try:
        yield folder.resolve()
    finally:
        _remove(folder)
        with _lock:
            _open.discard(folder)


def go_on() -> None:
    """Raise MeasurementUnavailable where Python is ending: to be asked before another program is started."""
    if _over.is_set():
        raise MeasurementUnavailable("the run ended before it was done")


@atexit.register
def _tidy() -> None:
    with _lock:
        _over.set()
        left = list(_open)
    if left:
        command.end_all()
    for folder in left:
        _remove(folder)


def _sweep(where: Path) -> None:
    """Remove what processes left that are no more."""
    for path in where.glob(f"{PREFIX}*"):
        match = re.match(rf"{PREFIX}(\d+)-", path.name)
        with contextlib.suppress(OSError):
            mine = path.lstat().st_uid == os.getuid()
            if match and mine and not path.is_symlink() and not psutil.pid_exists(int(match[1])):
                _remove(path)


def _remove(folder: Path) -> None:
    """Remove a folder in which a program that was just ended may still make a file."""
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)
