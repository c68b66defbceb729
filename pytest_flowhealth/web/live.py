"""The WebSocket /api/live, which sends changes of the state to all pages each second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from pytest_flowhealth.web.delta_log import DeltaLog
from pytest_flowhealth.web.protocol import DROP, TELL, framed

LOGGED_OUT = 4401
"""Why a connection is closed: its session is over."""


class Client(msgspec.Struct, eq=False):
    """One connected page; `holds` tells whether it may still read."""

    socket: WebSocket
    holds: Callable[[], bool]


class Live:
    """All connected pages.

    One that does not take what it is sent is dropped at once: nothing is kept for it beyond what the
    connection itself holds (64 KiB, and the system's buffers), and nobody waits for it.
    """

    def __init__(self, feed: DeltaLog) -> None:
        self._deltas = feed
        self._clients: set[Client] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._clients)

    def publish(self, message: str) -> None:
        """Send a message to all."""
        frame = framed(message)
        for client in [*self._clients]:
            known = client.socket.scope["state"]
            if not client.holds():
                self._clients.discard(client)
                self._later(client.socket.close(LOGGED_OUT))
            elif not known[TELL](frame):
                self._clients.discard(client)
                # To close it in good order would wait for what it does not take.
                known[DROP]()

    async def serve(self, socket: WebSocket, holds: Callable[[], bool]) -> None:
        """Keep one page up to date until it goes."""
        await socket.accept()
        client = Client(socket, holds)
        epoch, seen = socket.query_params.get("epoch"), _number(socket.query_params.get("since"))
        try:
            while True:
                reached = self._deltas.seq
                await socket.send_text(self._deltas.since(epoch, seen))
                epoch, seen = self._deltas.epoch, reached
                if self._deltas.seq == reached:
                    break
            self._clients.add(client)
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass
        finally:
            self._clients.discard(client)

    def _later(self, closing: object) -> None:
        task = asyncio.ensure_future(_quietly(closing))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _quietly(closing: object) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
        await closing  # type: ignore[misc]


def _number(text: str | None) -> int | None:
    return (
        int(text)
        if text is not None and text.isascii() and text.isdigit() and len(text) < 16
        else None
    )
