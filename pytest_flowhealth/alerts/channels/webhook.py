"""A webhook: Alertmanager's webhook format (version 4), signed as Standard Webhooks 1.0 specifies.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pytest_flowhealth.alerts.channels.alertmanager import (
    make_annotations,
    make_labels,
    make_test_alert,
)
from pytest_flowhealth.alerts.channels.errors import PermanentError
from pytest_flowhealth.alerts.channels.http import find_address, post, read_variable
from pytest_flowhealth.alerts.message import Alert, Message
from pytest_flowhealth.config.alerts import Receiver

_PREFIX = "whsec_"
_NEVER = "0001-01-01T00:00:00Z"
"""The end of an alert that fires: Go's zero time, as Alertmanager has it."""


def send(message: Message, receiver: Receiver, environ: Mapping[str, str]) -> None:
    """Send a message.

    Raises:
        RetryableError: It may be accepted later.
        PermanentError: It is refused, or its secret can't be used.
    """
    content = msgspec.json.encode(make_body(message))
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    headers = {"webhook-id": message.id, "webhook-timestamp": str(int(now.timestamp()))}
    if receiver.secret_env is not None:
        secret = read_variable(receiver.secret_env, "secret_env", environ)
        headers["webhook-signature"] = sign(secret, message.id, now, content)
    post(find_address(receiver, environ), content, headers, receiver, environ)


def sign(secret: str, message_id: str, now: datetime.datetime, content: bytes) -> str:
    """Return the signature of a message.

    Raises:
        PermanentError: The secret is not base64, with or without `whsec_` before it.
    """
    from standardwebhooks import Webhook

    text = secret.removeprefix(_PREFIX)
    try:
        # The library would skip what is not base64, and sign with the rest.
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise PermanentError(
            "the secret must be base64, as `openssl rand -base64 32` makes it, after `whsec_` or not"
        )
    return str(Webhook(key).sign(message_id, now, content.decode()))


def make_body(message: Message) -> dict[str, Any]:
    """Return a message in Alertmanager's webhook format."""
    alerts = [_make_alert(alert, message) for alert in message.alerts] or [_make_test(message)]
    group = {"component": message.group, "instance": message.instance}
    names = ", ".join(f'{name}="{value}"' for name, value in group.items())
    return {
        "version": "4",
        "groupKey": f"{{}}:{{{names}}}",
        "truncatedAlerts": 0,
        "status": "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved",
        "receiver": message.receiver,
        "groupLabels": group,
        "commonLabels": _find_common([alert["labels"] for alert in alerts]),
        "commonAnnotations": _find_common([alert["annotations"] for alert in alerts]),
        "externalURL": "",
        "alerts": alerts,
    }


def _make_alert(alert: Alert, message: Message) -> dict[str, Any]:
    named = make_labels(alert, message.origin)
    marks = {} if message.kind in ("firing", "resolved") else {"notification": message.kind}
    return {
        "status": alert.state,
        "labels": named,
        "annotations": make_annotations(alert) | marks,
        "startsAt": alert.fired.isoformat(),
        "endsAt": _NEVER if alert.resolved is None else alert.resolved.isoformat(),
        "generatorURL": "",
        "fingerprint": _make_fingerprint(named),
    }


def _make_test(message: Message) -> dict[str, Any]:
    alert = make_test_alert(message)
    more = {
        "status": "firing",
        "generatorURL": "",
        "fingerprint": _make_fingerprint(alert["labels"]),
    }
    return alert | more


def _make_fingerprint(named: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits that are the same for the same labels."""
    text = "\0".join(f"{name}\0{named[name]}" for name in sorted(named))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _find_common(tables: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first = tables[0]
    return {
        name: value
        for name, value in first.items()
        if all(table.get(name) == value for table in tables)
    }
