"""E-mail, chat and paging by Apprise (https://github.com/caronc/apprise), in a process of its own.

The library is large, and what it talks to may hang: `python -m pytest_flowhealth.alerts.channels.apprise`
reads what to send from its standard input, sends it, and ends.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from pytest_flowhealth.alerts.channels.failure import PermanentError, RetryableError
from pytest_flowhealth.alerts.channels.web import address_of
from pytest_flowhealth.alerts.message import Message
from pytest_flowhealth.alerts.text import body, title
from pytest_flowhealth.config.alerts import Receiver
from pytest_flowhealth.domain.units import parse_duration

_UNUSABLE = 4
_START = 5.0
_KINDS = {"critical": "failure", "warning": "warning", "info": "info"}


def send(message: Message, receiver: Receiver, environ: Mapping[str, str]) -> None:
    """Send a message.

    Raises:
        RetryableError: It may go better later.
        PermanentError: It won't.
    """
    if importlib.util.find_spec("apprise") is None:
        raise PermanentError("Apprise is missing: pip install 'pytest-flowhealth[notify]'")
    kind = "success" if message.kind == "resolved" else _KINDS[message.severity]
    told = {
        "url": address_of(receiver, environ),
        "title": title(message),
        "body": body(message),
        "kind": kind,
    }
    code = _run(json.dumps(told).encode(), parse_duration(receiver.timeout) + _START, environ)
    if code is None:
        raise RetryableError(f"no answer within {receiver.timeout}")
    if code == _UNUSABLE:
        raise PermanentError(
            "Apprise can't use its address; see https://github.com/caronc/apprise/wiki"
        )
    if code != 0:
        raise RetryableError("Apprise could not deliver it")


def _run(told: bytes, seconds: float, environ: Mapping[str, str]) -> int | None:
    """Return the exit code of a process that sends it, None where it took too long."""
    with subprocess.Popen(  # this interpreter
        [sys.executable, "-m", "pytest_flowhealth.alerts.channels.apprise"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(environ),
        start_new_session=True,
    ) as process:
        try:
            process.communicate(told, timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None
        return process.returncode


def _sent(told: dict[str, Any]) -> int:
    import apprise

    logging.disable(logging.CRITICAL)
    sender = apprise.Apprise()
    if not sender.add(told["url"]):
        return _UNUSABLE
    return (
        0 if sender.notify(title=told["title"], body=told["body"], notify_type=told["kind"]) else 1
    )


if __name__ == "__main__":
    sys.exit(_sent(json.load(sys.stdin)))
