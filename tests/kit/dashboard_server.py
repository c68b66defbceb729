"""A dashboard with known delays and faults: a program of its own, so that no test slows it down.

Run by `tests.kit.dashboard.DashboardServer`. It prints its port and serves until standard input ends.
Clients replace its plan by ``POST /plan`` and read by ``GET /truth`` what it did since: in ms, how
long it held each page (`http`) and each pong (`ping`), and the time between its updates
(`updates`); and the targets that were requested (`requests`). Connections keep the plan that was
current when they were opened.

Keys of the plan, all optional; times are in seconds:

- `delays`: how long each page, pong and reply is held, in turn, over and over.
- `stall`: the number of the page or pong before which the whole program stands still for `seconds`.
- `status`, `cut` (bytes of the page that are sent), `close` (after each response).
- `secret`: what the header Authorization or Cookie must be; a rejected one is repeated in the response.
- `to_login`: whether a page without the cookie of the login form redirects to it.
- `most`: WebSocket connections at once. `away`: where the WebSocket redirects to.
- `updates`: the times between updates, over and over. `greeting`: a message on connecting.
- `mute`: pings get no pong.
- `end`: how the WebSocket ends: a close code, "abort", "garbage" or "oversized"; `end_after` when.
"""

import asyncio
import base64
import contextlib
import gzip
import hashlib
import itertools
import json
import ssl
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

PAGE = b"<!doctype html><title>Fleet</title>" + b"<p>all is well</p>" * 200
PACKED = gzip.compress(PAGE)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
FORM = (
    b'<form><input name="search" type="text"></form><form method="post">'
    b'<input type="hidden" name="csrf" value="c1"><input name="username">'
    b'<input name="password" type="password"></form>'
)

Response = tuple[int, list[str], bytes]


class Dashboard:
    """A plan, and what was done by it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.delays = itertools.cycle(plan.get("delays", [0.0]))
        self.truth: dict[str, list[Any]] = {"http": [], "ping": [], "updates": [], "requests": []}
        self.open = 0

    async def hold(self, kind: str) -> None:
        """Wait as the plan says, and note for how long."""
        began = time.perf_counter()
        if len(self.truth[kind]) == self.plan.get("stall"):
            time.sleep(self.plan["seconds"])
        delay = next(self.delays)
        if delay:
            await asyncio.sleep(delay)
        self.truth[kind].append(1_000 * (time.perf_counter() - began))

    def response(self, path: str, headers: dict[str, str], body: bytes) -> Response:
        """Return status, headers and body of a response."""
        fixed: dict[str, Callable[[], Response]] = {
            "/plan": lambda: (200, [], b""),
            "/truth": lambda: (200, [], json.dumps(self.truth).encode()),
            "/count": lambda: (200, [], json.dumps({"stats": [{"open": self.open}]}).encode()),
            "/away": lambda: (302, ["Location: http://127.0.0.2:1/"], b""),
            "/ring": lambda: (302, ["Location: /ring?again"], b""),
            "/moved": lambda: (301, ["Location: /"], b""),
            "/login": lambda: self.login(body),
        }
        return fixed[path]() if path in fixed else self.main_page(headers)

    def login(self, body: bytes) -> Response:
        if b"password=s3cret" in body and b"csrf=c1" in body:
            return 302, ["Location: /", "Set-Cookie: sid=k1; HttpOnly"], b""
        return 200, [], FORM

    def main_page(self, headers: dict[str, str]) -> Response:
        if not self.admits(headers):
            return 401, [], f"not {headers.get('authorization')}".encode()
        if self.plan.get("to_login") and "sid=k1" not in headers.get("cookie", ""):
            return 302, ["Location: /login"], b""
        if self.plan.get("status"):
            return self.plan["status"], [], b"oh"
        if "gzip" in headers.get("accept-encoding", ""):
            return 200, ["Content-Encoding: gzip", "Content-Type: text/html"], PACKED
        return 200, ["Content-Type: text/html"], PAGE

    def admits(self, headers: dict[str, str]) -> bool:
        given = (headers.get("authorization"), headers.get("cookie"))
        return self.plan.get("secret") in (None, *given)

    def refusal(self, path: str, headers: dict[str, str]) -> str | None:
        """Return the head of the response to a WebSocket that is not opened."""
        if not self.admits(headers):
            return "401 no"
        if path != "/ws" or self.open >= self.plan.get("most", 10_000):
            return "503 full"
        if "away" in self.plan:
            return f"302 away\r\nLocation: {self.plan['away']}"
        return None

    async def socket(
        self, path: str, headers: dict[str, str], reader: asyncio.StreamReader, writer: Any
    ) -> bool:
        """Open a WebSocket and serve it until it ends, or refuse it and keep the connection."""
        refusal = self.refusal(path, headers)
        if refusal is not None:
            writer.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            return True
        key = hashlib.sha1(headers["sec-websocket-key"].encode() + GUID).digest()
        writer.write(
            b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(key) + b"\r\n\r\n"
        )
        if "greeting" in self.plan:
            writer.write(frame(1, self.plan["greeting"].encode()))
        self.open += 1
        tasks = [asyncio.create_task(one) for one in (self.update(writer), self.end(writer))]
        try:
            await self.frames(reader, writer)
        finally:
            for task in tasks:
                task.cancel()
            self.open -= 1
        return False

    async def frames(self, reader: asyncio.StreamReader, writer: Any) -> None:
        while True:
            first, length = await reader.readexactly(2)
            length &= 0x7F
            mask = await reader.readexactly(4)
            masked = await reader.readexactly(length)
            data = bytes(a ^ b for a, b in zip(masked, itertools.cycle(mask), strict=False))
            kind = first & 0xF
            if kind == 8:
                writer.write(frame(8, data))
                return
            if kind == 9 and not self.plan.get("mute"):
                await self.hold("ping")
                writer.write(frame(10, data))
            if kind == 1 and data.startswith(b"ping "):
                await self.hold("http")
                writer.write(frame(1, b"pong " + data[5:] + b"."))

    async def update(self, writer: Any) -> None:
        last = None
        for gap in itertools.cycle(self.plan.get("updates", [])):
            await asyncio.sleep(gap)
            now = time.perf_counter()
            if last is not None:
                self.truth["updates"].append(1_000 * (now - last))
            last = now
            writer.write(frame(1, b"update"))

    async def end(self, writer: Any) -> None:
        end = self.plan.get("end")
        await asyncio.sleep(self.plan.get("end_after", 0.1))
        if end == "abort":
            writer.transport.abort()
        elif end == "garbage":
            writer.write(b"\xff\xff\xff\xff")
        elif end == "oversized":
            writer.write(b"\x81\x7f" + struct.pack("!Q", 17 * 2**20))
        elif end:
            writer.write(frame(8, struct.pack("!H", end) + b"go away"))


def frame(kind: int, data: bytes) -> bytes:
    """Return a frame of a WebSocket with at most 125 bytes (RFC 6455, 5.2)."""
    return bytes([0x80 | kind, len(data)]) + data


class Server:
    """Serves the current plan."""

    def __init__(self) -> None:
        self.dashboard = Dashboard({})

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dashboard = self.dashboard
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self.respond(dashboard, reader, writer):
                pass
        writer.close()

    async def respond(
        self, dashboard: Dashboard, reader: asyncio.StreamReader, writer: Any
    ) -> bool:
        """Respond to one request; return whether the connection is kept."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in named}
        target = first.split(" ")[1]
        path = target.partition("?")[0]
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if path == "/plan":
            self.dashboard = Dashboard(json.loads(body))
        elif path != "/truth":
            dashboard.truth["requests"].append(target)
        if "upgrade" in headers:
            return await dashboard.socket(path, headers, reader, writer)
        status, extra, content = dashboard.response(path, headers, body)
        plan = dashboard.plan if path == "/" else {}
        if path == "/":
            await dashboard.hold("http")
        close = plan.get("close") or headers.get("connection") == "close"
        extra = [*extra, "Connection: close"] if close else extra
        head = [f"HTTP/1.1 {status} x", f"Content-Length: {len(content)}", *extra]
        writer.write("\r\n".join([*head, "", ""]).encode() + content[: plan.get("cut")])
        await writer.drain()
        return not close and "cut" not in plan


async def main() -> None:
    """Serve until standard input ends.

    Over TLS if a certificate and its key are named; with a third file, only for clients that have a
    certificate of that authority.
    """
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[1:3])
    if context is not None and len(sys.argv) > 3:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(sys.argv[3])
    server = await asyncio.start_server(Server().talk, "127.0.0.1", 0, ssl=context, backlog=2_000)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
