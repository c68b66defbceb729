"""The spool: runs that could not be written yet, one file each, beside the history."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

import msgspec

from pytest_flowhealth.history.run_record import RunRecord
from pytest_flowhealth.history.store import add_run

_END = ".run"


def get_spool_folder(path: Path) -> Path:
    """Return the folder of the spooled runs of the history `path`."""
    return path.with_name(f"{path.name}.waiting")


def spool_run(path: Path, entry: RunRecord) -> None:
    """Write a run into the spool.

    Raises:
        OSError: It can't be written either.
    """
    folder = get_spool_folder(path)
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.msgpack.encode(entry))
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(folder / f"{entry.uid}{_END}")
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def list_spooled(path: Path) -> list[Path]:
    """Return the files of the spooled runs."""
    try:
        return sorted(get_spool_folder(path).glob(f"*{_END}"))
    except OSError:
        return []


def import_spooled(connection: sqlite3.Connection, path: Path) -> int:
    """Import the spooled runs into the history; return how many there were.

    A file that is no run is left where it is.

    Raises:
        sqlite3.Error: They can't be written; those that are left wait on.
    """
    count = 0
    for file in list_spooled(path):
        try:
            entry = msgspec.msgpack.decode(file.read_bytes(), type=RunRecord)
        except (OSError, msgspec.DecodeError):
            continue
        add_run(connection, entry)
        count += 1
        with contextlib.suppress(OSError):
            file.unlink()
    with contextlib.suppress(OSError):
        get_spool_folder(path).rmdir()
    return count
