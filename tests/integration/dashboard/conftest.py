"""The dashboard of this worker, and sites that a test configures."""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pytest_flowhealth.probes.dashboard.site import Site
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


@pytest.fixture
def planned(server: DashboardServer, make_site: MakeSite) -> MakeSite:
    """Return a function that gives the server a plan and returns it, with a WebSocket, as a site."""

    def plan(plan: Mapping[str, object], path: str = "/ws", **settings: object) -> Site:
        place = server.plan(**plan)
        usual = {"window": "0.2 s", "timeout": "20 s", "update_interval": "50 ms"}
        urls = {"url": f"http://{place}/", "websocket": f"ws://{place}{path}"}
        return make_site(**urls, **{**usual, **settings})

    return plan
