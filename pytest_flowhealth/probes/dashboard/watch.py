"""Measure the WebSocket for a while: round trips on a schedule, updates as they come, handshakes.

Two connections: pings go over one, updates are listened to on the other. A ping is sent when it
is due, whatever became of those before, so that a stall of the server is counted in every ping that
had to wait behind it ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from pytest_flowhealth.config.dashboard import DashboardMessage
from pytest_flowhealth.domain.text import format_number
from pytest_flowhealth.errors import CheckFailed, MeasurementUnavailable
from pytest_flowhealth.probes.dashboard.address import SiteAddress
from pytest_flowhealth.probes.dashboard.http_client import HttpError
from pytest_flowhealth.probes.dashboard.site import Site
from pytest_flowhealth.probes.dashboard.websocket import (
    Connection,
    connected,
    explain_failure,
    failures,
    find_address,
    open_connection,
    require_library,
    to_text,
)

HANDSHAKES = 20
"""Connections whose opening is measured, fewer where the server accepts no more."""

_HANDSHAKING = 30.0

PINGS = 100
"""Pings, and as many of the configured messages."""

DISTANCES = 20
"""Distances between updates that a p95 needs."""

LONGEST = 600.0
"""Seconds of `dashboard.window` that count at the most."""

GREETING = 0.25
"""The share of the interval, after connecting, in which a message is no update: many servers tell
the state at once to who connects, and then at their interval."""

_LATE = 0.05

_INTERVALS = (0.02, 0.25)


class Updates(msgspec.Struct, frozen=True):
    """Updates that came in `seconds`.

    Attributes:
        times: When they came, in s since listening began.
        greetings: How many came at once after connecting; they are not among `times`.
        received: Bytes of all messages, decompressed.
    """

    times: tuple[float, ...]
    greetings: int
    received: int
    seconds: float

    @property
    def distances(self) -> tuple[float, ...]:
        """The time between each two updates, in ms."""
        pairs = zip(self.times, self.times[1:], strict=False)
        return tuple(1_000.0 * (after - before) for before, after in pairs)


class WebSocketTimes(msgspec.Struct, frozen=True):
    """What was measured over the WebSocket.

    Attributes:
        handshakes: What opening a connection took, up to the answer that it is a WebSocket, in ms.
        pings: Round trips of protocol pings, in ms; `messages` those of the configured message.
        updates: The updates that came meanwhile.
        compression: Whether messages may come compressed (permessage-deflate).
    """

    handshakes: tuple[float, ...]
    pings: tuple[float, ...]
    messages: tuple[float, ...]
    updates: Updates
    compression: bool


def listening_seconds(site: Site) -> float:
    """Return for how many seconds updates are listened to."""
    if site.settings.window is not None:
        return min(LONGEST, site.settings.window)
    return (DISTANCES + 2) * site.interval + 0.5 if site.settings.updates else 5.0


def measure_websocket(site: Site) -> WebSocketTimes:
    """Open the WebSocket, measure it and listen to it.

    Raises:
        NotApplicable: None is configured.
        CheckFailed: It can't be opened, breaks off, or a ping gets no answer.
        MeasurementUnavailable: The library is not installed.
    """
    address = find_address(site)
    require_library()
    try:
        return asyncio.run(_measure(site, address, listening_seconds(site)))
    except failures() as error:
        problem = explain_failure(address, error, site)
    raise problem


async def _measure(site: Site, address: SiteAddress, window: float) -> WebSocketTimes:
    async with connected(site, address) as asking, connected(site, address) as listening:
        asker = _Sender(asking, site.timeout)
        listener = _Listener(listening, site.settings.update, GREETING * site.interval)
        pace = min(_INTERVALS[1], max(_INTERVALS[0], window / PINGS))
        (pings, messages), _ = await _together(
            asker.both(site.settings.message, pace), listener.listen(window), asker.read()
        )
        packed = any("deflate" in str(part.name) for part in asking.socket.protocol.extensions)
        opened = [asking.opening, listening.opening]
    return WebSocketTimes(
        handshakes=(*opened, *await _measure_handshakes(site, address, HANDSHAKES - len(opened))),
        pings=pings,
        messages=messages,
        updates=Updates(tuple(listener.updates), listener.greetings, listener.received, window),
        compression=packed,
    )


async def _measure_handshakes(site: Site, address: SiteAddress, count: int) -> tuple[float, ...]:
    """Open connections, one after the other, until they take long or a server's limit is reached."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _HANDSHAKING
    taken: list[float] = []
    with contextlib.suppress(HttpError, MeasurementUnavailable):
        while len(taken) < count and loop.time() < end:
            connection = await open_connection(site, address)
            taken.append(connection.opening)
            await connection.close()
    return tuple(taken)


async def _together(asking: Any, listening: Any, reading: Any) -> Any:
    """Return what asking and listening give; the first error ends all, and reading ends with them."""
    wanted = [asyncio.create_task(awaitable) for awaitable in (asking, listening)]
    tasks = {*wanted, asyncio.create_task(reading)}
    pending = tasks
    try:
        while not all(task.done() for task in wanted):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        return [task.result() for task in wanted]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Sender:
    """Sends on a schedule and takes the time of each answer."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._socket = connection.socket
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        # By the reply that is waited for; one without a number may be waited for many times.
        self._waiting: dict[str, deque[tuple[asyncio.Future[float], float]]] = {}

    async def read(self) -> None:
        """Read what comes, so that pongs are seen and messages answered in time."""
        await self._connection.read(self._note)

    def _note(self, message: str | bytes) -> None:
        now = self._loop.time()
        text = to_text(message) if self._waiting else ""
        for reply in [reply for reply in self._waiting if reply in text]:
            future, sent = self._waiting[reply].popleft()
            if not self._waiting[reply]:
                del self._waiting[reply]
            if not future.done():
                future.set_result(now - sent)

    async def both(
        self, message: DashboardMessage | None, pace: float
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the round trips of pings, and of the configured message where there is one."""
        pings = await self.measure(self.ping, pace)
        return pings, await self.measure(self.sender(message), pace) if message else ()

    async def measure(self, send: Callable[[int], Any], pace: float) -> tuple[float, ...]:
        """Send `PINGS` times, `pace` seconds apart; return the round trips in ms.

        Raises:
            CheckFailed: Some got no answer in time.
        """
        start = self._loop.time() + pace
        answers: list[tuple[asyncio.Future[float], float]] = []
        for number in range(PINGS):
            due = start + number * pace
            # The timer's own lateness is not the server's; that of a socket that takes nothing is.
            if due > self._loop.time():
                await asyncio.sleep(due - self._loop.time())
                due = self._loop.time()
            answers.append((await send(number), self._loop.time() - due))
        futures = [future for future, _ in answers]
        await asyncio.wait(futures, timeout=self._timeout)
        # What has come in while this process was kept from running is not lost.
        await asyncio.wait(futures, timeout=_LATE)
        lost = sum(not future.done() or future.cancelled() for future in futures)
        if lost:
            raise CheckFailed(
                f"{lost} of {PINGS} pings or messages got no answer within {format_number(self._timeout)} s",
                diagnosis="the server's log; the delay of its event loop: node --cpu-prof",
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
            reply = message.reply.replace("{id}", name)
            self._waiting.setdefault(reply, deque()).append((future, sent))
            await self._socket.send(message.send.replace("{id}", name))
            return future

        return send


class _Listener:
    """Notes when updates come, and how many bytes there are."""

    def __init__(self, connection: Connection, wanted: str | None, from_on: float) -> None:
        self.updates: list[float] = []
        self.greetings = 0
        self._from = from_on
        self.received = 0
        self._connection = connection
        self._wanted = wanted

    async def listen(self, window: float) -> None:
        """Listen for `window` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(window):
                await self._listen()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def see(message: str | bytes) -> None:
            now = loop.time() - began
            self.received += len(message.encode()) if isinstance(message, str) else len(message)
            if not self._connection.protocol.is_update(message, self._wanted):
                return
            if now < self._from:
                self.greetings += 1
            else:
                self.updates.append(now)

        await self._connection.read(see)
