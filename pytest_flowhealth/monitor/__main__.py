"""The monitor's process: `pytest --interval` becomes it, so that no pytest stays in memory."""

from __future__ import annotations

import os
import sys
from typing import Protocol

import msgspec

from pytest_flowhealth.domain.status import USAGE_ERROR
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.github_issues.scheduler import IssueScheduler
from pytest_flowhealth.history.location import HistoryLocation
from pytest_flowhealth.monitor.console import Console
from pytest_flowhealth.monitor.issues import IssueObserver
from pytest_flowhealth.monitor.lock import MonitorLock
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.loop import Monitor
from pytest_flowhealth.monitor.observer import MonitorObserver
from pytest_flowhealth.monitor.pipeline import Pipeline
from pytest_flowhealth.monitor.settings import MonitorOptions, Settings, find_history, load_settings


class Viewer(Protocol):
    """Makes what watches the monitor, ready to be started."""

    def __call__(
        self, options: MonitorOptions, settings: Settings, location: HistoryLocation
    ) -> Page:
        """Return it.

        Raises:
            UsageError: It can't be had as it is asked for.
        """
        ...


class Page(MonitorObserver[Monitor], Protocol):
    """What watches the monitor, and is to be started."""

    def start(self, monitor: Monitor) -> None:
        """Begin."""
        ...


def main(words: list[str], viewer: Viewer | None = None) -> int:
    """Watch; return the exit code.

    Args:
        words: An `MonitorOptions` as JSON.
        viewer: Makes the web page, where one is asked for.
    """
    options = msgspec.json.decode(words[0], type=MonitorOptions)
    try:
        settings = load_settings(options)
        history = find_history(options, settings)
        lock = MonitorLock(history.path)
        page = None if viewer is None else viewer(options, settings, history)
    except UsageError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return USAGE_ERROR
    console = Console()
    logs = Logs(settings.target.root / settings.target.config.monitor.logs)
    pipeline = Pipeline(settings, history, os.environ, console.message, logs)
    monitor = Monitor(options, settings, pipeline, console, logs)
    try:
        if page is None:
            monitor.view = IssueObserver(IssueScheduler(history.path, os.environ))
        else:
            monitor.view = page
            page.start(monitor)
        return monitor.run()
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
