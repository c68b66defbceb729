"""Runs a program and ends it, with all it left, when the one who asked for it is no more: a program of its own.

A run that is killed can tidy up nothing. Arguments: the process id of who asks, a folder to be
removed then, and the command. It needs the standard library only.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_PAUSE = 0.2
_ATTEMPTS = 50


def guard(parent: int, folder: Path, argv: Sequence[str]) -> int:
    """Run `argv`, which inherits all, and return its exit code."""
    child = subprocess.Popen(list(argv))  # noqa: S603  # the command that we were given
    while True:
        try:
            return child.wait(_PAUSE)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                _tidy(folder)


def _tidy(folder: Path) -> None:
    """End our process group, this process included, and remove the folder: done by a child apart."""
    group = os.getpgrp()
    if os.fork():
        signal.pause()
    os.setsid()
    # Killed is not yet gone: what a member is just doing on the disk is done to its end.
    _within_attempts(lambda: _ended(group))
    _within_attempts(lambda: _removed(folder))
    os._exit(0)


def _within_attempts(done: Callable[[], bool]) -> None:
    for _ in range(_ATTEMPTS):
        if done():
            break
        time.sleep(_PAUSE / 4)


def _ended(group: int) -> bool:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return True
    return False


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


if __name__ == "__main__":
    code = guard(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
    sys.exit(code if code >= 0 else 128 - code)
