"""Test messages: a short and a long one to a receiver, at once."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Mapping

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from pytest_flowhealth.alerts.dispatcher import attempt
from pytest_flowhealth.alerts.message import Origin, make_test_messages
from pytest_flowhealth.config.alerts import Receiver
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.web import shapes
from pytest_flowhealth.web.answers import answer
from pytest_flowhealth.web.endpoint import offered
from pytest_flowhealth.web.visitors import Refused, Visitor, address_of

LOCAL = ("console", "log")
"""Types of receivers that can't fail, and so need no test."""


class Notifications:
    """Sends test messages.

    Args:
        settings: The monitor's configuration; replaced when it is read again.
        environ: Where receivers find their secrets.
        remark: Notes who sent what.
    """

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], remark: Callable[[MonitorEvent], None]
    ) -> None:
        self.settings = settings
        self._environ, self._remark = environ, remark
        # One at a time: a button that is pressed often floods nobody.
        self._threads = anyio.CapacityLimiter(1)

    @offered(
        "POST",
        "/api/receivers/{id}/test",
        scope="write",
        gives=shapes.TestResult,
        refuses=(404, 409),
    )
    async def send_test(self, request: Request, visitor: Visitor) -> Response:
        """Send a short and a long test message to a receiver."""
        receivers = {receiver.name: receiver for receiver in self.settings.receivers}
        receiver = receivers.get(request.path_params["id"])
        if receiver is None or receiver.type in LOCAL:
            raise Refused(404, "there is no such receiver outside of this machine")
        if self._threads.borrowed_tokens:
            raise Refused(409, "another test message is on its way")
        facts = {"user": visitor.user, "address": address_of(request), "receiver": receiver.name}
        self._remark(MonitorEvent("test message", facts))
        return answer(await anyio.to_thread.run_sync(self._send, receiver, limiter=self._threads))

    def _send(self, receiver: Receiver) -> shapes.TestResult:
        target = self.settings.target
        origin = Origin(platform.node(), target.name or target.root.name, target.instance)
        messages = make_test_messages(receiver.name, origin, datetime.datetime.now(datetime.UTC))
        failures = (attempt(message, receiver, self._environ) for message in messages)
        short, long = (None if failure is None else one_line(str(failure)) for failure in failures)
        return shapes.TestResult(receiver.name, short, long)
