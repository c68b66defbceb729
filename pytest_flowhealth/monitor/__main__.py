"""The monitor's process: `pytest --interval` becomes it, so that no pytest stays in memory."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from pytest_flowhealth.domain.status import USAGE_ERROR
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.monitor.console import Console
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.loop import Monitor
from pytest_flowhealth.monitor.observer import MonitorObserver
from pytest_flowhealth.monitor.pipeline import Pipeline
from pytest_flowhealth.monitor.settings import MonitorOptions, Settings, find_history, load_settings

MakePage = Callable[[MonitorOptions, Settings, HistoryLocation], MonitorObserver]
"""Makes the web page; raises `UsageError` where it can't be had as it is asked for."""


class MonitorLock:
    """A lock that ends with the process, however that ends (flock(2)).

    Args:
        history: The history's file; its folder is made.

    Raises:
        UsageError: Another monitor has it, or it can't be made.
    """

    def __init__(self, history: Path) -> None:
        path = history.with_name(f"{history.name}.monitor")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UsageError(
                f"the monitor can't begin: {path}: {error.strerror}; "
                "name another history with --health-history"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            other = os.read(self._file, 32).decode(errors="replace").strip()
            os.close(self._file)
            raise UsageError(
                f"another monitor{f' (process {other})' if other.isdigit() else ''} goes by the history "
                f"{history}; end it, or name another history with --health-history"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another monitor have it."""
        os.close(self._file)


def main(words: list[str], make_page: MakePage | None = None) -> int:
    """Watch; return the exit code.

    Args:
        words: An `MonitorOptions` as JSON.
        make_page: Makes the web page; None without `--web`.
    """
    options = msgspec.json.decode(words[0], type=MonitorOptions)
    try:
        settings = load_settings(options)
        history = find_history(options, settings)
        lock = MonitorLock(history.path)
        page = None if make_page is None else make_page(options, settings, history)
    except UsageError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return USAGE_ERROR
    console = Console()
    logs = Logs(settings.target.root / settings.target.config.monitor.logs)
    pipeline = Pipeline(settings, history, os.environ, console.message, logs)
    try:
        return asyncio.run(Monitor(options, settings, pipeline, console, logs, page).run())
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
