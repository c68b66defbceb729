"""Import spooled runs into a history once it can be written: `python -m pytest_flowhealth.history.drain PATH`."""

from __future__ import annotations

import sqlite3
import sys
import time
from pathlib import Path

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history import spool
from pytest_flowhealth.history.recording import open_history

LONGEST = 300.0
"""Seconds after which it gives up; the next run takes in what is left."""

_PAUSE = 0.5


def drain(path: Path, seconds: float = LONGEST) -> bool:
    """Import the spooled runs; return whether none is left after so many seconds."""
    end = time.monotonic() + seconds
    while spool.list_spooled(path) and time.monotonic() < end:
        try:
            with open_history(path, wait=_PAUSE) as connection:
                spool.import_spooled(connection, path)
        except (sqlite3.Error, OSError):
            time.sleep(_PAUSE)
        except UsageError:
            return False
    return not spool.list_spooled(path)


if __name__ == "__main__":
    sys.exit(not drain(Path(sys.argv[1])))
