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

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard.address import Address
from pytest_flowhealth.probes.dashboard.failure import Broken, Failures, down
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.wire import open_socket

LARGEST = 16 * 2**20
"""Bytes of a message that are read."""

_AGENT = "pytest-flowhealth"
_CLOSING = 1.0
_OUR_REASONS = (1002, 1007, 1009)
_SOCKET_IO = re.compile(r"/socket\.io/?\Z")


class Dialect(msgspec.Struct, frozen=True):
    """What is spoken above WebSocket, and what is said first.

    github.com/socketio/engine.io-protocol: a packet is a text whose first character is its
    kind, 4 for a message; the server sends 2 (ping) and drops who does not answer 3 (pong).
    github.com/socketio/socket.io-protocol: a message's first character is its kind, 2 for an
    event, 5 for one with bytes, which follow in messages of their own.

    Attributes:
        engine: Whether it is engine.io 4.
        events: Whether it is Socket.IO above it.
        hello: What is sent first.
    """

    engine: bool = False
    events: bool = False
    hello: tuple[str, ...] = ()

    def answer(self, message: str | bytes) -> str | None:
        """Return what a message must be answered with, None for none."""
        return "3" if self.engine and message == "2" else None

    def is_update(self, message: str | bytes, wanted: str | None) -> bool:
        """Tell whether a message is an update: any of the application's, or one that contains `wanted`."""
        if wanted is not None:
            return wanted in text_of(message)
        if self.events:
            return message[:2] in ("42", "45")
        return not self.engine or isinstance(message, bytes) or message[:1] == "4"


def text_of(message: str | bytes) -> str:
    """Return a message as text."""
    return message if isinstance(message, str) else message.decode("utf-8", "replace")


def dialect_of(address: Address, subscribe: tuple[str, ...]) -> Dialect:
    """Return what is spoken at an address: ``EIO=4`` in its query is engine.io."""
    path, _, query = address.target.partition("?")
    if "4" not in parse_qs(query).get("EIO", []):
        return Dialect(hello=subscribe)
    if _SOCKET_IO.search(path):
        # Who does not join within its connectTimeout is dropped.
        return Dialect(engine=True, events=True, hello=("40", *subscribe))
    return Dialect(engine=True, hello=subscribe)


def require_library() -> None:
    """Raise MeasurementUnavailable where the library that speaks WebSocket is not installed."""
    try:
        importlib.import_module("websockets")
    except ImportError:
        raise MeasurementUnavailable(
            "a WebSocket is spoken by the package websockets, which is not installed",
            remedy="pip install 'pytest-flowhealth[web]'",
        ) from None


@contextlib.asynccontextmanager
async def connected(site: Site, address: Address) -> AsyncIterator[Any]:
    """Open a WebSocket, say what is said first, yield it and close it.

    Raises:
        Failures: It can't be opened.
    """
    socket, _ = await opened(site, address)
    try:
        await greet(socket, dialect_of(address, site.settings.subscribe))
        yield socket
    finally:
        with contextlib.suppress(Exception):
            await socket.close()


async def greet(socket: Any, dialect: Dialect) -> None:
    """Say what is said first."""
    for text in dialect.hello:
        await socket.send(text)


async def opened(site: Site, address: Address) -> tuple[Any, float]:
    """Open a WebSocket; nothing is said yet.

    Returns:
        A `ClientConnection` of the library `websockets`, and what opening it took, in ms: finding
        the server's place, connecting, TLS, and the request up to its answer.

    Raises:
        OSError: It can't be opened; TimeoutError when not in time.
        Broken: What answers is no WebSocket, or refuses.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    # A socket of ours is what keeps the library from following a redirect to whomever it leads.
    place, *steps = await asyncio.to_thread(
        open_socket, address.origin, time.monotonic() + site.timeout
    )
    began = time.monotonic()
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
        return socket, sum(steps) + 1_000.0 * (time.monotonic() - began)
    place.close()
    raise Broken(problem)


def address_of(site: Site) -> Address:
    """Return the WebSocket's address.

    Raises:
        NotApplicable: None is configured.
        CheckFailed: None is configured, and other keys need it.
    """
    if site.websocket is None:
        _require_none(site)
        raise NotApplicable("no WebSocket is configured: [dashboard] websocket in flowhealth.toml")
    return site.websocket


def _require_none(site: Site) -> None:
    settings = site.settings
    asked = {
        "dashboard.message": settings.message is not None,
        "dashboard.subscribe": settings.subscribe,
        "dashboard.connections.open": settings.connections.open,
    }
    named = next((key for key, is_set in asked.items() if is_set), None)
    if named is not None:
        raise CheckFailed(
            f"{named} is set, but dashboard.websocket is not",
            remedy='set it in flowhealth.toml: [dashboard] websocket = "ws://localhost:3001/ws"',
        )


def ended(address: Address, error: BaseException, timeout: float) -> CheckFailed:
    """Return the failure that an error of a WebSocket is, one of its being closed included."""
    from websockets.exceptions import ConnectionClosed

    if isinstance(error, ConnectionClosed):
        error = Broken(_end_of(error))
    return down(address, error, timeout)


def _end_of(error: Any) -> str:
    sent, got = error.sent, error.rcvd
    if sent is not None and sent.code in _OUR_REASONS and not error.rcvd_then_sent:
        return f"sends what can't be read: {one_line(sent.reason, 120) or sent.code}"
    if got is None:
        return "breaks off the connection of the WebSocket"
    return f"closes the WebSocket with code {got.code} {one_line(got.reason, 100)}".rstrip()


def failures() -> tuple[type[BaseException], ...]:
    """Return what using a WebSocket may raise where the server, or the way to it, is at fault."""
    from websockets.exceptions import WebSocketException

    return (*Failures, WebSocketException)
