"""Format a plan as a unified diff, and write it completely or not at all."""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_flowhealth.config.atomic import replace_file
from pytest_flowhealth.config.files import is_absent, read_bytes, reason
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.scaffold.plan import Change, Plan, find_obstacle

_NEW = 0o644
_WRITABLE = 0o222


def format_diff(changes: Sequence[Change]) -> Iterator[str]:
    """Yield the lines of a unified diff of the changes, without their ends."""
    for change in changes:
        before, after = _lines(change.before), _lines(change.after)
        old = "/dev/null" if change.before is None else f"a/{change.path}"
        yield from difflib.unified_diff(before, after, old, f"b/{change.path}", lineterm="")


def write(plan: Plan) -> None:
    """Write every change; if one fails, undo those before it.

    Raises:
        CheckFailed: One can't be written, or its file changed since it was planned; then
            nothing is changed.
    """
    written: list[Path] = []
    made: list[Path] = []
    try:
        for change in plan.changes:
            _write(plan.root, change, written, made)
    except BaseException:
        _remove_written(written, made)
        raise


def _lines(content: bytes | None) -> list[str]:
    text = (content or b"").decode("utf-8", "replace")
    lines = text.split(
        "\n"
    )  # a line keeps its \r: git apply takes a diff with the file's own bytes only
    if lines[-1]:
        lines[-1] += "\n\\ No newline at end of file"
        return lines
    return lines[:-1]


def _write(root: Path, change: Change, written: list[Path], made: list[Path]) -> None:
    path = root / change.path
    problem = find_obstacle(root, change.path) or _find_change(path, change)
    if problem:
        raise CheckFailed(f"{problem}; nothing was written")
    try:
        _make_folders(path.parent, made)
        replace_file(path, change.after, _mode(path))
    except OSError as error:
        raise CheckFailed(
            f"{change.path} can't be written: {reason(error)}; nothing was written"
        ) from None
    if change.before is None:
        written.append(path)


def _find_change(path: Path, change: Change) -> str | None:
    """Return why a file differs from the plan, or must not be written."""
    if change.before is None:
        return None if is_absent(path) else f"{change.path} appeared in the meantime"
    if read_bytes(path, change.path) != change.before:
        return f"{change.path} changed in the meantime"
    # A rename would replace it all the same.
    if not _mode(path) & _WRITABLE or not os.access(path, os.W_OK):
        return f"{change.path} is read-only (chmod u+w {change.path})"
    return None


def _mode(path: Path) -> int:
    """Return the mode of the file, or that of a new file."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return _NEW


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and its parents; those that were absent are appended to `made`."""
    if folder.is_dir():
        return
    _make_folders(folder.parent, made)
    folder.mkdir()
    made.append(folder)


def _remove_written(written: list[Path], made: list[Path]) -> None:
    """Remove the new files, and the folders made for them."""
    for path in reversed(written):
        with contextlib.suppress(OSError):
            path.unlink()
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            folder.rmdir()
