"""The WebSocket watched for a while: handshakes, round trips on a schedule, updates as they come.

Two connections: pings go over one, updates are listened to on the other. A ping is sent when it
is due, whatever became of those before, so that a stall of the server is counted in every ping that
had to wait behind it ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from pytest_flowhealth.config.dashboard import DashboardMessage
from pytest_flowhealth.errors import ProbeError
from pytest_flowhealth.probes.dashboard.address import Address
from pytest_flowhealth.probes.dashboard.failure import Broken
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.websocket import (
    Dialect,
    address_of,
    connected,
    dialect_of,
    ended,
    failures,
    opened,
    require_library,
)
from pytest_flowhealth.verdict.text import figure
from pytest_flowhealth.verdict.units import parse_duration

HANDSHAKES = 5
"""Connections that are opened one after the other, for the time that it takes."""

PINGS = 100
"""Pings, and as many of the configured messages."""

DISTANCES = 20
"""Distances between updates that a p95 needs."""

LONGEST = 600.0
"""Seconds of `dashboard.window` that count at the most."""

_INTERVALS = (0.02, 0.25)


class Watched(msgspec.Struct, frozen=True):
    """What was seen.

    Attributes:
        handshakes: What opening a connection took, up to the answer that it is a WebSocket, in ms.
        pings: Round trips of protocol pings, in ms; `messages` those of the configured message.
        updates: When updates came, in s since listening began.
        received: Bytes of all messages, unpacked, while `seconds` were listened.
        compression: Whether messages may come compressed (permessage-deflate).
    """

    handshakes: tuple[float, ...]
    pings: tuple[float, ...]
    messages: tuple[float, ...]
    updates: tuple[float, ...]
    received: int
    seconds: float
    compression: bool

    @property
    def distances(self) -> tuple[float, ...]:
        """The time between each two updates, in ms."""
        pairs = zip(self.updates, self.updates[1:], strict=False)
        return tuple(1_000.0 * (after - before) for before, after in pairs)


def window_of(site: Site) -> float:
    """Return for how many seconds updates are listened to."""
    if site.settings.window is not None:
        return min(LONGEST, parse_duration(site.settings.window))
    return (DISTANCES + 2) * site.interval + 0.5 if site.settings.updates else 5.0


def watch(site: Site) -> Watched:
    """Open the WebSocket, measure it and listen to it.

    Raises:
        NotApplicable: None is configured.
        ProbeError: It can't be opened, breaks off, or a ping gets no answer.
        Unmeasured: The library is not installed.
    """
    address = address_of(site)
    require_library()
    try:
        return asyncio.run(_watched(site, address, window_of(site)))
    except failures() as error:
        problem = ended(address, error, site.timeout)
    raise problem


async def _watched(site: Site, address: Address, window: float) -> Watched:
    handshakes = [await _handshake(site, address) for _ in range(HANDSHAKES)]
    dialect = dialect_of(address, site.settings.subscribe)
    async with connected(site, address) as asking, connected(site, address) as listening:
        asker = _Asker(asking, dialect, site.timeout)
        listener = _Listener(listening, dialect, site.settings.update)
        pace = min(_INTERVALS[1], max(_INTERVALS[0], window / PINGS))
        reading = asyncio.create_task(asker.read())
        try:
            (pings, messages), _ = await asyncio.gather(
                asker.both(site.settings.message, pace), listener.listen(window)
            )
        finally:
            reading.cancel()
        packed = any("deflate" in str(one.name) for one in asking.protocol.extensions)
    return Watched(
        handshakes=tuple(handshakes),
        pings=pings,
        messages=messages,
        updates=tuple(listener.updates),
        received=listener.received,
        seconds=window,
        compression=packed,
    )


async def _handshake(site: Site, address: Address) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    socket = await opened(site, address)
    took = loop.time() - began
    with contextlib.suppress(Exception):
        await socket.close()
    return 1_000.0 * took


async def read_on(
    socket: Any, dialect: Dialect, see: Callable[[str | bytes], None] | None = None
) -> None:
    """Read what comes until the end, hand it to `see`, and answer what keeps the connection."""
    async for message in socket:
        reply = dialect.answer(message)
        if reply is not None:
            await socket.send(reply)
        elif see is not None:
            see(message)


class _Asker:
    """Sends on a schedule and takes the time of each answer."""

    def __init__(self, socket: Any, dialect: Dialect, timeout: float) -> None:
        self._socket = socket
        self._dialect = dialect
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, tuple[asyncio.Future[float], float]] = {}

    async def read(self) -> None:
        """Read what comes, so that pongs are seen and messages answered in time."""
        await read_on(self._socket, self._dialect, self._note)

    def _note(self, message: str | bytes) -> None:
        now = self._loop.time()
        text = message if isinstance(message, str) else message.decode("utf-8", "replace")
        for reply in [one for one in self._waiting if one in text]:
            future, sent = self._waiting.pop(reply)
            if not future.done():
                future.set_result(now - sent)

    async def both(
        self, message: DashboardMessage | None, pace: float
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the round trips of pings, and of the configured message where there is one."""
        pings = await self.asked(self.ping, pace)
        return pings, await self.asked(self.sender(message), pace) if message else ()

    async def asked(
        self, send: Callable[[int], Any], pace: float, count: int = PINGS
    ) -> tuple[float, ...]:
        """Send `count` times, `pace` seconds apart; return the round trips in ms.

        Raises:
            ProbeError: Some got no answer in time.
        """
        start = self._loop.time() + pace
        answers: list[tuple[asyncio.Future[float], float]] = []
        for number in range(count):
            due = start + number * pace
            # The timer's own lateness is not the server's; that of a socket that takes nothing is.
            if due > self._loop.time():
                await asyncio.sleep(due - self._loop.time())
                due = self._loop.time()
            answers.append((await send(number), self._loop.time() - due))
        futures = [future for future, _ in answers]
        await asyncio.wait(futures, timeout=self._timeout)
        lost = sum(not future.done() or future.cancelled() for future in futures)
        if lost:
            raise ProbeError(
                f"{lost} of {count} pings or messages got no answer within {figure(self._timeout)} s",
                remedy="look at the server's log, and at its event loop's delay",
            )
        return tuple(1_000.0 * (future.result() + late) for future, late in answers)

    async def ping(self, number: int) -> asyncio.Future[float]:
        """Send a protocol ping, which every server must answer (RFC 6455, 5.5.2)."""
        answer: asyncio.Future[float] = await self._socket.ping(f"flowhealth {number}")
        return answer

    def sender(self, message: DashboardMessage) -> Callable[[int], Any]:
        """Return what sends the configured message; `{id}` in it is the number."""

        async def send(number: int) -> asyncio.Future[float]:
            future: asyncio.Future[float] = self._loop.create_future()
            name = str(1_000_000 + number)
            sent = self._loop.time()
            self._waiting[message.reply.replace("{id}", name)] = (future, sent)
            await self._socket.send(message.send.replace("{id}", name))
            return future

        return send


class _Listener:
    """Notes when updates come, and how many bytes there are."""

    def __init__(self, socket: Any, dialect: Dialect, wanted: str | None) -> None:
        self.updates: list[float] = []
        self.received = 0
        self._socket = socket
        self._dialect = dialect
        self._wanted = wanted

    async def listen(self, window: float) -> None:
        """Listen for `window` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(window):
                await self._listen()
                raise Broken("closes the WebSocket while updates were awaited")

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def see(message: str | bytes) -> None:
            now = loop.time() - began
            self.received += len(message.encode()) if isinstance(message, str) else len(message)
            if self._dialect.is_update(message, self._wanted):
                self.updates.append(now)

        await read_on(self._socket, self._dialect, see)
