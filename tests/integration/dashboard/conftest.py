"""The dashboard of this worker, and sites that a test configures."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.dashboard import DashboardServer, MakeSite, site_with


@pytest.fixture(scope="session")
def dashboard_program() -> Iterator[DashboardServer]:
    """Start the server for all tests of this worker; `server` is the same, without a plan."""
    with DashboardServer() as server:
        yield server


@pytest.fixture
def server(dashboard_program: DashboardServer) -> DashboardServer:
    """Return a dashboard that is well: no delays, no faults, no updates."""
    dashboard_program.plan()
    return dashboard_program


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    """Return a function that configures `[dashboard]` and returns the site."""
    return functools.partial(site_with, tmp_path)
