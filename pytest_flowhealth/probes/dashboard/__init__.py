"""Probes of a web page, a WebSocket and the dashboard that an application's users see.

`HttpProbe` and `WebSocketProbe` measure any address; their session fixtures are `http_probe` and
`websocket_probe`. `DashboardProbe` measures the dashboard that ``[dashboard]`` in flowhealth.toml
describes. Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

if TYPE_CHECKING:
    from pytest_flowhealth.probes.dashboard.browser import BrowserView
    from pytest_flowhealth.probes.dashboard.content import (
        missing_security_headers,
        security_headers,
    )
    from pytest_flowhealth.probes.dashboard.dashboard_probe import DashboardProbe
    from pytest_flowhealth.probes.dashboard.http_client import HttpResponse, Timing
    from pytest_flowhealth.probes.dashboard.load import RequestSample, median_steps
    from pytest_flowhealth.probes.dashboard.probe import HttpProbe, WebSocketProbe
    from pytest_flowhealth.probes.dashboard.tls import TlsFiles

__all__ = [
    "BrowserView",
    "DashboardProbe",
    "HttpProbe",
    "HttpResponse",
    "RequestSample",
    "Timing",
    "TlsFiles",
    "WebSocketProbe",
    "median_steps",
    "missing_security_headers",
    "security_headers",
]

_MODULES = {
    "BrowserView": "browser",
    "DashboardProbe": "dashboard_probe",
    "HttpProbe": "probe",
    "HttpResponse": "http_client",
    "RequestSample": "load",
    "Timing": "http_client",
    "TlsFiles": "tls",
    "WebSocketProbe": "probe",
    "median_steps": "load",
    "missing_security_headers": "content",
    "security_headers": "content",
}

__getattr__ = make_getattr(__name__, _MODULES)
