"""A client for an ASGI application in this process: no socket, no server, and cookies as a browser has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import unquote


class Response(NamedTuple):
    """What the application answered; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, decoded."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body, decoded from JSON."""
        return json.loads(self.body)


class AsgiClient:
    """One browser of an ASGI application.

    Args:
        app: The application.
        runner: Runs it; clients of one application share a runner, as they would a server.
        address: Where the requests come from.
        origin: The scheme and host under which the application is reached.

    Attributes:
        cookies: The cookies that the application has set.
        headers: Sent with each request.
    """

    def __init__(
        self,
        app: Any,
        runner: asyncio.Runner,
        address: str = "127.0.0.1",
        origin: str = "http://127.0.0.1:3001",
    ) -> None:
        self._app, self._runner, self._address = app, runner, address
        self.origin = origin
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}

    def request(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send a request and return the response."""
        return self._runner.run(self._request(method, target, body, headers or {}))

    def get(self, target: str, **headers: str) -> Response:
        """Send a GET request; ``_`` in a header's name stands for ``-``."""
        return self.request("GET", target, headers=_named(headers))

    def change(
        self, target: str, content: object = None, method: str = "POST", **headers: str
    ) -> Response:
        """Send JSON as the page's own scripts do; an empty header is left out."""
        usual = {"origin": self.origin, "content-type": "application/json"}
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.request(method, target, body, {**usual, **_named(headers)})

    def listen(self, target: str, count: int = 1, **headers: str) -> tuple[int, list[Any]]:
        """Open a WebSocket and return its status (101: accepted) with the first `count` messages."""
        return self._runner.run(self._listen(target, count, _named(headers)))

    async def _request(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> Response:
        parts = [{"type": "http.request", "body": body}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return parts.pop() if parts else await asyncio.Future()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(self._scope("http", target, headers, method=method), receive, send)
        found = [(name.decode(), text.decode()) for name, text in sent[0]["headers"]]
        for name, text in found:
            if name == "set-cookie":
                self.cookies |= {key: part.value for key, part in SimpleCookie(text).items()}
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return Response(sent[0]["status"], dict(found), content)

    async def _listen(
        self, target: str, count: int, headers: Mapping[str, str]
    ) -> tuple[int, list[Any]]:
        incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        incoming.put_nowait({"type": "websocket.connect"})
        status, received = 0, []

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = 101
            elif message["type"] == "websocket.http.response.start":
                status = message["status"]
            elif message["type"] == "websocket.send":
                received.append(json.loads(message["text"]))
            if len(received) >= count:
                incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})

        scope = self._scope("websocket", target, headers, state={}, subprotocols=[])
        await self._app(scope, incoming.get, send)
        return status, received

    def _scope(
        self, kind: str, target: str, headers: Mapping[str, str], **more: object
    ) -> dict[str, Any]:
        scheme, _, host = self.origin.partition("://")
        path, _, query = target.partition("?")
        sent = {"host": host, **self.headers, **headers}
        if self.cookies and "cookie" not in sent:
            sent["cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        return {
            "type": kind,
            "http_version": "1.1",
            "scheme": scheme.replace("http", "ws") if kind == "websocket" else scheme,
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in sent.items() if text],
            "client": (self._address, 50_000),
            "server": ("127.0.0.1", int(host.rpartition(":")[2])),
            "extensions": {"websocket.http.response": {}},
            **more,
        }


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower().replace("_", "-"): text for name, text in headers.items()}
