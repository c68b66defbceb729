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

from pytest_flowhealth.errors import NotApplicable, ProbeError, Unmeasured
from pytest_flowhealth.probes.dashboard.address import Address
from pytest_flowhealth.probes.dashboard.exchange import Request, exchange
from pytest_flowhealth.probes.dashboard.failure import Failures, down, reason
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.watch import read_on
from pytest_flowhealth.probes.dashboard.websocket import (
    address_of,
    dialect_of,
    failures,
    opened,
    require_library,
)
from pytest_flowhealth.probes.dashboard.wire import open_wire
from pytest_flowhealth.verdict.text import one_line
from pytest_flowhealth.verdict.units import parse_duration

LONGEST = 60.0
"""Seconds of `dashboard.connections.hold` that count at the most."""

_AT_ONCE = 20
_SPARE_FILES = 64
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class Held(msgspec.Struct, frozen=True):
    """What became of the connections: `asked` for, `opened`, still there after `seconds`.

    `refusals` counts why others were not opened.
    """

    asked: int
    opened: int
    stayed: int
    seconds: float
    refusals: dict[str, int]


def told(site: Site) -> float:
    """Return how many connections the dashboard says it has.

    Raises:
        NotApplicable: No address that tells it is configured.
        ProbeError: It does not answer.
        Unmeasured: Its answer has no such number.
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
            raise ProbeError(f"{address.shown} answers with status {reply.status}")
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
        raise Unmeasured(
            f"{address.shown} answers with no number at {one_line(field, 100)!r}",
            remedy="correct dashboard.connections.field in flowhealth.toml",
        )
    return float(value)


def hold(site: Site) -> Held:
    """Open as many WebSockets as configured, hold them, and see which are still there.

    Raises:
        NotApplicable: None are to be opened, or no WebSocket is configured.
        Unmeasured: The library is not installed, or this process may not open so many files.
    """
    count = site.settings.connections.open
    if count == 0:
        raise NotApplicable("none are opened unless asked for: [dashboard.connections] open")
    address = address_of(site)
    require_library()
    seconds = min(LONGEST, parse_duration(site.settings.connections.hold))
    with _files(count + _SPARE_FILES):
        return asyncio.run(_held(site, address, count, seconds))


async def _held(site: Site, address: Address, count: int, seconds: float) -> Held:
    gate = asyncio.Semaphore(_AT_ONCE)
    refusals: Counter[str] = Counter()

    async def one() -> Any:
        async with gate:
            try:
                return await opened(site, address)
            except failures() as error:
                refusals[reason(error, site.timeout)] += 1
                return None

    found = [one for one in await asyncio.gather(*(one() for _ in range(count))) if one is not None]
    dialect = dialect_of(address, site.settings.subscribe)
    readers = [asyncio.create_task(read_on(socket, dialect)) for socket in found]
    try:
        await asyncio.sleep(seconds)
        alive = await asyncio.gather(*(_answers(socket, site.timeout) for socket in found))
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*(socket.close() for socket in found), return_exceptions=True)
        await asyncio.gather(*readers, return_exceptions=True)
    return Held(count, len(found), sum(alive), seconds, dict(refusals))


async def _answers(socket: Any, timeout: float) -> bool:
    try:
        await asyncio.wait_for(await socket.ping(), timeout)
    except failures():
        return False
    return True


@contextlib.contextmanager
def _files(wanted: int) -> Iterator[None]:
    """Let this process open so many files, as far as its hard limit goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Unmeasured(
            f"this process may open {hard} files, and {wanted} are needed", remedy="ulimit -Hn"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
