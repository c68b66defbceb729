"""Read files of a target that may be anything: a folder, a pipe, a device, a loop of links, a huge file.

A file is opened without blocking, its type is checked, and it is read up to a limit.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pytest_flowhealth.errors import CheckFailed

LARGEST = 5 * 2**20
"""Maximum size of a configuration file or a package.json, in bytes."""

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
        label: Its name in messages; default: the file's name.
        largest: Maximum size in bytes.

    Raises:
        CheckFailed: It is missing, not a regular file, too large or unreadable.
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
    """Return the type of a file that is not a regular one, such as "a pipe"; None for a regular file."""
    if stat.S_ISREG(status.st_mode):
        return None
    return _KINDS.get(stat.S_IFMT(status.st_mode), "something else")


def reason(error: Exception) -> str:
    """Return the system's message of an error, without the path."""
    return getattr(error, "strerror", None) or str(error)


def can_be_found(path: Path) -> bool:
    """Return whether a path exists; False for an invalid name."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def is_absent(path: Path) -> bool:
    """Return whether a path certainly does not exist; False if that can't be determined."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _read(path: Path, label: str, largest: int) -> bytes:
    # Without O_NONBLOCK, opening a pipe blocks until another process writes to it.
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
