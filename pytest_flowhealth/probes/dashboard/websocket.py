"""WebSocket connections to the configured address, and to no other."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import msgspec

from pytest_flowhealth.errors import NotApplicable, ProbeError, Unmeasured
from pytest_flowhealth.probes.dashboard.address import Address
from pytest_flowhealth.probes.dashboard.failure import Broken, Failures, down
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.wire import open_socket
from pytest_flowhealth.verdict.text import one_line

LARGEST = 16 * 2**20
"""Bytes of a message that are read."""

_AGENT = "pytest-flowhealth"
_CLOSING = 1.0
_SOCKET_IO = re.compile(r"/socket\.io/?\Z")


class Dialect(msgspec.Struct, frozen=True):
    """What is spoken above WebSocket: `engine` for engine.io 4, `hello` is sent first.

    github.com/socketio/engine.io-protocol: a packet is a text whose first character is its
    kind; the server sends 2 (ping) and drops who does not answer 3 (pong).
    """

    engine: bool = False
    hello: tuple[str, ...] = ()

    def answer(self, message: str | bytes) -> str | None:
        """Return what a message must be answered with, None for none."""
        return "3" if self.engine and message == "2" else None

    def is_update(self, message: str | bytes, wanted: str | None) -> bool:
        """Tell whether a message is an update: any of the application's, or one that contains `wanted`."""
        if wanted is not None:
            text = message if isinstance(message, str) else message.decode("utf-8", "replace")
            return wanted in text
        # Of Socket.IO's packets 42 is an event, 45 one with bytes.
        return not self.engine or message[:2] in ("42", "45") or isinstance(message, bytes)


def dialect_of(address: Address, subscribe: tuple[str, ...]) -> Dialect:
    """Return what is spoken at an address: ``EIO=4`` in its query is engine.io."""
    path, _, query = address.target.partition("?")
    if "4" not in parse_qs(query).get("EIO", []):
        return Dialect(hello=subscribe)
    joins = ("40",) if _SOCKET_IO.search(path) else ()
    return Dialect(True, (*joins, *subscribe))


def require_library() -> None:
    """Raise Unmeasured where the library that speaks WebSocket is not installed."""
    try:
        importlib.import_module("websockets")
    except ImportError:
        raise Unmeasured(
            "a WebSocket is spoken by the package websockets, which is not installed",
            remedy="pip install 'pytest-flowhealth[web]'",
        ) from None


@contextlib.asynccontextmanager
async def connected(site: Site, address: Address) -> AsyncIterator[Any]:
    """Open a WebSocket, yield it and close it; what is said first has been sent.

    Raises:
        Failures: It can't be opened.
    """
    socket = await opened(site, address)
    try:
        yield socket
    finally:
        with contextlib.suppress(Exception):
            await socket.close()


async def opened(site: Site, address: Address) -> Any:
    """Return an open WebSocket of the library `websockets`, a `ClientConnection`.

    Raises:
        OSError: It can't be opened; TimeoutError when not in time.
        Broken: What answers is no WebSocket, or refuses.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    # A socket of ours is what keeps the library from following a redirect to whomever it leads.
    place, _, _ = await asyncio.to_thread(
        open_socket, address.origin, time.monotonic() + site.timeout
    )
    secure: dict[str, Any] = {"ssl": site.context, "server_hostname": address.origin.host}
    place.setblocking(False)
    try:
        socket = await connect(
            address.url,
            sock=place,
            origin=site.page.origin.text,  # type: ignore[arg-type]  # a NewType of str
            additional_headers=list(site.access.headers(address)),
            user_agent_header=_AGENT,
            open_timeout=site.timeout,
            ping_interval=None,
            close_timeout=_CLOSING,
            max_size=LARGEST,
            max_queue=None,
            **(secure if address.origin.secure else {}),
        )
    except InvalidStatus as error:
        problem = f"refuses the WebSocket with status {error.response.status_code}"
    except InvalidHandshake as error:
        problem = f"answers with what is no WebSocket: {one_line(str(error), 120)}"
    except ValueError:
        problem = "redirects the WebSocket, which is not followed"
    else:
        for text in dialect_of(address, site.settings.subscribe).hello:
            await socket.send(text)
        return socket
    place.close()
    raise Broken(problem)


def address_of(site: Site) -> Address:
    """Return the WebSocket's address.

    Raises:
        NotApplicable: None is configured.
    """
    if site.websocket is None:
        raise NotApplicable("no WebSocket is configured: [dashboard] websocket in flowhealth.toml")
    return site.websocket


def ended(address: Address, error: BaseException, timeout: float) -> ProbeError:
    """Return the failure that an error of a WebSocket is, one of its being closed included."""
    from websockets.exceptions import ConnectionClosed

    if isinstance(error, ConnectionClosed):
        told = error.rcvd
        why = f" with code {told.code} {one_line(told.reason, 100)}".rstrip() if told else ""
        error = Broken(f"closes the WebSocket{why}")
    return down(address, error, timeout)


def failures() -> tuple[type[BaseException], ...]:
    """Return what using a WebSocket may raise where the server, or the way to it, is at fault."""
    from websockets.exceptions import WebSocketException

    return (*Failures, WebSocketException)
