"""E-mail, chat and paging by Apprise (https://github.com/caronc/apprise), in a process of its own.

The library is large, and what it talks to may hang: `python -m pytest_flowhealth.alerts.channels.apprise`
reads what to send from its standard input, sends it, and ends.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping

import msgspec

from pytest_flowhealth.alerts.channels.errors import DeliveryError, PermanentError, RetryableError
from pytest_flowhealth.alerts.channels.http import find_address, make_status_error
from pytest_flowhealth.alerts.message import Message
from pytest_flowhealth.alerts.message_text import make_body, make_title
from pytest_flowhealth.config.alerts import Receiver

_UNUSABLE = 4
_START = 5.0
_MARGIN = 50
"""Characters that a service may add to title and body, such as marks for a heading."""

_LEAST = 40
_KINDS = {"critical": "failure", "warning": "warning", "info": "info"}


def send(message: Message, receiver: Receiver, environ: Mapping[str, str]) -> None:
    """Send a message.

    Raises:
        RetryableError: It may go better later.
        PermanentError: It won't.
    """
    if importlib.util.find_spec("apprise") is None:
        raise PermanentError("Apprise is missing: pip install 'pytest-flowhealth[notify]'")
    seconds = receiver.timeout + _START
    request = _Request(find_address(receiver, environ), message)
    done = _run(msgspec.json.encode(request), seconds, environ)
    if done is None:
        raise RetryableError(f"no answer within {receiver.timeout:g} s")
    code, errors = done
    if code == _UNUSABLE:
        raise PermanentError(
            "Apprise can't use its address; see https://github.com/caronc/apprise/wiki"
        )
    if code != 0:
        raise _make_error(errors)


def _make_error(errors: str) -> DeliveryError:
    """Return the error for what Apprise wrote: a service that answers 4xx refuses the message."""
    codes = [int(code) for code in re.findall(r"error=(\d{3})\b", errors)]
    if not codes:
        return RetryableError("Apprise could not deliver it")
    worst = max(codes)  # of several parts, one that may be accepted later counts
    return make_status_error(worst, f"HTTP {worst}")


def _run(request: bytes, seconds: float, environ: Mapping[str, str]) -> tuple[int, str] | None:
    """Return the exit code and the errors of a process that sends it; None if it took too long."""
    with subprocess.Popen(  # this interpreter
        [sys.executable, "-m", "pytest_flowhealth.alerts.channels.apprise"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(environ),
        start_new_session=True,
    ) as process:
        try:
            _, errors = process.communicate(request, timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None
        return process.returncode, errors.decode(errors="replace")


class _Request(msgspec.Struct, frozen=True):
    """What the process is to send, and where."""

    url: str
    message: Message


def _deliver(request: _Request) -> int:
    import apprise

    logging.basicConfig(level=logging.WARNING)
    sender = apprise.Apprise()
    if not sender.add(request.url):
        return _UNUSABLE
    (service,) = sender
    if service.overflow_mode is apprise.OverflowMode.UPSTREAM:
        service.overflow_mode = (
            apprise.OverflowMode.TRUNCATE
        )  # title and body together, as it sends them
    message = request.message
    heading = make_title(message)
    limit = service.body_maxlen - len(heading) - _MARGIN
    kind = "success" if message.kind == "resolved" else _KINDS[message.severity]
    done = sender.notify(
        title=heading, body=make_body(message, max(limit, _LEAST)), notify_type=kind
    )
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(_deliver(msgspec.json.decode(sys.stdin.buffer.read(), type=_Request)))
