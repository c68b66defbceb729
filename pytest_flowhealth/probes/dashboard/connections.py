"""How many connections the dashboard reports, and how many it can hold."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections import Counter
from collections.abc import Iterator

import msgspec
import psutil

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable, NotApplicable
from pytest_flowhealth.probes.dashboard.address import SiteAddress
from pytest_flowhealth.probes.dashboard.content import read_content
from pytest_flowhealth.probes.dashboard.http_client import HttpError
from pytest_flowhealth.probes.dashboard.json_path import read_path
from pytest_flowhealth.probes.dashboard.navigation import failure, send
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.websocket import (
    Connection,
    failures,
    find_address,
    open_connection,
    require_library,
    to_problem,
)

LONGEST = 60.0
"""Seconds of `dashboard.connections.hold` that count at the most."""

OPENING = 60.0
"""Seconds within which the opening of each connection must have begun."""

_AT_ONCE = 20
_SPARE_FILES = 64


class HeldConnections(msgspec.Struct, frozen=True):
    """WebSockets that were opened at once.

    Attributes:
        asked: How many were to be opened; `opened`, how many were opened and accepted by the
            protocol spoken over them; `stayed`, how many still answered a ping after `seconds`.
        refusals: Why others were not, or did not stay, and how many for each reason.
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


def count_connections(site: Site) -> float:
    """Return how many connections the dashboard reports.

    Raises:
        NotApplicable: No address that reports them is configured.
        CheckFailed: It does not respond.
        MeasurementUnavailable: Its response has no such number.
    """
    address = site.counter
    if address is None:
        raise NotApplicable(
            "no address that reports them is configured: [dashboard.connections] url in "
            "flowhealth.toml"
        )
    with site.client() as client:
        response = send(client, address, site.access)
    if response.status >= 300:
        raise CheckFailed(f"{address.shown} responds with status {response.status}")
    field = site.settings.connections.field
    try:
        value = read_path(msgspec.json.decode(read_content(response).text), field)
    except HttpError as error:
        problem = failure(address, error)
        raise problem from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MeasurementUnavailable(
            f"{address.shown} responds with no number at {one_line(field, 100)!r}",
            remedy="correct dashboard.connections.field in flowhealth.toml",
        )
    return float(value)


def hold_connections(site: Site) -> HeldConnections:
    """Open as many WebSockets as configured, hold them, and see which are still there.

    Raises:
        NotApplicable: None are to be opened, or no WebSocket is configured.
        MeasurementUnavailable: The library is not installed, or this process may not open so many files.
    """
    count = site.settings.connections.open
    if count == 0:
        raise NotApplicable("none are opened unless asked for: [dashboard.connections] open")
    address = find_address(site)
    require_library()
    seconds = min(LONGEST, site.settings.connections.hold)
    with _allow_files(count + psutil.Process().num_fds() + _SPARE_FILES):
        return asyncio.run(_hold(site, address, count, seconds))


async def _hold(site: Site, address: SiteAddress, count: int, seconds: float) -> HeldConnections:
    crowd = _Crowd(site, address)
    try:
        await crowd.open(count)
        await asyncio.sleep(seconds)
        pings = await asyncio.gather(*(crowd.ping(socket) for socket in crowd.connections))
    finally:
        await crowd.close()
    alive = tuple(1_000.0 * seconds for seconds in pings if seconds is not None)
    return HeldConnections(
        asked=count,
        opened=len(crowd.connections),
        stayed=len(alive),
        seconds=seconds,
        refusals=dict(crowd.refusals),
        opening=tuple(crowd.opening),
        pings=alive,
    )


class _Crowd:
    """Connections that are open at once; each is read from the moment it has joined."""

    def __init__(self, site: Site, address: SiteAddress) -> None:
        self.connections: list[Connection] = []
        self.opening: list[float] = []
        self.refusals: Counter[str] = Counter()
        self._site = site
        self._address = address
        self._readers: list[asyncio.Task[None]] = []
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def open(self, count: int) -> None:
        """Open `count`, some at a time; those whose turn does not come in time are refusals."""
        end = time.monotonic() + OPENING
        await asyncio.gather(*(self._open_next(end) for _ in range(count)))

    async def _open_next(self, end: float) -> None:
        async with self._gate:
            if time.monotonic() >= end:
                self.refusals[f"opens no more within {OPENING:g} s"] += 1
                return
            try:
                connection = await open_connection(self._site, self._address)
                try:
                    await connection.join(self._site.timeout)
                except BaseException:
                    await connection.close()
                    raise
            except MeasurementUnavailable as error:
                self.refusals[error.message] += 1
                return
            except failures() as error:
                self._note(error)
                return
            self.connections.append(connection)
            self.opening.append(connection.opening)
            self._readers.append(asyncio.create_task(self._read(connection)))

    async def _read(self, connection: Connection) -> None:
        try:
            await connection.read()
        except failures() as error:
            self._note(error)
            await connection.close()

    def _note(self, error: BaseException) -> None:
        self.refusals[to_problem(error, self._site).problem] += 1

    async def ping(self, connection: Connection) -> float | None:
        """Return a round trip in seconds, None where there is no answer."""
        try:
            took: float = await asyncio.wait_for(await connection.socket.ping(), self._site.timeout)
        except failures():
            return None
        return took

    async def close(self) -> None:
        """Close all."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await asyncio.gather(
            *(socket.close() for socket in self.connections), return_exceptions=True
        )


@contextlib.contextmanager
def _allow_files(wanted: int) -> Iterator[None]:
    """Let this process open so many files, as far as its hard limit goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise MeasurementUnavailable(
            f"this process may open {hard} files, and {wanted} are needed",
            remedy=f"ulimit -n {wanted}",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
