"""Reading a target's files: regular ones only, bounded, as UTF-8."""

from __future__ import annotations

from pathlib import Path

from pytest_flowhealth.errors import ProbeError

LARGEST = 5 * 2**20
"""Bytes of a configuration file or a package.json that are read at the most."""


def read_text(path: Path, *, largest: int = LARGEST) -> str:
    """Return the text of a file, a byte-order mark left out.

    Raises:
        ProbeError: It is absent, no regular file, unreadable, too large or not UTF-8.
    """
    try:
        if not path.is_file():
            # Opening a pipe would wait for its writer.
            what = "is no regular file" if path.exists() or path.is_symlink() else "is not there"
            raise ProbeError(f"{path.name} {what}")
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise ProbeError(f"{path.name} can't be read: {error.strerror}") from None
    if len(content) > largest:
        raise ProbeError(f"{path.name} is larger than {largest // 2**20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProbeError(f"{path.name} is not UTF-8: byte {error.start} does not fit") from None
