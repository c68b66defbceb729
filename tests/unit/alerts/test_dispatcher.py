"""Delivery within the process, and receivers that are no longer configured."""

import asyncio

from pytest_flowhealth.alerts.dispatcher import Dispatcher
from pytest_flowhealth.alerts.message import Message
from pytest_flowhealth.alerts.outbox import Outbox
from pytest_flowhealth.config.alerts import Receiver
from tests.kit.alerts import ORIGIN, message


def test_console_shows_a_message_at_once_and_a_removed_receiver_is_given_up() -> None:
    shown: list[Message] = []
    outbox = Outbox()
    outbox.put([message("1", "console"), message("2", "gone")], 0)
    console = Receiver("console", "console")

    dispatcher = Dispatcher(outbox, [console], {}, {"console": shown.append}, lambda _: (), ORIGIN)
    problems = asyncio.run(dispatcher.tick(0))

    assert [sent.id for sent in shown] == ["1"]
    assert problems == ["gone is no longer configured: 2 is given up"]
    assert not len(outbox)
