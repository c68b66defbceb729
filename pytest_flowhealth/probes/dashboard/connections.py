"""How many connections the dashboard has, as it tells, and how many it can hold."""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import psutil

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.domain.units import parse_duration
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard.address import Address
from pytest_flowhealth.probes.dashboard.exchange import Request, exchange
from pytest_flowhealth.probes.dashboard.failure import Failures, down, reason
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.watch import read_on
from pytest_flowhealth.probes.dashboard.websocket import (
    address_of,
    dialect_of,
    failures,
    greet,
    opened,
    require_library,
)
from pytest_flowhealth.probes.dashboard.wire import open_wire

LONGEST = 60.0
"""Seconds of `dashboard.connections.hold` that count at the most."""

OPENING = 60.0
"""Seconds within which the opening of each connection must have begun."""

_AT_ONCE = 20
_SPARE_FILES = 64
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class Held(msgspec.Struct, frozen=True):
    """What became of the connections.

    Attributes:
        asked: How many were to be opened; `opened`, how many were; `stayed`, how many still
            answered a ping after `seconds`.
        refusals: Why others were not opened, and how many for each reason.
        opening: What opening each took, in ms.
        pings: Round trips of one ping over each that stayed, all sent at once, in ms.
    """

    asked: int
    opened: int
    stayed: int
    seconds: float
    refusals: dict[str, int]
    opening: tuple[float, ...]
    pings: tuple[float, ...]


def told(site: Site) -> float:
    """Return how many connections the dashboard says it has.

    Raises:
        NotApplicable: No address that tells it is configured.
        CheckFailed: It does not answer.
        MeasurementUnavailable: Its answer has no such number.
    """
    address = site.counter
    if address is None:
        raise NotApplicable(
            "no address that tells them is configured: [dashboard.connections] url in flowhealth.toml"
        )
    try:
        deadline = time.monotonic() + site.timeout
        wire = open_wire(address.origin, site.context, deadline)
        try:
            headers = (*site.access.headers(address), ("Connection", "close"))
            reply = exchange(wire, Request(address, headers), deadline)
        finally:
            wire.close()
    except Failures as error:
        problem = down(address, error, site.timeout)
    else:
        if reply.status >= 300:
            raise CheckFailed(f"{address.shown} answers with status {reply.status}")
        return _number(address, reply.body, site.settings.connections.field)
    raise problem


def _number(address: Address, body: bytes, field: str) -> float:
    try:
        value = msgspec.json.decode(body)
        for name, index in _PART.findall(field):
            value = value[name] if name else value[int(index)]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, IndexError, TypeError):
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MeasurementUnavailable(
            f"{address.shown} answers with no number at {one_line(field, 100)!r}",
            remedy="correct dashboard.connections.field in flowhealth.toml",
        )
    return float(value)


def hold(site: Site) -> Held:
    """Open as many WebSockets as configured, hold them, and see which are still there.

    Raises:
        NotApplicable: None are to be opened, or no WebSocket is configured.
        MeasurementUnavailable: The library is not installed, or this process may not open so many files.
    """
    count = site.settings.connections.open
    if count == 0:
        raise NotApplicable("none are opened unless asked for: [dashboard.connections] open")
    address = address_of(site)
    require_library()
    seconds = min(LONGEST, parse_duration(site.settings.connections.hold))
    with _files(count + psutil.Process().num_fds() + _SPARE_FILES):
        return asyncio.run(_held(site, address, count, seconds))


async def _held(site: Site, address: Address, count: int, seconds: float) -> Held:
    crowd = _Crowd(site, address)
    try:
        await crowd.open(count)
        await asyncio.sleep(seconds)
        pings = await asyncio.gather(*(crowd.ping(socket) for socket in crowd.sockets))
    finally:
        await crowd.close()
    alive = tuple(1_000.0 * one for one in pings if one is not None)
    return Held(
        asked=count,
        opened=len(crowd.sockets),
        stayed=len(alive),
        seconds=seconds,
        refusals=dict(crowd.refusals),
        opening=tuple(crowd.opening),
        pings=alive,
    )


class _Crowd:
    """Connections that are open at once; each is read from the moment that it is."""

    def __init__(self, site: Site, address: Address) -> None:
        self.sockets: list[Any] = []
        self.opening: list[float] = []
        self.refusals: Counter[str] = Counter()
        self._site = site
        self._address = address
        self._dialect = dialect_of(address, site.settings.subscribe)
        self._readers: list[asyncio.Task[None]] = []
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def open(self, count: int) -> None:
        """Open `count`, some at a time; those whose turn does not come in time are refusals."""
        end = time.monotonic() + OPENING
        await asyncio.gather(*(self._one(end) for _ in range(count)))

    async def _one(self, end: float) -> None:
        async with self._gate:
            if time.monotonic() >= end:
                self.refusals[f"opens no more within {OPENING:g} s"] += 1
                return
            try:
                socket, took = await opened(self._site, self._address)
            except failures() as error:
                self.refusals[reason(error, self._site.timeout)] += 1
                return
            self.sockets.append(socket)
            self.opening.append(took)
            self._readers.append(asyncio.create_task(self._read(socket)))

    async def _read(self, socket: Any) -> None:
        # One that the server closes shows when it is pinged.
        with contextlib.suppress(*failures()):
            await greet(socket, self._dialect)
            await read_on(socket, self._dialect)

    async def ping(self, socket: Any) -> float | None:
        """Return a round trip in seconds, None where there is no answer."""
        try:
            took: float = await asyncio.wait_for(await socket.ping(), self._site.timeout)
        except failures():
            return None
        return took

    async def close(self) -> None:
        """Close all."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await asyncio.gather(*(one.close() for one in self.sockets), return_exceptions=True)


@contextlib.contextmanager
def _files(wanted: int) -> Iterator[None]:
    """Let this process open so many files, as far as its hard limit goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise MeasurementUnavailable(
            f"this process may open {hard} files, and {wanted} are needed", remedy="ulimit -Hn"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
