"""Send a short and a long test message to a receiver."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Mapping

import anyio
from starlette.requests import Request

from pytest_flowhealth.alerts.daemon_threads import run_in_thread
from pytest_flowhealth.alerts.dispatcher import attempt
from pytest_flowhealth.alerts.message import Origin, make_test_messages
from pytest_flowhealth.config.alerts import Receiver
from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.monitor.observer import MonitorEvent
from pytest_flowhealth.monitor.settings import Settings
from pytest_flowhealth.web import schemas
from pytest_flowhealth.web.authenticator import Principal, RequestError, find_client_address
from pytest_flowhealth.web.routes import route

LOCAL = ("console", "log")
"""Types of receivers that can't fail, and so need no test."""


class Notifications:
    """Sends test messages.

    Args:
        settings: The monitor's configuration; replaced when it is read again.
        environ: Where receivers find their secrets.
        record_event: Records who sent what.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        record_event: Callable[[MonitorEvent], None],
    ) -> None:
        self.settings = settings
        self._environ, self._record_event = environ, record_event
        # One at a time: a button that is pressed often floods nobody.
        self._threads = anyio.CapacityLimiter(1)

    @route(
        "POST",
        "/api/receivers/{id}/test",
        scope="write",
        refuses=(404, 409),
    )
    async def send_test(self, request: Request, principal: Principal) -> schemas.TestResult:
        """Send a short and a long test message to a receiver."""
        receivers = {receiver.name: receiver for receiver in self.settings.receivers}
        receiver = receivers.get(request.path_params["id"])
        if receiver is None or receiver.type in LOCAL:
            raise RequestError(404, "there is no such receiver outside of this machine")
        if self._threads.borrowed_tokens:
            raise RequestError(409, "another test message is on its way")
        facts = {
            "user": principal.user,
            "address": find_client_address(request),
            "receiver": receiver.name,
        }
        self._record_event(MonitorEvent("test message", facts))
        async with self._threads:
            return await run_in_thread(lambda: self._send(receiver))

    def _send(self, receiver: Receiver) -> schemas.TestResult:
        target = self.settings.target
        origin = Origin(platform.node(), target.name or target.root.name, target.instance)
        messages = make_test_messages(receiver.name, origin, datetime.datetime.now(datetime.UTC))
        failures = (attempt(message, receiver, self._environ) for message in messages)
        short, long = (None if failure is None else one_line(str(failure)) for failure in failures)
        return schemas.TestResult(receiver.name, short, long)
