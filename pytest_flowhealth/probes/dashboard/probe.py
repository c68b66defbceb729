"""The probes behind the fixtures `http_probe` and `websocket_probe`, and that of the whole dashboard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard.http_client import HttpClient, HttpError, HttpResponse
from pytest_flowhealth.probes.dashboard.tls import SYSTEM_TLS, TlsFiles


class HttpProbe:
    """Request any address over HTTP and measure its response times.

    Redirects are not followed and proxies of the environment are not used.

    Args:
        timeout: Seconds for each request, from its start to the last byte.
        tls: Authorities and client certificate.
    """

    def __init__(self, timeout: float = 5.0, tls: TlsFiles = SYSTEM_TLS) -> None:
        self._timeout = timeout
        self._tls = tls

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """Return the whole response to a GET request, whatever its status.

        Raises:
            CheckFailed: There is no whole response within the timeout.
            MeasurementUnavailable: pycurl is not installed.
        """
        with HttpClient(self._timeout, self._tls) as client:
            return _request(client, url, headers)

    def response_times(
        self,
        url: str,
        *,
        samples: int = 20,
        connections: Literal["kept", "fresh"] = "kept",
        interval: float = 0.05,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[float, ...]:
        """Return the time of each response in ms, from its request's start to its last byte.

        Args:
            url: http or https; a user and password in it are sent as basic authentication.
            samples: How many requests are measured; a p95 needs 20, a p99 100.
            connections: One connection that is kept open, or a fresh one for each request, whose
                opening counts.
            interval: Seconds from one request's start to the next, unless a response takes longer.
            headers: Headers of each request.

        Raises:
            CheckFailed: A request got no whole response, or one with a status of 400 or above.
            MeasurementUnavailable: pycurl is not installed.
        """
        times: list[float] = []
        with HttpClient(self._timeout, self._tls) as client:
            # The first one opens the connection, and reads the authorities.
            _request(client, url, headers)
            for _ in range(samples):
                begun = time.monotonic()
                response = _request(client, url, headers, fresh=connections == "fresh")
                if response.status >= 400:
                    raise CheckFailed(f"{url} responds with status {response.status}")
                times.append(response.timing.total)
                time.sleep(max(0.0, begun + interval - time.monotonic()))
        return tuple(times)


def _request(
    client: HttpClient, url: str, headers: Mapping[str, str] | None, *, fresh: bool = False
) -> HttpResponse:
    try:
        return client.request(url, headers=headers, fresh=fresh)
    except HttpError as error:
        problem = CheckFailed(f"{url} {error.problem}", remedy=error.remedy)
    raise problem


class WebSocketProbe:
    """Open a WebSocket at any address and measure it.

    Args:
        timeout: Seconds for opening a connection, and for each answer.
        tls: Authorities and client certificate.
    """

    def __init__(self, timeout: float = 5.0, tls: TlsFiles = SYSTEM_TLS) -> None:
        self._timeout = timeout
        self._tls = tls

    def round_trips(
        self,
        url: str,
        *,
        samples: int = 20,
        interval: float = 0.05,
        subprotocols: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> tuple[float, ...]:
        """Return the round trip of each protocol ping (RFC 6455, 5.5.2) in ms.

        Args:
            url: ws or wss.
            samples: How many pings are sent over one connection; a p95 needs 20, a p99 100.
            interval: Seconds from one ping to the next.
            subprotocols: The sub-protocols that the client offers.
            headers: Headers of the opening request.

        Raises:
            CheckFailed: The connection can't be opened, ends, or a ping gets no answer in time.
            MeasurementUnavailable: The package websockets is not installed.
        """
        from pytest_flowhealth.probes.dashboard.round_trips import measure_round_trips

        return measure_round_trips(
            url,
            samples=samples,
            interval=interval,
            timeout=self._timeout,
            tls=self._tls,
            subprotocols=subprotocols,
            headers=dict(headers or {}),
        )
