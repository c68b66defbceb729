"""The `install_reports` fixture: count the install reports that the history holds."""

from __future__ import annotations

import time
from pathlib import Path

from pytest_flowhealth.config.notation import write_duration
from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.history.location import FILE, find_location
from pytest_flowhealth.history.recording import query_history
from pytest_flowhealth.install_reports.store import Totals, totals
from pytest_flowhealth.monitor.round_request import read_round_request
from pytest_flowhealth.probes.registry.reports import InstallReports


def count_install_reports(target: Target, package: str) -> InstallReports:
    """Return how many installations of `package` were reported within `[feedback] window`.

    Raises:
        MeasurementUnavailable: The history can't be read.
    """
    window = target.config.feedback.window
    now = time.time()
    since = now - window
    found, problem = query_history(
        _find_history(target), lambda file: totals(file, (package,), since, now + 1), Totals(0, 0)
    )
    if problem is not None:
        raise MeasurementUnavailable(f"the install reports can't be read: {problem}")
    return InstallReports(
        succeeded=found.succeeded,
        failed=found.failed,
        within=write_duration(window),
        versions=found.versions,
        nodes=found.nodes,
        platforms=found.platforms,
    )


def _find_history(target: Target) -> Path:
    """Return the history with the reports: in a round the monitor's, else the configured one."""
    request = read_round_request()
    if request is not None and request.history is not None:
        return Path(request.history)
    place = find_location(None, target.root, target)
    return target.root / FILE if place is None else place.path
