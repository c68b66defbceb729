"""A real HTTP server on loopback whose replies, and faults, a test decides."""

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit


class Request(NamedTuple):
    """A request as it came; `headers` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The last value of each field of the query."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Reply(NamedTuple):
    """What the server answers.

    `fault` says how it goes wrong: "hang" (no byte until the server stops), "drip" (headers, then
    a byte every half a second), "cut" (the connection ends in the middle of the body), "close"
    (it ends before any answer). `delay` is in seconds.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = {}
    fault: str = ""
    delay: float = 0.0

    @classmethod
    def of_json(cls, content: object, status: int = 200, **headers: str) -> Self:
        """Return a reply with a JSON body; ``_`` in a header's name stands for ``-``."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        body = json.dumps(content).encode()
        return cls(body, status, {"content-type": "application/json", **named})


Respond = Callable[[Request], Reply]
OK = (Reply(),)


class HttpServer:
    """``with HttpServer(lambda request: Reply(b"hello")) as server: get(server.url)``.

    Args:
        respond: Returns the reply to a request; called in the thread of the connection.
            Or a sequence of replies, given one after the other, the last one again and again.
        host: The address to listen at; "::1" for IPv6.

    Attributes:
        requests: The requests that came, in order.
        stopping: Set when the server stops; `respond` may wait for it.
    """

    def __init__(self, respond: Respond | Sequence[Reply] = OK, host: str = "127.0.0.1") -> None:
        self.respond = respond
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._server = (_Server6 if ":" in host else _Server)((host, 0), _Handler)
        self._host = f"[{host}]" if ":" in host else host
        self._server.owner = self
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://{self._host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply_to(self, request: Request) -> Reply:
        """Record a request and return the reply to it."""
        with self._lock:
            self.requests.append(request)
            if not callable(self.respond):
                reply = self.respond[0]
                self.respond = self.respond[1:] or self.respond
                return reply
        return self.respond(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: HttpServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what some tests are about."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): text for name, text in self.headers.items()}
        reply = owner.reply_to(Request(self.command, self.path, headers, body))
        owner.stopping.wait(reply.delay)
        if reply.fault in {"hang", "close"}:
            owner.stopping.wait(None if reply.fault == "hang" else 0)
            self.close_connection = True
            return
        self._send_head(reply)
        if reply.fault == "drip":
            while not owner.stopping.wait(0.5):
                self.wfile.write(b" ")
                self.wfile.flush()
        elif self.command != "HEAD":
            self.wfile.write(reply.body)
        if reply.fault:
            self.close_connection = True

    def _send_head(self, reply: Reply) -> None:
        self.send_response(reply.status)
        length = len(reply.body) + (10_000 if reply.fault in {"cut", "drip"} else 0)
        named = {name.lower() for name in reply.headers}
        for name, text in reply.headers.items():
            self.send_header(name, text)
        if "content-length" not in named and reply.status not in {204, 304}:
            self.send_header("content-length", str(length))
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""
