"""Each way to tell a receiver, against real servers, and what goes wrong on the way."""

import datetime
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_flowhealth.alerts.channels import apprise, webhook
from pytest_flowhealth.alerts.channels.failure import Refused, Unavailable
from pytest_flowhealth.alerts.channels.web import retry_after
from pytest_flowhealth.alerts.message import Alert, Message
from pytest_flowhealth.alerts.text import body, title
from pytest_flowhealth.config.alerts import Receiver
from tests.kit.webhook import Server, receiving

AT = datetime.datetime(2026, 1, 1, 12, 0, 0, tzinfo=datetime.UTC)
ALERT = Alert(
    name="redis.connect",
    kind="check",
    component="redis",
    severity="critical",
    state="firing",
    summary="no Redis listens at 127.0.0.1:6379",
    since=AT,
    fired=AT,
    remedy="redis-server --daemonize yes",
    blocked=("redis.ping", "redis.memory"),
    runbook="docs/runbook.md#redisconnect",
)
MESSAGE = Message("abc123", "firing", "ops", "redis", AT, "host", "shop", (ALERT,))


@pytest.fixture
def server() -> Iterator[Server]:
    with receiving() as found:
        yield found


def hook(server: Server, **more: Any) -> Receiver:
    return Receiver(name="ops", type="webhook", url=server.url, **more)


def test_webhook_is_signed_as_documented(server: Server) -> None:
    receiver = hook(server, secret_env="SECRET", token_env="TOKEN")

    webhook.send(MESSAGE, receiver, {"SECRET": "s3cret", "TOKEN": "t0ken"})

    ((path, headers, content),) = server.requests
    assert path == "/hook"
    assert headers["X-FlowHealth-Id"] == "abc123"
    assert headers["Authorization"] == "Bearer t0ken"
    signed = headers["X-FlowHealth-Timestamp"].encode() + b"." + content
    expected = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert headers["X-FlowHealth-Signature"] == f"sha256={expected}"
    assert abs(int(headers["X-FlowHealth-Timestamp"]) - time.time()) < 60
    told = json.loads(content)
    assert told["alerts"][0]["remedy"] == ALERT.remedy
    assert told["alerts"][0]["blocked"] == ["redis.ping", "redis.memory"]


@pytest.mark.parametrize("code", [500, 502, 503, 429, 408])
def test_errors_of_the_server_are_tried_again(server: Server, code: int) -> None:
    server.answers = [(code, {"Retry-After": "17"})]

    with pytest.raises(Unavailable, match=str(code)) as caught:
        webhook.send(MESSAGE, hook(server), {})

    assert caught.value.retry_after == 17


@pytest.mark.parametrize("code", [400, 401, 404, 301])
def test_a_refusal_is_one(server: Server, code: int) -> None:
    server.answers = [(code, {"Location": "http://127.0.0.1:1/"})]

    with pytest.raises(Refused, match=str(code)):
        webhook.send(MESSAGE, hook(server), {})

    assert len(server.requests) == 1


def test_nobody_listens() -> None:
    receiver = Receiver(name="ops", type="webhook", url="http://user:pa55@127.0.0.1:1/x?token=t0p")

    with pytest.raises(Unavailable) as caught:
        webhook.send(MESSAGE, receiver, {})

    assert str(caught.value) == "connection refused"


def test_a_server_that_hangs(server: Server) -> None:
    server.pause = 3.0

    with pytest.raises(Unavailable, match="no answer within 300 ms"):
        webhook.send(MESSAGE, hook(server, timeout="300 ms"), {})


def test_a_server_that_never_ends_its_answer() -> None:
    """It has taken the message: what more it says is nobody's business."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65_536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                try:
                    for _ in range(100):
                        peer.sendall(b"x")
                        time.sleep(0.1)
                except OSError:
                    pass

        threading.Thread(target=drip, daemon=True).start()
        port = listener.getsockname()[1]
        receiver = Receiver("ops", "webhook", f"http://127.0.0.1:{port}/", timeout="500 ms")
        began = time.monotonic()
        webhook.send(MESSAGE, receiver, {})
        assert time.monotonic() - began < 8


def test_a_secret_that_is_not_set(server: Server) -> None:
    with pytest.raises(Refused, match="the variable SECRET, which secret_env names, is not set"):
        webhook.send(MESSAGE, hook(server, secret_env="SECRET"), {})

    assert server.requests == []


def test_an_address_from_the_environment(server: Server) -> None:
    receiver = Receiver(name="ops", type="webhook", url_env="HOOK")

    webhook.send(MESSAGE, receiver, {"HOOK": server.url})

    assert len(server.requests) == 1


def test_apprise_delivers(server: Server) -> None:
    pytest.importorskip("apprise")
    port = server.server_address[1]
    receiver = Receiver(name="chat", type="apprise", url=f"json://127.0.0.1:{port}/x")

    apprise.send(MESSAGE, receiver, {"PATH": ""})

    ((_, _, content),) = server.requests
    told = json.loads(content)
    assert "redis.connect" in told["title"]
    assert "redis-server --daemonize yes" in told["message"]


def test_apprise_with_an_address_of_nothing() -> None:
    pytest.importorskip("apprise")

    with pytest.raises(Refused, match="can't use its address"):
        apprise.send(MESSAGE, Receiver(name="chat", type="apprise", url="nosuch://x"), {})


def test_apprise_whose_receiver_is_down() -> None:
    pytest.importorskip("apprise")

    with pytest.raises(Unavailable):
        apprise.send(MESSAGE, Receiver(name="chat", type="apprise", url="json://127.0.0.1:1/"), {})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("Thu, 01 Jan 2026 12:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, AT) == seconds


def test_text_for_people() -> None:
    assert title(MESSAGE) == "[CRITICAL] shop on host: redis.connect"
    assert body(MESSAGE).splitlines() == [
        "redis.connect (critical): no Redis listens at 127.0.0.1:6379",
        "  since 2026-01-01 12:00:00 UTC",
        "  blocks 2: redis.ping, redis.memory",
        "  fix: redis-server --daemonize yes",
        "  see: docs/runbook.md#redisconnect",
    ]


def test_text_escapes_control_characters() -> None:
    import msgspec

    wild = msgspec.structs.replace(ALERT, summary="a\x1b[31mb\r\nc")
    message = msgspec.structs.replace(MESSAGE, alerts=(wild,))

    assert "\x1b" not in body(message)
    assert "\r" not in body(message)
