"""One request and its answer over a connection: bounded in time and in bytes."""

from __future__ import annotations

import http.client
from typing import Any

import msgspec

from pytest_flowhealth.probes.dashboard.address import Address
from pytest_flowhealth.probes.dashboard.failure import Broken
from pytest_flowhealth.probes.dashboard.wire import Wire

LARGEST = 16 * 2**20
"""Bytes of an answer's body, as transferred, that are read; a larger one is none."""

AGENT = "pytest-flowhealth"

_PIECE = 2**16
_INTERIM = 10


class Request(msgspec.Struct, frozen=True):
    """What is asked: headers besides the usual ones, and a form's body, which makes it a POST."""

    address: Address
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    @property
    def data(self) -> bytes:
        """The request as it is sent (RFC 9112)."""
        method = "GET" if self.body is None else "POST"
        lines = [
            f"{method} {self.address.target} HTTP/1.1",
            f"Host: {self.address.host_header}",
            f"User-Agent: {AGENT}",
            "Accept: text/html,application/json;q=0.9,*/*;q=0.8",
            "Accept-Encoding: gzip, deflate",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        if self.body is not None:
            lines += [
                "Content-Type: application/x-www-form-urlencoded",
                f"Content-Length: {len(self.body)}",
            ]
        return "\r\n".join([*lines, "", ""]).encode("utf-8") + (self.body or b"")


class Reply(msgspec.Struct, frozen=True):
    """A whole answer: `size` is its body's, in bytes as transferred, `received` all there was.

    `kept` tells whether the server keeps the connection open.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    size: int
    received: int
    kept: bool
    version: str

    def header(self, name: str) -> str | None:
        """Return the first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def all(self, name: str) -> list[str]:
        """Return the values of all headers of that name."""
        return [value for key, value in self.headers if key.lower() == name]


def exchange(wire: Wire, request: Request, deadline: float, *, keep: bool = True) -> Reply:
    """Send a request and return the whole answer.

    Args:
        wire: The connection.
        request: What is asked.
        deadline: When the last byte must be there, by the wire's clock.
        keep: Whether the body is kept, and not only counted.

    Raises:
        OSError: The connection fails; TimeoutError when the answer is not whole in time.
        http.client.HTTPException: What comes is no HTTP, or breaks off.
        Broken: Less comes than the answer promised, or more than is read.
    """
    wire.send(request.data, deadline)
    answer = _begun(wire)
    parts, size = [], 0
    while part := answer.read(_PIECE):
        size += len(part)
        if size > LARGEST:
            raise Broken(f"answers with more than {LARGEST // 2**20} MiB")
        if keep:
            parts.append(part)
    if answer.length:
        raise Broken(f"breaks off its answer, {answer.length:,} bytes before its end")
    return Reply(
        status=answer.status,
        headers=tuple(answer.getheaders()),
        body=b"".join(parts),
        size=size,
        received=wire.received,
        kept=not answer.will_close,
        version="HTTP/1.1" if answer.version == 11 else "HTTP/1.0",
    )


def _begun(wire: Wire) -> http.client.HTTPResponse:
    """Return the answer with its headers read; interim ones (103) are passed over."""
    connection: Any = wire
    for _ in range(_INTERIM):
        answer = http.client.HTTPResponse(connection, method="GET")
        answer.begin()
        if answer.status >= 200:
            return answer
    raise Broken("answers with interim answers only (status 1xx)")
