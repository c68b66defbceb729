"""uvicorn's HTTP and WebSocket protocols, with a timeout for slow requests and a broadcast without waiting."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

PATIENCE = 10.0
"""Seconds in which a request's head must have come."""

TELL, DROP = "tell", "drop"
"""Where a WebSocket's scope["state"] has the functions that send it a frame, and that drop its connection."""


class Http(H11Protocol):
    """Close a connection that sends no whole request in time (slowloris)."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take in what came; stop waiting where it made a request whole."""
        super().data_received(data)
        if self._busy():
            self._enough()
        elif self._late is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._enough()
        super().connection_lost(exc)

    def _busy(self) -> bool:
        """Tell whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        self._late = self.loop.call_later(PATIENCE, self._end)

    def _enough(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self._late = None
        # A WebSocket has taken the connection over from us.
        if not self._busy() and self.transport.get_protocol() is self:
            self.transport.abort()


def framed(text: str) -> bytes:
    """Return a text message as one frame, ready for any number of connections (RFC 6455, 5.2)."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


class Socket(WebSocketsSansIOProtocol):
    """Lets the application send a frame that is made once for all, and drop a connection at once."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.app_state = {**self.app_state, TELL: self._tell, DROP: self._drop}

    def _tell(self, frame: bytes) -> bool:
        """Send a frame without waiting; tell whether the connection takes it."""
        if not self.writable.is_set():
            return False
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(frame)
        return True

    def _drop(self) -> None:
        self.transport.abort()
