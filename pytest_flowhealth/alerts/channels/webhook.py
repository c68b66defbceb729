"""A webhook: the message as JSON, signed with HMAC-SHA256; docs/alerts.md shows how to verify it."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping

import msgspec

from pytest_flowhealth.alerts.channels.web import address_of, post, variable
from pytest_flowhealth.alerts.message import Message
from pytest_flowhealth.config.alerts import Receiver

ID = "X-FlowHealth-Id"
TIMESTAMP = "X-FlowHealth-Timestamp"
SIGNATURE = "X-FlowHealth-Signature"


def send(message: Message, receiver: Receiver, environ: Mapping[str, str]) -> None:
    """Send a message.

    Raises:
        RetryableError: It may go better later.
        PermanentError: It won't.
    """
    content = msgspec.json.encode(message)
    headers = {ID: message.id, TIMESTAMP: str(int(time.time()))}
    if receiver.secret_env is not None:
        secret = variable(receiver.secret_env, "secret_env", environ)
        headers[SIGNATURE] = f"sha256={signature(secret, headers[TIMESTAMP], content)}"
    post(address_of(receiver, environ), content, headers, receiver, environ)


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """Return the HMAC-SHA256 (RFC 2104) of `TIMESTAMP.CONTENT`, in hexadecimal digits."""
    return hmac.new(
        secret.encode(), timestamp.encode() + b"." + content, hashlib.sha256
    ).hexdigest()
