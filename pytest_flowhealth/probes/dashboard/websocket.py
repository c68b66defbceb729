"""A WebSocket of the dashboard: opened, joined as its protocol requires, and kept open."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket as sockets
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from pytest_flowhealth.domain.text import format_number, one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard.address import ServerOrigin, SiteAddress
from pytest_flowhealth.probes.dashboard.http_client import USER_AGENT, HttpError
from pytest_flowhealth.probes.dashboard.login import REMEDY
from pytest_flowhealth.probes.dashboard.navigation import failure
from pytest_flowhealth.probes.dashboard.protocols import (
    ENGINE_VERSION,
    Protocol,
    choose_protocol,
    complete_address,
)
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.tls import explain_tls, find_refusal, tls_remedy
from pytest_flowhealth.probes.deadline import within

LARGEST = 16 * 2**20
"""Bytes of a message that are read."""

_CLOSING = 1.0
_NO_WEBSOCKET = "responds with something that is no WebSocket"
_OUR_REASONS = (1002, 1007, 1009)
_SUBPROTOCOLS = 'name the sub-protocol: [dashboard] subprotocols = ["..."] in flowhealth.toml'


class Connection:
    """An open WebSocket that has joined its server.

    Attributes:
        socket: The `ClientConnection` of the library `websockets`.
        opening: What opening it took, up to the answer that it is a WebSocket, in ms.
    """

    def __init__(self, socket: Any, site: Site, protocol: Protocol, opening: float) -> None:
        self.socket = socket
        self.opening = opening
        self.protocol = protocol
        self._heartbeat = site.settings.heartbeat
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, timeout: float) -> None:
        """Say what the protocol requires and wait until the server accepts.

        Raises:
            HttpError: The server refuses the client, or does not answer.
            WebSocketException: The connection ends.
        """
        from websockets.exceptions import ConnectionClosed

        protocol = self.protocol
        begins = "engine.io" in protocol.waits
        try:
            async with asyncio.timeout(timeout):
                await self._greet()
        except TimeoutError:
            if not protocol.accept_silence():
                raise HttpError(
                    f"opens the WebSocket and sends no {protocol.waits} within "
                    f"{format_number(timeout)} s",
                    ENGINE_VERSION if "engine.io" in protocol.waits else None,
                ) from None
            await self._greet()
        except ConnectionClosed:
            if begins and "engine.io" in protocol.waits:
                raise HttpError(
                    "ends the WebSocket without an engine.io handshake", ENGINE_VERSION
                ) from None
            raise
        self._start_heartbeats()

    async def _greet(self) -> None:
        protocol = self.protocol
        while protocol.waits:
            for text in protocol.take_greetings():
                await self.socket.send(text)
            if protocol.waits:
                protocol.receive(await self.socket.recv())
        for text in protocol.take_greetings():
            await self.socket.send(text)

    async def read(self, see: Callable[[str | bytes], None] | None = None) -> None:
        """Read messages, hand the application's to `see`, and answer those that must be answered.

        Raises:
            HttpError: The server disconnects the client.
            WebSocketException: The connection ends, in good order or not.
        """
        while True:
            message = await self.socket.recv()
            reply = self.protocol.receive(message)
            beat = self._heartbeat
            if reply is None and beat and beat.answers and beat.answers in to_text(message):
                reply = beat.send
            if reply is not None:
                await self.socket.send(reply)
            elif see is not None:
                see(message)

    async def close(self) -> None:
        """Close the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            await self.socket.close()

    def _start_heartbeats(self) -> None:
        beat = self._heartbeat
        every = [(self.protocol.ping, self.protocol.ping_interval)]
        if beat is not None and beat.every:
            every.append((beat.send, beat.every))
        self._tasks = [
            asyncio.create_task(self._send_every(text, seconds))
            for text, seconds in every
            if seconds
        ]

    async def _send_every(self, text: str, seconds: float) -> None:
        with contextlib.suppress(Exception):  # the reader sees how it ended
            while True:
                await asyncio.sleep(seconds)
                await self.socket.send(text)


def to_text(message: str | bytes) -> str:
    """Return a message as text."""
    return message if isinstance(message, str) else message.decode("utf-8", "replace")


def require_library() -> None:
    """Raise MeasurementUnavailable if the library for WebSockets is not installed."""
    try:
        importlib.import_module("websockets")
    except ImportError:
        raise MeasurementUnavailable(
            "WebSockets are opened by the package websockets, which is not installed",
            remedy="pip install 'pytest-flowhealth[dashboard]'",
        ) from None


@contextlib.asynccontextmanager
async def connected(site: Site, address: SiteAddress) -> AsyncIterator[Connection]:
    """Open a WebSocket, join its server, and close it at the end.

    Raises:
        Exception: One of `failures`: it can't be opened, or the server refuses the client.
    """
    connection = await open_connection(site, address)
    try:
        await connection.join(site.timeout)
        yield connection
    finally:
        await connection.close()


async def open_connection(site: Site, address: SiteAddress) -> Connection:
    """Open a WebSocket; nothing is sent over it yet.

    Raises:
        OSError: It can't be opened; TimeoutError when not in time.
        HttpError: What responds is no WebSocket, or refuses.
        MeasurementUnavailable: A rate limit refuses it.
    """
    try:
        return await _open(site, address)
    except (HttpError, EOFError, ConnectionError) as error:
        # A server that refuses a client's certificate resets the connection with its reason.
        lost = not isinstance(error, HttpError) or error.problem.startswith(_NO_WEBSOCKET)
        if not (lost and address.origin.secure):
            raise
        host, port = address.origin.host, address.origin.port
        refusal = await asyncio.to_thread(find_refusal, host, port, site.tls, site.timeout)
        if refusal is None:
            raise
    raise HttpError(*refusal)


async def _open(site: Site, address: SiteAddress) -> Connection:
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    # With a socket of its own the library does not follow a redirect to another server.
    began = time.monotonic()
    raw = await asyncio.to_thread(_open_socket, address.origin, site.timeout)
    secure: dict[str, Any] = {"ssl": site.context, "server_hostname": address.origin.host}
    offered = site.settings.subprotocols
    remedy = None
    try:
        socket = await connect(
            address.url,
            sock=raw,
            origin=site.page.origin.text,  # type: ignore[arg-type]  # a NewType of str
            subprotocols=list(offered) or None,  # type: ignore[arg-type]  # the same
            additional_headers=site.access.headers(address, jar=True),
            user_agent_header=USER_AGENT,
            open_timeout=site.timeout,
            ping_interval=None,
            close_timeout=_CLOSING,
            max_size=LARGEST,
            max_queue=None,
            **(secure if address.origin.secure else {}),
        )
    except InvalidStatus as error:
        problem, remedy = _explain_refusal(error.response, address, site)
    except InvalidHandshake as error:
        # A server that requires a client certificate refuses after the handshake of TLS.
        text = one_line(str(error.__cause__ or error), 120)
        problem = explain_tls(text) or (f"{_NO_WEBSOCKET}: {one_line(str(error), 120)}")
        remedy = _SUBPROTOCOLS if "subprotocol" in str(error) else tls_remedy(text)
    except ssl.SSLError:
        raw.close()
        raise  # one of them is a ValueError too
    except ValueError:
        problem = "redirects the WebSocket, which is not followed"
    else:
        protocol = choose_protocol(
            address,
            site.settings.subscribe,
            namespace=site.settings.socketio.namespace,
            auth=site.socketio_auth(),
            subprotocol=socket.subprotocol,
        )
        return Connection(socket, site, protocol, 1_000.0 * (time.monotonic() - began))
    raw.close()
    raise HttpError(problem, remedy)


def _explain_refusal(response: Any, address: SiteAddress, site: Site) -> tuple[str, str | None]:
    """Return the problem and the remedy of a response that is no WebSocket.

    Raises:
        MeasurementUnavailable: A rate limit refuses it.
    """
    status = response.status_code
    if status == 429:
        raise MeasurementUnavailable(
            f"{address.shown} refuses the WebSocket by its rate limit (status 429)",
            remedy="exempt this machine from the server's rate limit, or check less often",
        )
    remedy = _refusal_remedy(status, site)
    if status == 400 and "EIO=" in address.target:
        remedy = "let this client in: the server's options transports and allowRequest"
    return f"refuses the WebSocket with status {status}{_read_reason(response)}", remedy


def _refusal_remedy(status: int, site: Site) -> str | None:
    log_in = "configure how to log in: [dashboard.login] in flowhealth.toml"
    if site.settings.login is not None:
        log_in = REMEDY
    proxy = "a proxy before the server must pass the headers Upgrade and Connection"
    remedies = {
        200: f"correct dashboard.websocket in flowhealth.toml; {proxy}",
        400: f"{proxy}; if the server requires a sub-protocol, {_SUBPROTOCOLS}",
        401: log_in,
        403: log_in,
        404: f"correct dashboard.websocket in flowhealth.toml; {proxy}",
        426: f"{proxy}; if the server requires a sub-protocol, {_SUBPROTOCOLS}",
    }
    return remedies.get(status)


def _read_reason(response: Any) -> str:
    """Return the message of a refusal's body as the end of a sentence, empty without one."""
    text = bytes(response.body or b"").decode("utf-8", "replace")
    with contextlib.suppress(msgspec.DecodeError):
        found = msgspec.json.decode(text)
        text = str(found.get("message", "")) if isinstance(found, dict) else ""
    return "" if not text or "<" in text else f": {one_line(text, 80)}"


def _open_socket(origin: ServerOrigin, seconds: float) -> sockets.socket:
    """Open a connection without TLS; looking up a name has no limit of its own.

    Raises:
        OSError: It can't be opened; TimeoutError when not in time.
    """

    def work() -> sockets.socket:
        return sockets.create_connection((origin.host, origin.port), seconds)

    outcome = within(seconds, work, lambda: None)
    if outcome.late:
        raise TimeoutError
    if outcome.error is not None:
        raise outcome.error
    found = outcome.results[0]
    found.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
    found.setblocking(False)
    return found


def find_address(site: Site) -> SiteAddress:
    """Return the WebSocket's address.

    Raises:
        NotApplicable: None is configured.
        CheckFailed: None is configured, and other keys need it.
    """
    settings = site.settings
    if site.websocket is not None:
        return complete_address(site.websocket)
    needing = {
        "dashboard.message": settings.message is not None,
        "dashboard.subscribe": bool(settings.subscribe),
        "dashboard.connections.open": bool(settings.connections.open),
    }
    named = next((key for key, is_set in needing.items() if is_set), None)
    if named is not None:
        raise CheckFailed(
            f"{named} is set, but dashboard.websocket is not",
            remedy='set it in flowhealth.toml: [dashboard] websocket = "ws://localhost:3001/ws"',
        )
    raise NotApplicable("no WebSocket is configured: [dashboard] websocket in flowhealth.toml")


def failures() -> tuple[type[BaseException], ...]:
    """Return what using a WebSocket raises where the server, or the way to it, is at fault."""
    from websockets.exceptions import WebSocketException

    return (OSError, EOFError, HttpError, WebSocketException)


def explain_failure(address: SiteAddress, error: BaseException, site: Site) -> CheckFailed:
    """Return the failed check that one of `failures` means."""
    return failure(address, to_problem(error, site))


def to_problem(error: BaseException, site: Site) -> HttpError:
    """Return one of `failures` in words, with what would solve it."""
    from websockets.exceptions import ConnectionClosed

    if isinstance(error, HttpError):
        return error
    if isinstance(error, ConnectionClosed):
        return _explain_close(error, site)
    text = one_line(getattr(error, "strerror", None) or str(error) or type(error).__name__, 200)
    tls = explain_tls(text)
    problem = tls or f"can't be reached: {text}"
    if isinstance(error, TimeoutError):
        problem = f"gives no whole response within {format_number(site.timeout)} s"
    elif tls is None and isinstance(error, EOFError | ConnectionResetError | BrokenPipeError):
        problem = "closes the connection without a whole response"
    return HttpError(problem, tls_remedy(text) if tls else None)


def _explain_close(error: Any, site: Site) -> HttpError:
    sent, got = error.sent, error.rcvd
    if sent is not None and sent.code in _OUR_REASONS and not error.rcvd_then_sent:
        return HttpError(f"sends what can't be read: {one_line(sent.reason, 120) or sent.code}")
    if got is None:
        return HttpError("breaks off the connection of the WebSocket")
    reason = one_line(got.reason, 100)
    remedy = "the server's log says why it closes the connection"
    if (
        got.code == 4406
        or "protocol" in reason.lower()
        or (got.code == 1002 and not site.settings.subprotocols)
    ):
        remedy = _SUBPROTOCOLS
    elif got.code in (1008, 4401, 4403) or "auth" in reason.lower():
        remedy = "configure how to log in: [dashboard.login], [dashboard.socketio] or subscribe"
    elif "ping" in reason.lower() or "heartbeat" in reason.lower() or got.code in (4408, 4429):
        remedy = (
            "configure what keeps it open: [dashboard.heartbeat] or subscribe in flowhealth.toml"
        )
    return HttpError(f"closes the WebSocket with code {got.code} {reason}".rstrip(), remedy)
