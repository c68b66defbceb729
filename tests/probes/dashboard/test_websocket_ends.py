"""WebSockets that end before they should, greet, or answer without a number."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from pytest_flowhealth.config.target import Target
from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard import connections, watch
from pytest_flowhealth.probes.dashboard.site import Site, of_target

server = pytest.importorskip("websockets.asyncio.server")

Configure = Callable[..., Target]
Handler = Callable[[Any], Awaitable[None]]
Made = Callable[..., Site]


class Speaking:
    """A WebSocket server in a thread, which speaks as its handler does."""

    def __init__(self, handler: Handler) -> None:
        self.port = 0
        self._handler = handler
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        quiet = logging.getLogger("tests.websocket")
        quiet.setLevel(logging.CRITICAL + 1)
        async with server.serve(self._handler, "127.0.0.1", 0, logger=quiet) as serving:
            self.port = serving.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture
def made(configure: Configure) -> Iterator[Made]:
    """Return a function that starts a server and returns it as a site."""
    started: list[Speaking] = []

    def make(handler: Handler, **settings: object) -> Site:
        started.append(Speaking(handler))
        place = f"127.0.0.1:{started[-1].port}"
        settings = {"window": "1.5 s", "timeout": "1 s", "update_interval": "100 ms"} | settings
        return of_target(configure(url=f"http://{place}/", websocket=f"ws://{place}/", **settings))

    yield make
    for one in started:
        one.end()


async def updates(socket: Any) -> None:
    await socket.send("welcome")

    async def answer() -> None:
        async for _ in socket:
            await socket.send("pong")

    answering = asyncio.create_task(answer())
    try:
        while True:
            await asyncio.sleep(0.1)
            await socket.send("update")
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def closes(socket: Any) -> None:
    await asyncio.sleep(0.5)
    await socket.close(4001, "go away")


async def goes(socket: Any) -> None:
    await asyncio.sleep(0.5)
    await socket.close(1001)


async def breaks_off(socket: Any) -> None:
    await asyncio.sleep(0.5)
    socket.transport.abort()


async def no_frame(socket: Any) -> None:
    await asyncio.sleep(0.3)
    socket.transport.write(b"\xff\xff\xff\xff")
    await asyncio.sleep(5)


async def too_much(socket: Any) -> None:
    await asyncio.sleep(0.3)
    await socket.send("x" * (17 * 2**20))
    await asyncio.sleep(5)


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (closes, "closes the WebSocket with code 4001 go away"),
        (goes, "closes the WebSocket with code 1001"),
        (breaks_off, "breaks off the connection of the WebSocket"),
        (no_frame, "sends what can't be read: invalid opcode"),
        (too_much, "sends what can't be read: frame exceeds limit"),
    ],
)
def test_it_ends_while_it_is_watched(
    made: Made, caplog: pytest.LogCaptureFixture, handler: Handler, said: str
) -> None:
    with pytest.raises(CheckFailed, match=said):
        watch.watch(made(handler))
    # asyncio logs the errors of tasks that nobody asked.
    assert caplog.records == []


def test_what_is_told_at_once_is_no_update(made: Made) -> None:
    found = watch.watch(made(updates))
    assert found.greetings == 1
    assert found.received == len("welcome") + len("update") * len(found.updates)
    assert len(found.handshakes) == watch.HANDSHAKES


def test_replies_without_a_number_are_told_in_turn(made: Made) -> None:
    found = watch.watch(made(updates, message={"send": "ping", "reply": "pong"}))
    assert len(found.messages) == watch.PINGS


@pytest.mark.parametrize("interval", [0.1, 1.0, 27.0, 60.0])
def test_the_window_gives_the_distances_of_a_p95(configure: Configure, interval: float) -> None:
    site = of_target(configure(url="http://127.0.0.1:9/", update_interval=f"{interval} s"))
    # The first update may come late in its interval, and one at once does not count.
    distances = (watch.window_of(site) - interval - watch.GREETING * interval) // interval
    assert distances >= watch.DISTANCES


def test_connections_that_are_closed_do_not_count(made: Made) -> None:
    held = connections.hold(made(closes, connections={"open": 30, "hold": "1 s"}))
    assert (held.asked, held.opened, held.stayed, held.pings) == (30, 30, 0, ())


def test_what_connections_take(made: Made) -> None:
    held = connections.hold(made(updates, connections={"open": 30, "hold": "200 ms"}))
    assert (held.stayed, len(held.opening), len(held.pings)) == (30, 30, 30)


def test_a_server_that_takes_its_time(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(socket: Any) -> None:
        await asyncio.sleep(0.5)

    monkeypatch.setattr(connections, "OPENING", 0.0)
    held = connections.hold(made(handler, connections={"open": 30, "hold": "100 ms"}))
    assert (held.opened, held.refusals) == (0, {"opens no more within 0 s": 30})


@pytest.mark.parametrize(
    "settings",
    [
        {"connections": {"open": 5}},
        {"message": {"send": "a", "reply": "b"}},
        {"subscribe": ["x"]},
    ],
)
def test_what_needs_a_websocket(configure: Configure, settings: dict[str, object]) -> None:
    site = of_target(configure(url="http://127.0.0.1:9/", **settings))
    probe = connections.hold if "connections" in settings else watch.watch
    with pytest.raises(CheckFailed, match=r"dashboard\.websocket is not"):
        probe(site)
