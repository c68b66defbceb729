"""One connection to a server, with the time that each step of opening it takes."""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import msgspec

from pytest_flowhealth.probes.dashboard.address import Origin
from pytest_flowhealth.probes.dashboard.failure import Broken
from pytest_flowhealth.probes.deadline import within

Clock = Callable[[], float]


class Opening(msgspec.Struct, frozen=True):
    """What the steps of opening a connection took, in ms; `tls` is None without TLS."""

    dns: float
    connect: float
    tls: float | None = None

    @property
    def whole(self) -> float:
        """All steps together, in ms."""
        return self.dns + self.connect + (self.tls or 0.0)


class Wire:
    """A blocking connection that keeps a deadline, counts its bytes and stamps the first one.

    `http.client` reads from it as from a socket.
    """

    def __init__(self, connection: socket.socket, opening: Opening, clock: Clock) -> None:
        self.opening = opening
        self.received = 0
        self.first: float | None = None
        self._connection = connection
        self._clock = clock
        self._deadline = 0.0
        self._reader = _Reader(_Raw(self), 2**16)

    def send(self, data: bytes, deadline: float) -> None:
        """Send a request; its answer must have come by `deadline`, of the clock."""
        self._deadline = deadline
        self.first = None
        self.received = 0
        self._connection.settimeout(self._left())
        self._connection.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002  # as http.client asks
        """Return the one reader of all answers: what came early is not lost between two."""
        return self._reader

    def read_into(self, buffer: Any) -> int:
        """Read what is there, once there is something; 0 at the end."""
        self._connection.settimeout(self._left())
        count = self._connection.recv_into(buffer)
        if self.first is None:
            self.first = self._clock()
        self.received += count
        return count

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _left(self) -> float:
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        return left


class _Raw(io.RawIOBase):
    """What a buffered reader reads from."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.read_into(buffer)


class _Reader(io.BufferedReader):
    """Stays open: `http.client` closes what it reads from after each answer."""

    def close(self) -> None:
        """Leave the connection as it is."""


def open_wire(
    origin: Origin, context: ssl.SSLContext | None, deadline: float, clock: Clock = time.monotonic
) -> Wire:
    """Open a connection.

    Args:
        origin: To whom.
        context: How TLS is spoken; used where `origin` is secure.
        deadline: When it must be open, by `clock`.
        clock: Tells seconds.

    Raises:
        OSError: It can't be opened; TimeoutError when not in time.
    """
    connection, dns, connect = open_socket(origin, deadline, clock)
    tls = None
    if origin.secure:
        connected = clock()
        connection = _secured(connection, origin, context, deadline - connected)
        tls = 1_000.0 * (clock() - connected)
    return Wire(connection, Opening(dns, connect, tls), clock)


def open_socket(
    origin: Origin, deadline: float, clock: Clock = time.monotonic
) -> tuple[socket.socket, float, float]:
    """Open a connection without TLS; return it, and what finding its place and connecting took, in ms.

    Raises:
        OSError: It can't be opened; TimeoutError when not in time.
        Broken: The look-up of its name does not come to an end.
    """
    began = clock()
    places = looked_up(origin, deadline - began)
    found = clock()
    connection = _connected(places, deadline, clock)
    return connection, 1_000.0 * (found - began), 1_000.0 * (clock() - found)


def looked_up(origin: Origin, seconds: float) -> list[Any]:
    """Return the places that the host's name stands for, as `socket.getaddrinfo` does.

    Raises:
        OSError: There is none; TimeoutError when not in time.
    """

    def work() -> list[Any]:
        return socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)

    if ":" in origin.host or origin.host.replace(".", "").isdigit():
        return work()
    # A look-up has no limit of its own.
    outcome = within(seconds, work, lambda: None)
    if outcome.late:
        raise Broken("can't be reached: its name is not found in time")
    if outcome.error is not None:
        raise outcome.error
    return outcome.results[0]


def _connected(places: list[Any], deadline: float, clock: Clock) -> socket.socket:
    """Try one place after the other, as clients do: `localhost` often stands for two."""
    problem: OSError = OSError("its name stands for no place")
    for family, kind, protocol, _, place in places:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(max(0.001, deadline - clock()))
            connection.connect(place)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            problem = error
        else:
            return connection
    raise problem


def _secured(
    connection: socket.socket, origin: Origin, context: ssl.SSLContext | None, seconds: float
) -> ssl.SSLSocket:
    try:
        connection.settimeout(max(0.001, seconds))
        return (context or ssl.create_default_context()).wrap_socket(
            connection, server_hostname=origin.host
        )
    except BaseException:
        connection.close()
        raise
