"""A dashboard whose delays are known: a program of its own, which tells what it really did.

    python server.py '{"delays": [0.01], "update": 0.1}'

Prints its port. Every answer and pong waits as `delays` says, in turn; `stall` is the number of the
request after which nothing at all happens for `seconds`. At /truth it tells, in ms, how long it
held each answer (`http`), each pong (`ping`), and the time between its updates (`updates`).
"""

from __future__ import annotations

import asyncio
import base64
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


Answer = tuple[int, list[str], bytes]


class Server:
    """What the plan says, and what was done."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.delays = itertools.cycle(plan.get("delays", [0.0]))
        self.truth: dict[str, list[float]] = {"http": [], "ping": [], "updates": [], "stall": []}
        self.asked: list[str] = []
        self.open = 0

    async def wait(self, kind: str) -> None:
        began = time.perf_counter()
        if len(self.truth[kind]) == self.plan.get("stall"):
            time.sleep(self.plan["seconds"])  # the whole server stands still
        delay = next(self.delays)
        if delay:
            await asyncio.sleep(delay)
        self.truth[kind].append(1_000 * (time.perf_counter() - began))

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not await self.answer(head.decode("latin-1"), reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, head: str, reader: Any, writer: asyncio.StreamWriter) -> bool:
        _, target, _ = head.split("\r\n", 1)[0].split(" ")
        headers = {
            k.lower(): v.strip()
            for k, _, v in (one.partition(":") for one in head.split("\r\n")[1:])
        }
        path = target.partition("?")[0]
        self.asked.append(target)
        if "upgrade" in headers:
            return await self.socket(path, headers, reader, writer)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        status, extra, content = self.page(path, headers, body)
        if path == "/":
            await self.wait("http")
        close = self.plan.get("close") or headers.get("connection") == "close"
        lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(content)}", *extra]
        lines += ["Connection: close"] if close else []
        sent = content[: self.plan["cut"]] if "cut" in self.plan and path == "/" else content
        writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
        await writer.drain()
        return not close and "cut" not in self.plan

    def page(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Return status, headers and content of an answer."""
        fixed: dict[str, Callable[[], Answer]] = {
            "/truth": lambda: (200, [], json.dumps({**self.truth, "asked": self.asked}).encode()),
            "/count": lambda: (200, [], json.dumps({"stats": [{"open": self.open}]}).encode()),
            "/away": lambda: (302, ["Location: http://127.0.0.2:1/"], b""),
            "/ring": lambda: (302, ["Location: /ring?again"], b""),
            "/moved": lambda: (301, ["Location: /"], b""),
            "/login": lambda: self.login(body),
        }
        return fixed[path]() if path in fixed else self.main_page(headers)

    def login(self, body: bytes) -> Answer:
        if b"password=s3cret" in body and b"csrf=c1" in body:
            return 302, ["Location: /", "Set-Cookie: sid=k1; HttpOnly"], b""
        return 200, [], FORM

    def main_page(self, headers: dict[str, str]) -> Answer:
        secret = self.plan.get("secret")
        if secret and secret not in (headers.get("authorization", ""), headers.get("cookie", "")):
            return 401, [], f"not {headers.get('authorization')}".encode()
        if self.plan.get("status"):
            return self.plan["status"], [], b"oh"
        if "gzip" in headers.get("accept-encoding", ""):
            return 200, ["Content-Encoding: gzip", "Content-Type: text/html"], PACKED
        return 200, ["Content-Type: text/html"], PAGE

    async def socket(self, path: str, headers: dict[str, str], reader: Any, writer: Any) -> bool:
        if path != "/ws" or self.open >= self.plan.get("most", 10_000):
            writer.write(b"HTTP/1.1 503 full\r\nContent-Length: 0\r\n\r\n")
            return True
        key = base64.b64encode(hashlib.sha1(headers["sec-websocket-key"].encode() + GUID).digest())
        writer.write(
            b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + key + b"\r\n\r\n"
        )
        self.open += 1
        updates = asyncio.create_task(self.update(writer))
        try:
            await self.frames(reader, writer)
        finally:
            updates.cancel()
            self.open -= 1
        return False

    async def frames(self, reader: Any, writer: Any) -> None:
        while True:
            first, length = await reader.readexactly(2)
            length &= 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
            mask = await reader.readexactly(4)
            data = bytes(
                a ^ b for a, b in zip(await reader.readexactly(length), itertools.cycle(mask))
            )
            kind = first & 0xF
            if kind == 8:
                writer.write(b"\x88" + bytes([len(data)]) + data)
                return
            if kind == 9 and not self.plan.get("mute"):
                await self.wait("ping")
                writer.write(b"\x8a" + bytes([len(data)]) + data)
            if kind == 1 and data.startswith(b"ping "):
                await self.wait("http")
                reply = b"pong " + data[5:] + b"."
                writer.write(b"\x81" + bytes([len(reply)]) + reply)

    async def update(self, writer: Any) -> None:
        gaps = itertools.cycle(self.plan.get("updates", []))
        last = None
        for gap in gaps:
            await asyncio.sleep(gap)
            now = time.perf_counter()
            if last is not None:
                self.truth["updates"].append(1_000 * (now - last))
            last = now
            writer.write(b"\x81\x06update")


async def main() -> None:
    """Serve until standard input ends."""
    plan = json.loads(sys.argv[1])
    context = None
    if "certificate" in plan:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plan["certificate"], plan["key"])
    server = await asyncio.start_server(
        Server(plan).talk, "127.0.0.1", 0, ssl=context, backlog=2_000
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
