"""The monitor's process: `pytest --interval` becomes it, so that no pytest stays in memory."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from pathlib import Path
from typing import Protocol

import msgspec

from pytest_flowhealth.domain.status import USAGE_ERROR
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.github_issues.scheduler import IssueScheduler
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.monitor.console import Console
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.loop import Monitor
from pytest_flowhealth.monitor.observer import MonitorEvent, MonitorObserver
from pytest_flowhealth.monitor.pipeline import Pipeline
from pytest_flowhealth.monitor.settings import MonitorOptions, Settings, find_history, load_settings


class ObserverFactory(Protocol):
    """A function that makes the observer of the monitor, such as the web page."""

    def __call__(
        self, options: MonitorOptions, settings: Settings, location: HistoryLocation
    ) -> MonitorObserver[Monitor]:
        """Return it.

        Raises:
            UsageError: It can't be had as it is asked for.
        """
        ...


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


class IssueObserver:
    """Synchronise GitHub issues beside a monitor without a web page; with one, the page does it.

    Args:
        scheduler: Runs the synchronisation.
    """

    def __init__(self, scheduler: IssueScheduler) -> None:
        self._scheduler = scheduler

    def start(self, _: Monitor) -> None:
        """Do nothing."""

    async def serve(self) -> None:
        """Do nothing."""

    def on_tick(self, monitor: Monitor, at: float) -> None:
        """Start a run if one is due."""
        self._scheduler.on_tick(monitor.settings.target, at)

    def drain_events(self) -> list[MonitorEvent]:
        """Return what happened since the last call."""
        return [MonitorEvent(name, facts) for name, facts in self._scheduler.drain_events()]

    def reconfigure(self, _: Monitor) -> None:
        """Run soon with the new configuration."""
        self._scheduler.reschedule()

    def close(self) -> None:
        """Do nothing: a run ends with the process."""


def main(words: list[str], make_observer: ObserverFactory | None = None) -> int:
    """Watch; return the exit code.

    Args:
        words: An `MonitorOptions` as JSON.
        make_observer: Makes the web page; None without `--web`.
    """
    options = msgspec.json.decode(words[0], type=MonitorOptions)
    try:
        settings = load_settings(options)
        history = find_history(options, settings)
        lock = MonitorLock(history.path)
        page: MonitorObserver[Monitor] | None = None
        if make_observer is not None:
            page = make_observer(options, settings, history)
    except UsageError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return USAGE_ERROR
    page = page or IssueObserver(IssueScheduler(history.path, os.environ))
    console = Console()
    logs = Logs(settings.target.root / settings.target.config.monitor.logs)
    pipeline = Pipeline(settings, history, os.environ, console.message, logs)
    try:
        return asyncio.run(Monitor(options, settings, pipeline, console, logs, page).run())
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
