"""Delivery to real servers: receivers do not wait for each other, and a fault is reported once."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pytest_flowhealth.alerts.dispatcher import Dispatcher
from pytest_flowhealth.alerts.outbox import Outbox
from pytest_flowhealth.config.alerts import Receiver
from tests.kit.alerts import ORIGIN, message
from tests.kit.http import Reply
from tests.kit.webhook import ACCEPTED, WebhookServer


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with WebhookServer() as found:
        yield found


def deliver(
    outbox: Outbox,
    done: Callable[[], bool],
    *servers: WebhookServer,
    now: Callable[[], float] = lambda: 0.0,
) -> list[str]:
    """Deliver to servers named ops, other until something is so; return the problems reported."""
    receivers = [
        Receiver(name, "webhook", server.url)
        for name, server in zip(("ops", "other"), servers, strict=False)
    ]
    courier = Dispatcher(outbox, receivers, {}, {}, lambda _: (), ORIGIN)
    return asyncio.run(tick_until(courier, done, now))


async def tick_until(
    courier: Dispatcher, done: Callable[[], bool], now: Callable[[], float] = lambda: 0.0
) -> list[str]:
    """Let a dispatcher deliver until something is so; return the problems reported."""
    problems: list[str] = []
    while not done():
        problems += await courier.tick(now())
        await asyncio.sleep(0.01)
    return problems + await courier.close(0.0, now())


def test_outage_and_its_end_are_each_reported_once(server: WebhookServer) -> None:
    server.respond = [*[Reply(status=500)] * 5, ACCEPTED]
    outbox = Outbox()
    outbox.put([message("1"), message("2")], 0)

    problems = deliver(outbox, lambda: not len(outbox), server, now=time.monotonic_ns)

    assert problems == [
        "ops can't be told: HTTP 500 Internal Server Error; it is tried again",
        "ops can be told again",
    ]
    assert server.ids == ["1"] * 6 + ["2"]


def test_state_of_each_message_is_known_and_a_refusal_delays_none(server: WebhookServer) -> None:
    server.respond = [Reply(status=400), ACCEPTED, Reply(status=503)]
    outbox = Outbox()
    outbox.put([message("1"), message("2"), message("3", group="npm")], 0)
    courier = Dispatcher(
        outbox, [Receiver("ops", "webhook", server.url)], {}, {}, lambda _: (), ORIGIN
    )

    asyncio.run(tick_until(courier, lambda: len(server.requests) == 3 and bool(courier.outages)))

    found = {one.id: (one.state, one.error) for one in courier.deliveries()}
    assert found["1"] == ("refused", "HTTP 400 Bad Request")
    assert found["2"] == ("delivered", None)
    assert found["3"] == ("waiting", "HTTP 503 Service Unavailable")
    assert courier.outages.keys() == {"ops"}


def test_hung_receiver_delays_no_other() -> None:
    arrived = threading.Event()
    waited: list[bool] = []

    def wait_for_the_other(_: object) -> Reply:
        waited.append(arrived.wait(20.0))
        return ACCEPTED

    def accept(_: object) -> Reply:
        arrived.set()
        return ACCEPTED

    with WebhookServer(wait_for_the_other) as slow, WebhookServer(accept) as quick:
        outbox = Outbox()
        outbox.put([message("1", "ops"), message("2", "other")], 0)
        deliver(outbox, lambda: not len(outbox) and bool(waited), slow, quick)

    assert waited == [True]
