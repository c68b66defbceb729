"""The fixtures of the integration tests, here too."""

from tests.integration.dashboard.conftest import dashboard_program, make_site, planned, server

__all__ = ["dashboard_program", "make_site", "planned", "server"]
