"""Reading a target's files, whatever they are.

A name that ought to be a file may be a folder, a pipe, a device, a ring of
links or a thousand gigabytes: opened without waiting, looked at, and read up
to a limit.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pytest_flowhealth.errors import CheckFailed

LARGEST = 5 * 2**20
"""Bytes that a configuration file or a package.json may have."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_bytes(path: Path, label: str | None = None, largest: int = LARGEST) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: The file.
        label: What messages call it; else its name.
        largest: The most bytes that it may have.

    Raises:
        CheckFailed: It is missing, no regular file, larger or unreadable.
    """
    label = label or path.name
    try:
        return _read(path, label, largest)
    except FileNotFoundError:
        what = "is a link that leads nowhere" if path.is_symlink() else "is not there"
        problem = f"{label} {what}"
    except (OSError, ValueError) as error:
        problem = f"{label} can't be read: {reason(error)}"
    raise CheckFailed(problem)


def read_text(path: Path, label: str | None = None, largest: int = LARGEST) -> str:
    """Return the text of a regular file in UTF-8, without a byte order mark.

    Raises:
        CheckFailed: As `read_bytes`, or the bytes are not UTF-8, or hold a NUL.
    """
    content = read_bytes(path, label, largest).removeprefix(b"\xef\xbb\xbf")
    where = content.find(b"\0")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        where = error.start
        text = ""
    if where < 0:
        return text
    line = content.count(b"\n", 0, where) + 1
    byte = f"byte 0x{content[where]:02x} in line {line}"
    raise CheckFailed(f"{label or path.name} is not UTF-8 text: {byte}")


def kind_of(status: os.stat_result) -> str | None:
    """Return what a file is that is no regular one, None where it is one."""
    if stat.S_ISREG(status.st_mode):
        return None
    return _KINDS.get(stat.S_IFMT(status.st_mode), "something else")


def reason(error: Exception) -> str:
    """Return what the system says of an error, without the path."""
    return getattr(error, "strerror", None) or str(error)


def can_be_found(path: Path) -> bool:
    """Tell whether something is there; not so for a name that no file can have."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def is_absent(path: Path) -> bool:
    """Tell whether nothing has this name: what can't be looked at is not absent."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _read(path: Path, label: str, largest: int) -> bytes:
    # Without O_NONBLOCK, opening a pipe waits for somebody to write to it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        other = kind_of(os.fstat(handle))
        if other:
            raise CheckFailed(f"{label} is {other}, no regular file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(largest + 1)
    finally:
        os.close(handle)
    if len(content) > largest:
        raise CheckFailed(f"{label} has more than {largest / 2**20:g} MiB")
    return content
