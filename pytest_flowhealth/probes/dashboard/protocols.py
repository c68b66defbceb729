"""What is spoken over a WebSocket: engine.io, Socket.IO, graphql-transport-ws, or messages as they are.

engine.io (github.com/socketio/engine.io-protocol): the first character of a packet is its kind,
0 for the handshake, 4 for a message. In version 4 the server sends 2 (ping) and closes the connection
of a client that does not answer 3; in version 3 the client sends 2.

Socket.IO (github.com/socketio/socket.io-protocol): the first character of such a message is its
kind, 0 connect, 1 disconnect, 2 event, 4 error, 5 event with bytes, which follow in messages of their
own; then comes the namespace, if it is not the main one. From protocol version 5 (engine.io 4) a
client joins the main namespace too; before, the server connects it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.probes.dashboard.address import SiteAddress
from pytest_flowhealth.probes.dashboard.http_client import HttpError

GRAPHQL = ("graphql-transport-ws", "graphql-ws")
"""Sub-protocols of GraphQL: that of the library graphql-ws, and of subscriptions-transport-ws before it."""

ENGINE_VERSION = (
    "write the version of engine.io that the server speaks: EIO=4 for Socket.IO 3 and 4, EIO=3 for "
    "Socket.IO 2, in dashboard.websocket"
)
"""The remedy where client and server speak different versions."""

_LOG_IN = (
    "configure what it requires: [dashboard.login], [dashboard.socketio] or subscribe in "
    "flowhealth.toml"
)
_SOCKET_IO = re.compile(r"/socket\.io/?\Z")
_ENGINE_IO = re.compile(r"/engine\.io/?\Z")
_ERROR_KINDS = frozenset({"error", "unauthorized", "unauthenticated", "forbidden", "auth_error"})
_REFUSED = re.compile(
    r"unauthori[sz]ed|unauthenticated|not authenticated|forbidden|access denied|not allowed"
    r"|permission denied|(?:invalid|missing|expired|no|bad) (?:auth\w*|token|credentials|session)"
    r"|log ?in required|auth\w*[ _](?:required|failed|error)",
    re.IGNORECASE,
)
_PACKET = re.compile(r"4(?P<kind>[0-6])(?:\d+-)?(?P<namespace>/[^,\[{]*)?,?(?P<data>.*)", re.DOTALL)


class Protocol:
    """Messages as they are: none is required, each is an update.

    Attributes:
        waits: What the server still has to send before the client has joined; empty once it has.
        ping: A message that the client sends every `ping_interval` seconds; 0: none.
    """

    waits = ""
    ping = ""
    ping_interval = 0.0

    def __init__(self, subscribe: Sequence[str]) -> None:
        self._greetings = list(subscribe)
        self._is_served = False

    def take_greetings(self) -> list[str]:
        """Return what the client sends now, once."""
        greetings, self._greetings = self._greetings, []
        return greetings

    def receive(self, message: str | bytes) -> str | None:
        """Note a message and return what it must be answered with, None for nothing.

        Raises:
            HttpError: The message refuses the client or disconnects it.
        """
        if not self._is_served and self._is_application_s(message):
            error = self._read_error(message)
            if error is not None and _REFUSED.search(error):
                raise HttpError(f"refuses the client in a message: {error}", _LOG_IN)
            self._is_served = error is None
        return None

    def accept_silence(self) -> bool:
        """Tell whether a server that does not send what is waited for may be used all the same."""
        return False

    def is_update(self, message: str | bytes, wanted: str | None) -> bool:
        """Tell whether a message is an update; `wanted` is a text that updates contain."""
        if wanted is not None:
            text = message if isinstance(message, str) else message.decode("utf-8", "replace")
            return wanted in text
        return self._is_application_s(message) and self._read_error(message) is None

    def _is_application_s(self, message: str | bytes) -> bool:
        del message
        return True

    def _read_error(self, message: str | bytes) -> str | None:
        """Return the text of a message that is an error by its type, None for any other."""
        return read_error(message)


class EngineIo(Protocol):
    """engine.io 3 or 4."""

    ping = "2"

    def __init__(self, version: int, subscribe: Sequence[str]) -> None:
        super().__init__(())
        self.waits = "engine.io handshake"
        self._version = version
        self._subscribe = list(subscribe)
        self._interval = 0.0

    def receive(self, message: str | bytes) -> str | None:
        """Answer a ping; the handshake tells how often the client of version 3 sends one."""
        super().receive(message)
        if isinstance(message, bytes):
            return None
        if message[:1] == "0" and self.waits == "engine.io handshake":
            self._read_handshake(message[1:])
            self._joined()
        if message[:1] == "1":
            raise HttpError("closes the engine.io session")
        return "3" if self._version >= 4 and message[:1] == "2" else None

    def _read_handshake(self, text: str) -> None:
        try:
            self._interval = json.loads(text).get("pingInterval", 25_000) / 1_000
        except (ValueError, AttributeError, TypeError):
            raise HttpError("opens the WebSocket with something that is no engine.io") from None
        if self._version < 4:
            self.ping_interval = self._interval

    def _joined(self) -> None:
        self.waits = ""
        self._greetings = self._subscribe

    def _is_application_s(self, message: str | bytes) -> bool:
        return isinstance(message, bytes) or message[:1] == "4"

    def _read_error(self, message: str | bytes) -> str | None:
        return read_error(message[1:])


class SocketIo(EngineIo):
    """Socket.IO over engine.io, in one namespace."""

    def __init__(
        self,
        version: int,
        subscribe: Sequence[str],
        namespace: str,
        auth: Mapping[str, Any],
        *,
        is_certain: bool,
    ) -> None:
        super().__init__(version, subscribe)
        self._is_certain = is_certain
        self._namespace = "/" + namespace.strip("/")
        self._auth = auth

    def receive(self, message: str | bytes) -> str | None:
        """Also note whether the server connects, refuses or disconnects the client."""
        reply = super().receive(message)
        packet = _PACKET.match(message) if isinstance(message, str) else None
        if packet is None:
            return reply
        kind, namespace = packet["kind"], (packet["namespace"] or "/").partition("?")[0]
        if kind == "4":
            raise HttpError(
                f"refuses the client in Socket.IO{_where(namespace)}: {_reason(packet['data'])}",
                "configure what it requires: [dashboard.socketio] auth, token_env or namespace, or "
                "[dashboard.login], in flowhealth.toml",
            )
        if kind == "0" and not packet["data"]:
            self._note_version()
        if namespace == self._namespace:
            if kind == "1":
                raise HttpError(f"disconnects the client in Socket.IO{_where(namespace)}")
            if kind == "0" and self.waits:
                super()._joined()
        return reply

    def _note_version(self) -> None:
        """Ping as version 3 does: a server of version 4 gives a session's id with its answer."""
        self._version = 3
        self.ping_interval = self._interval

    def accept_silence(self) -> bool:
        """Take a server of engine.io at an address of its own for one without Socket.IO."""
        if self._is_certain or self.waits == "engine.io handshake":
            return False
        super()._joined()
        return True

    def _joined(self) -> None:
        self.waits = f"answer to joining the Socket.IO namespace {self._namespace}"
        # Before version 4 the server connects a client to the main namespace unasked.
        if self._version >= 4 or self._namespace != "/":
            name = "" if self._namespace == "/" else self._namespace
            auth = json.dumps(self._auth) if self._auth and self._version >= 4 else ""
            self._greetings = [f"40{name}{',' if name else ''}{auth}"]

    def _is_application_s(self, message: str | bytes) -> bool:
        packet = _PACKET.match(message) if isinstance(message, str) else None
        if packet is None or packet["kind"] not in "25":
            return False
        return (packet["namespace"] or "/").partition("?")[0] == self._namespace

    def _read_error(self, message: str | bytes) -> str | None:
        packet = _PACKET.match(message) if isinstance(message, str) else None
        return None if packet is None else read_error(packet["data"].lstrip("0123456789"))


class GraphQl(Protocol):
    """graphql-transport-ws (github.com/enisdenjo/graphql-ws): the client is initialised first.

    Also its predecessor graphql-ws, whose results are called `data`.
    """

    def __init__(self, subscribe: Sequence[str]) -> None:
        super().__init__(())
        self.waits = "connection_ack"
        own = any("connection_init" in text for text in subscribe)
        first = [text for text in subscribe if "connection_init" in text]
        self._greetings = first if own else ['{"type":"connection_init"}']
        self._subscribe = [text for text in subscribe if "connection_init" not in text]

    def receive(self, message: str | bytes) -> str | None:
        """Answer a ping of the protocol; an operation that is refused raises."""
        kind = _graphql_kind(message)
        if kind in ("error", "connection_error"):
            raise HttpError(f"refuses the GraphQL operation: {_graphql_reason(message)}", _LOG_IN)
        if kind == "connection_ack" and self.waits:
            self.waits = ""
            self._greetings = self._subscribe
        return '{"type":"pong"}' if kind == "ping" else None

    def _is_application_s(self, message: str | bytes) -> bool:
        return _graphql_kind(message) in ("next", "data")

    def _read_error(self, message: str | bytes) -> str | None:
        payload = json.loads(message).get("payload")
        errors = payload.get("errors") if isinstance(payload, dict) else None
        return _graphql_reason(message) if errors and not payload.get("data") else None


def choose_protocol(
    address: SiteAddress,
    subscribe: Sequence[str],
    *,
    namespace: str = "/",
    auth: Mapping[str, Any] | None = None,
    subprotocol: str | None = None,
) -> Protocol:
    """Return the protocol of an address: ``EIO=4`` or ``EIO=3`` in its query is engine.io.

    Args:
        address: The WebSocket's address, as `complete_address` returns it.
        subscribe: Messages that are sent once the client has joined.
        namespace: That of Socket.IO.
        auth: What a client of Socket.IO sends when it joins.
        subprotocol: The sub-protocol that the server chose.
    """
    if subprotocol in GRAPHQL:
        return GraphQl(subscribe)
    path, _, query = address.target.partition("?")
    version = next((int(text) for text in parse_qs(query).get("EIO", []) if text in "34"), None)
    if version is None:
        return Protocol(subscribe)
    if _ENGINE_IO.search(path):
        return EngineIo(version, subscribe)
    is_certain = _SOCKET_IO.search(path) is not None
    return SocketIo(version, subscribe, namespace, auth or {}, is_certain=is_certain)


def complete_address(address: SiteAddress) -> SiteAddress:
    """Return an address of Socket.IO with the query that its clients send, any other as it is."""
    path, _, query = address.target.partition("?")
    if not _SOCKET_IO.search(path):
        return address
    given = parse_qs(query)
    usual = {"EIO": "4", "transport": "websocket"}
    parts = [query] if query else []
    parts += [f"{name}={value}" for name, value in usual.items() if name not in given]
    return msgspec.structs.replace(address, target=f"{path.rstrip('/')}/?{'&'.join(parts)}")


def read_error(text: str | bytes) -> str | None:
    """Return the reason of a JSON message that is an error by its type, or its event's name.

    Args:
        text: ``{"type": "error", "message": "..."}``, or ``["unauthorized", {...}]``; for any
            other, and for what is no JSON, None is returned.
    """
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if isinstance(found, list):
        kind, found = (found or [None])[0], found[1:]
    elif isinstance(found, dict):
        kind = next((found[key] for key in ("type", "event", "kind", "op") if key in found), None)
    else:
        return None
    if str(kind).lower() not in _ERROR_KINDS:
        return None
    return one_line(f"{kind} {json.dumps(found)}", 120)


def _where(namespace: str) -> str:
    return "" if namespace == "/" else f" (namespace {one_line(namespace, 60)})"


def _reason(data: str) -> str:
    try:
        found = json.loads(data)
    except ValueError:
        found = data
    text = found.get("message", data) if isinstance(found, dict) else found
    return one_line(str(text) or "no reason", 120)


def _graphql_reason(message: str | bytes) -> str:
    payload = json.loads(message).get("payload")
    errors = payload.get("errors", payload) if isinstance(payload, dict) else payload
    return _reason(json.dumps(errors[0] if isinstance(errors, list) and errors else errors))


def _graphql_kind(message: str | bytes) -> str | None:
    try:
        found = json.loads(message)
    except ValueError:
        return None
    return found.get("type") if isinstance(found, dict) else None
