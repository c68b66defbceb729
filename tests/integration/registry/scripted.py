"""A server on loopback that answers as it is told, request by request."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self


class Told(NamedTuple):
    """How one request is answered.

    `fault` is "cut" (the body ends in the middle), "hang" (never), "drip" (a byte in a fifth of a
    second), "slow" (after half a second) or "reset" (the connection ends before the answer).
    """

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = {}
    fault: str = ""


class Asked(NamedTuple):
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Scripted:
    """``with Scripted([Told(429), Told()]) as server: server.url``: the last one answers all others."""

    def __init__(self, told: list[Told]) -> None:
        self.told = list(told)
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.scripted = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def next(self) -> Told:
        return self.told.pop(0) if len(self.told) > 1 else self.told[0]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    scripted: Scripted

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        scripted = self.server.scripted
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): text for name, text in self.headers.items()}
        scripted.asked.append(Asked(self.command, self.path, headers, body))
        self._tell(scripted.next())

    do_POST = do_GET

    def _tell(self, told: Told) -> None:
        over = self.server.scripted.over
        if told.fault == "reset":
            self.close_connection = True
            return
        if told.fault == "hang":
            over.wait()
            return
        if told.fault == "slow":
            over.wait(0.5)
        extra = 10_000 if told.fault in ("cut", "drip") else 0
        self.send_response(told.status)
        for name, text in {"content-type": "application/json", **told.headers}.items():
            self.send_header(name, text)
        if told.status != 304:
            self.send_header("content-length", str(len(told.body) + extra))
        self.end_headers()
        if told.status != 304:
            self.wfile.write(told.body)
        while told.fault == "drip" and not over.wait(0.2):
            self.wfile.write(b" ")
        self.close_connection = bool(told.fault)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""
