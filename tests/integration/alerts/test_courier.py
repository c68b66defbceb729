"""Delivery: receivers don't wait for each other, order stays, faults are told once."""

import time
from collections.abc import Callable, Iterator

import pytest

from pytest_flowhealth.alerts.courier import Courier
from pytest_flowhealth.alerts.message import Message
from pytest_flowhealth.alerts.outbox import Outbox
from pytest_flowhealth.config.alerts import Receiver
from tests.alerts.test_outbox import message
from tests.kit.webhook import Server, receiving


@pytest.fixture
def server() -> Iterator[Server]:
    with receiving() as found:
        yield found


def courier(box: Outbox, *receivers: Receiver, told: list[Message] | None = None) -> Courier:
    return Courier(
        box,
        receivers,
        {},
        {"console": (told if told is not None else []).append, "log": lambda _: None},
        lambda _: (),
    )


def until(done: Callable[[], bool], one: Courier, now: Callable[[], float]) -> list[str]:
    """Tick until something is so; return what was told."""
    found: list[str] = []
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end, found
        found += one.tick(now())
        time.sleep(0.01)
    return found


def ids(server: Server) -> list[str]:
    return [headers["X-FlowHealth-Id"] for _, headers, _ in server.requests]


def test_messages_arrive_in_order(server: Server) -> None:
    box = Outbox()
    box.put([message(str(number)) for number in range(250)], 0)
    one = courier(box, Receiver("ops", "webhook", server.url))

    until(lambda: not len(box), one, lambda: 0.0)

    assert ids(server) == [str(number) for number in range(250)]


def test_an_outage_is_told_once_and_its_end(server: Server) -> None:
    server.answers = [*[(500, dict[str, str]())] * 5, (204, {})]
    box = Outbox()
    box.put([message("1"), message("2")], 0)
    one = courier(box, Receiver("ops", "webhook", server.url))

    told = until(lambda: not len(box), one, time.monotonic_ns)

    told += one.tick(0.0)
    assert told == [
        "ops can't be told: HTTP 500 Internal Server Error; it is tried again",
        "ops can be told again",
    ]
    assert ids(server) == ["1"] * 6 + ["2"]


def test_a_hung_receiver_holds_up_no_other(server: Server) -> None:
    with receiving() as slow:
        slow.pause = 5.0
        box = Outbox()
        box.put([message("1", "slow"), message("2", "ops")], 0)
        one = courier(
            box,
            Receiver("slow", "webhook", slow.url, timeout="4 s"),
            Receiver("ops", "webhook", server.url),
        )
        began = time.monotonic()
        until(lambda: bool(server.requests), one, lambda: 0.0)
        assert time.monotonic() - began < 3.5
        one.close(0.1, 0.0)


def test_a_poisoned_message_holds_up_no_other(server: Server) -> None:
    server.answers = [(400, {}), (204, {})]
    box = Outbox()
    box.put([message("bad", group="npm"), message("good", group="redis")], 0)
    one = courier(box, Receiver("ops", "webhook", server.url))

    until(lambda: "good" in ids(server), one, lambda: 0.0)

    assert ids(server) == ["bad", "good"]


def test_the_console_is_told_at_once() -> None:
    box, told = Outbox(), list[Message]()
    box.put([message("1", "console")], 0)
    one = courier(box, Receiver("console", "console"), told=told)

    one.tick(0)

    assert [entry.id for entry in told] == ["1"]
    assert not len(box)


def test_a_receiver_that_is_no_more() -> None:
    box = Outbox()
    box.put([message("1", "gone")], 0)

    (told,) = courier(box, Receiver("ops", "console")).tick(0)

    assert told == "gone is no longer configured: 1 is given up"
