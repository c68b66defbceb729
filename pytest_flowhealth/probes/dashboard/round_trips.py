"""Round trips of pings over one WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.dashboard.tls import TlsFiles, explain_tls, make_context, tls_remedy


def measure_round_trips(  # noqa: PLR0913  # those of `WebSocketProbe.round_trips`
    url: str,
    *,
    samples: int,
    interval: float,
    timeout: float,
    tls: TlsFiles,
    subprotocols: tuple[str, ...],
    headers: Mapping[str, str],
) -> tuple[float, ...]:
    """Return the round trips in ms; see `WebSocketProbe.round_trips`."""
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException
        from websockets.typing import Subprotocol
    except ImportError:
        raise MeasurementUnavailable(
            "WebSockets are opened by the package websockets, which is not installed",
            remedy="pip install 'pytest-flowhealth[dashboard]'",
        ) from None

    async def measure() -> tuple[float, ...]:
        async with connect(
            url,
            proxy=None,
            ssl=make_context(tls) if url.lower().startswith("wss:") else None,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            additional_headers=dict(headers),
            open_timeout=timeout,
            ping_interval=None,
        ) as socket:
            taken = []
            for _ in range(samples):
                seconds = await asyncio.wait_for(await socket.ping(), timeout)
                taken.append(1_000.0 * seconds)
                await asyncio.sleep(max(0.0, interval - seconds))
            return tuple(taken)

    try:
        return asyncio.run(measure())
    except (OSError, WebSocketException) as error:
        text = one_line(str(error) or type(error).__name__, 200)
        problem = CheckFailed(f"{url}: {explain_tls(text) or text}", remedy=tls_remedy(text))
    raise problem
