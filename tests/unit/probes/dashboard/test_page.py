"""How often the page is requested, and what an error of a connection means."""

import http.client
import socket
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard.failure import Broken, reason
from pytest_flowhealth.probes.dashboard.page import LEAST, QUICKEST, SLOWEST, plan
from tests.kit.dashboard import site_with


@pytest.mark.parametrize(
    ("requests", "typical", "count", "interval"),
    [
        (100, 0.001, 100, QUICKEST),
        (100, 0.08, 40, 0.1),
        (100, 9.0, LEAST, SLOWEST),
        (20, 0.001, 20, QUICKEST),
        (500, 0.08, 500, 0.1),  # what somebody asked for is done, however long it takes
    ],
)
def test_requests_are_as_many_as_fit_and_leave_a_slow_server_its_time(
    requests: int, typical: float, count: int, interval: float
) -> None:
    assert plan(requests, typical) == (count, interval)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Broken("answers with status 500"), "answers with status 500"),
        (TimeoutError(), "gives no whole answer within 2 s"),
        (http.client.RemoteDisconnected(""), "closes the connection without a whole answer"),
        (http.client.BadStatusLine("SSH-2.0"), "answers with what is no HTTP: SSH-2.0"),
        (ConnectionRefusedError(111, "Connection refused"), "can't be reached: Connection refused"),
        (socket.gaierror(-2, "unknown"), "can't be reached: its name is not known (unknown)"),
    ],
)
def test_an_error_of_a_connection_is_named_in_words(error: Exception, said: str) -> None:
    assert reason(error, 2.0).startswith(said)


def test_a_site_needs_an_address_and_the_variable_of_its_secret(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable):
        site_with(tmp_path)
    with pytest.raises(CheckFailed, match=r"dashboard\.url is not set"):
        site_with(tmp_path, websocket="ws://127.0.0.1:1/")
    login = {"method": "bearer", "secret_env": "FLOWHEALTH_TEST_UNSET"}
    with pytest.raises(MeasurementUnavailable, match="FLOWHEALTH_TEST_UNSET"):
        site_with(tmp_path, url="http://127.0.0.1:1/", login=login)
