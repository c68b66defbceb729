"""Answers kept on disk, each with its date and its ETag, to ask whether they still hold.

They are in the user's own cache folder, readable by nobody else, and never in the project: one
who could put a file there could put words into the registry's mouth.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from pathlib import Path

import msgspec

from pytest_flowhealth.config.files import read_bytes
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes import usercache

MOST_BYTES = 80 * 2**20
"""What one file may have."""

MOST_DAYS = 30
"""Files that nobody wrote for longer are removed."""


class Kept(msgspec.Struct, frozen=True):
    """An answer as it came: `fetched` in seconds since 1970, UTC."""

    url: str
    etag: str
    fetched: float
    body: bytes


class Store:
    """Keeps answers in `folder`, by name; where that can't be written, it keeps nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, name: str) -> Kept | None:
        """Return what is kept under `name`, None where nothing is that can be read."""
        if self._folder is None:
            return None
        try:
            content = read_bytes(self._file(self._folder, name), "the kept answer", MOST_BYTES)
            return msgspec.msgpack.decode(content, type=Kept)
        except (CheckFailed, msgspec.DecodeError, ValueError):
            return None

    def save(self, name: str, kept: Kept) -> None:
        """Keep an answer; what is old is removed."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            usercache.write(self._file(self._folder, name), msgspec.msgpack.encode(kept))
            _purge(self._folder)

    @staticmethod
    def _file(folder: Path, name: str) -> Path:
        return folder / f"{hashlib.sha256(name.encode()).hexdigest()}.answer"


def _purge(folder: Path) -> None:
    before = time.time() - MOST_DAYS * 86_400  # the files' dates are the system's
    for path in folder.glob("*.answer"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()
