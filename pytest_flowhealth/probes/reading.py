"""Reading a target's files, whatever they are.

A name that ought to be a file may be a folder, a pipe, a device, a ring of
links or a thousand gigabytes: opened without waiting, looked at, and read up
to a limit.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pytest_flowhealth.errors import ProbeError

LIMIT = 5 * 2**20
"""Bytes that a file of configuration may have."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_of(status: os.stat_result) -> str | None:
    """Return what a file is that is not a regular file, `None` where it is one."""
    if stat.S_ISREG(status.st_mode):
        return None
    return _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")


def read_bytes(path: Path, label: str, limit: int = LIMIT) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: The file.
        label: Its name in messages.
        limit: The most bytes that it may have.

    Raises:
        ProbeError: It is missing, not a regular file, larger or unreadable.
    """
    try:
        content = _read(path, label, limit)
    except FileNotFoundError:
        problem = (
            f"{label} is a link that leads nowhere" if path.is_symlink() else f"{label} is missing"
        )
    except (OSError, ValueError) as error:
        problem = f"{label} can't be read: {reason(error)}"
    else:
        return content
    raise ProbeError(problem)


def read_text(path: Path, label: str, limit: int = LIMIT) -> str:
    """Return the text of a regular file in UTF-8, without a byte order mark.

    Raises:
        ProbeError: As `read_bytes`, or the bytes are not UTF-8, or hold a NUL.
    """
    content = read_bytes(path, label, limit).removeprefix(b"\xef\xbb\xbf")
    where = content.find(b"\0")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        where = error.start
        text = ""
    if where < 0:
        return text
    line = content.count(b"\n", 0, where) + 1
    raise ProbeError(f"{label} is not UTF-8 text: byte 0x{content[where]:02x} in line {line}")


def reason(error: Exception) -> str:
    """Return what the system says of an error, without the path."""
    return getattr(error, "strerror", None) or str(error)


def _read(path: Path, label: str, limit: int) -> bytes:
    # Without O_NONBLOCK, opening a pipe waits for somebody to write to it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        other = kind_of(os.fstat(handle))
        if other:
            raise ProbeError(f"{label} is {other}, not a file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(handle)
    if len(content) > limit:
        raise ProbeError(f"{label} has more than {limit / 2**20:g} MiB")
    return content
