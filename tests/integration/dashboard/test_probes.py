"""The probes `http_probe` and `websocket_probe`, which measure any address."""

from pathlib import Path

import pytest

from pytest_flowhealth import CheckFailed
from pytest_flowhealth.probes.dashboard import HttpProbe, WebSocketProbe
from tests.kit.dashboard import DashboardServer

DELAY = 0.02
"""Seconds that the server holds each page and pong."""


@pytest.mark.parametrize("connections", ["kept", "fresh"])
def test_response_times_contain_the_delay_of_the_server(server: DashboardServer, connections):
    place = server.plan(delays=[DELAY])
    times = HttpProbe().response_times(
        f"http://{place}/", samples=5, connections=connections, interval=0
    )
    assert len(times) == 5
    assert min(times) >= 1_000 * DELAY
    assert len(server.truth()["http"]) == 6  # one that is not counted opens the connection


def test_response_has_its_status_headers_and_the_time_of_each_step(server: DashboardServer):
    response = HttpProbe().get(f"http://{server.plan(status=418)}/", {"Cookie": "a=b"})
    assert (response.status, response.version, response.body) == (418, "HTTP/1.1", b"oh")
    assert response.header("Content-Length") == "2"
    assert response.timing.connect is not None
    assert response.timing.tls is None
    assert response.timing.total > 0


def test_response_with_an_error_is_no_response_time(server: DashboardServer):
    with pytest.raises(CheckFailed, match="responds with status 503"):
        HttpProbe().response_times(f"http://{server.plan(status=503)}/", samples=2)


def test_address_that_nobody_serves_fails_both_probes():
    with pytest.raises(CheckFailed, match="can't be reached"):
        HttpProbe().get("http://127.0.0.1:1/")
    with pytest.raises(CheckFailed, match=r"127\.0\.0\.1:1"):
        WebSocketProbe().round_trips("ws://127.0.0.1:1/")


def test_round_trips_contain_the_delay_of_the_server(server: DashboardServer):
    place = server.plan(delays=[DELAY])
    times = WebSocketProbe().round_trips(f"ws://{place}/ws", samples=3, interval=0)
    assert len(times) == 3
    assert min(times) >= 1_000 * DELAY


def test_ping_without_a_pong_fails(server: DashboardServer):
    place = server.plan(mute=True)
    with pytest.raises(CheckFailed, match="TimeoutError"):
        WebSocketProbe(timeout=0.2).round_trips(f"ws://{place}/ws", samples=1)


def test_fixtures_serve_a_check_of_ones_own(
    server: DashboardServer, pytester: pytest.Pytester
) -> None:
    place = server.plan()
    Path("test_own.py").write_text(
        "import pytest\n"
        "@pytest.mark.health('shop')\n"
        "@pytest.mark.threshold('response.p95', fail=5_000, better='lower', unit='ms')\n"
        "def test_response(health, http_probe, websocket_probe):\n"
        f"    health.measure('response', http_probe.response_times('http://{place}/'), unit='ms')\n"
        f"    trips = websocket_probe.round_trips('ws://{place}/ws')\n"
        "    health.measure('ping', trips, unit='ms')\n"
    )
    result = pytester.runpytest_subprocess("--health", "test_own.py")
    assert result.ret == 0
