"""`pytest --health-notify-test`: a test message for each receiver, and how that went."""

from __future__ import annotations

import datetime
import os
import platform
import sys
import time
import uuid

import pytest

from pytest_flowhealth.alerts.channels.failure import Undelivered
from pytest_flowhealth.alerts.courier import sender
from pytest_flowhealth.alerts.message import Message
from pytest_flowhealth.config.alerts import Receiver
from pytest_flowhealth.domain.status import Status
from pytest_flowhealth.domain.text import printable
from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.monitor.console import Console
from pytest_flowhealth.monitor.logs import Logs
from pytest_flowhealth.monitor.settings import Settings, read
from pytest_flowhealth.plugin.messages import usage_error
from pytest_flowhealth.plugin.monitor import asked_of


class NotifyCommand:
    """Takes the place of pytest's own run; the plugin object of --health-notify-test."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Send the messages, and return the exit code: 0, or 2 where a receiver was not told.

        Raises:
            pytest.UsageError: The configuration can't be meant.
        """
        try:
            settings = read(asked_of(config))
        except UsageError as error:
            raise usage_error(str(error)) from None
        if not settings.target.config.receivers:
            sys.stdout.write("no receivers are configured: the console and the log are told\n")
        failed = 0
        for receiver in settings.receivers:
            began = time.monotonic()
            failure = _sent(receiver, settings)
            took = 1_000 * (time.monotonic() - began)
            told = f"delivered in {took:.0f} ms" if failure is None else f"failed: {failure}"
            sys.stdout.write(printable(f"{receiver.name} ({receiver.type}): {told}") + "\n")
            failed += failure is not None
        return Status.UNHEALTHY.exit_code if failed else 0


def _sent(receiver: Receiver, settings: Settings) -> str | None:
    """Return why a receiver was not told, None where it was."""
    message = Message(
        id=uuid.uuid4().hex,
        kind="test",
        receiver=receiver.name,
        group="test",
        at=datetime.datetime.now(datetime.UTC),
        host=platform.node(),
        target=settings.target.name or settings.target.root.name,
    )
    if receiver.type == "console":
        console = Console()
        console.message(message)
        console.close()
        return None
    if receiver.type == "log":
        logs = Logs(settings.target.root / settings.target.config.monitor.logs)
        logs.write("info", "alerts", "test", message=message.id)
        logs.close()
        return logs.problem
    try:
        sender(receiver)(message, receiver, os.environ)
    except Undelivered as error:
        return str(error)
    return None
