"""Each type of receiver against a real server, and what goes wrong on the way."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from pytest_flowhealth.alerts.channels import apprise, webhook
from pytest_flowhealth.alerts.channels.errors import PermanentError, RetryableError
from pytest_flowhealth.alerts.dispatcher import attempt
from pytest_flowhealth.config.alerts import Receiver
from tests.kit.alerts import ALERT, MESSAGE, SECRET, SIGNED, SIGNED_BODY, documented, signed_headers
from tests.kit.http import Reply, Request
from tests.kit.webhook import WebhookServer


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with WebhookServer() as found:
        yield found


def hook(server: WebhookServer, **more: Any) -> Receiver:
    return Receiver(name="ops", type="webhook", url=server.url, **more)


def test_webhook_sends_the_alert_signed_as_documented(server: WebhookServer) -> None:
    receiver = Receiver(
        name="ops", type="webhook", url_env="HOOK", secret_env="SECRET", token_env="TOKEN"
    )

    webhook.send(MESSAGE, receiver, {"HOOK": server.url, "SECRET": SECRET, "TOKEN": "t0ken"})

    (request,) = server.requests
    assert request.path == "/hook"
    assert server.ids == ["abc123"]
    assert request.headers["authorization"] == "Bearer t0ken"
    assert Webhook(SECRET).verify(request.body, dict(request.headers)) == request.json
    body = request.json
    assert (body["version"], body["status"], body["receiver"]) == ("4", "firing", "ops")
    (alert,) = body["alerts"]
    assert (alert["status"], alert["labels"]["alertname"]) == ("firing", "redis.connect")
    assert alert["labels"]["instance"] == "host:shop"
    assert alert["annotations"]["remedy"] == ALERT.remedy
    assert alert["annotations"]["blocked"] == "redis.ping, redis.memory"


def test_fingerprint_of_an_alert_is_the_same_when_it_is_resolved() -> None:
    resolved = msgspec.structs.replace(ALERT, state="resolved", resolved=ALERT.fired)
    over = msgspec.structs.replace(MESSAGE, kind="resolved", alerts=(resolved,))
    bodies = [webhook.make_body(one) for one in (MESSAGE, over)]

    fired, ended = (body["alerts"][0] for body in bodies)

    assert [body["status"] for body in bodies] == ["firing", "resolved"]
    assert (fired["fingerprint"], fired["startsAt"]) == (ended["fingerprint"], ended["startsAt"])


@pytest.mark.parametrize("secret", ["s3cret!", "", "whsec_"])
def test_secret_that_is_not_base64_sends_nothing(server: WebhookServer, secret: str) -> None:
    with pytest.raises(PermanentError):
        webhook.send(MESSAGE, hook(server, secret_env="SECRET"), {"SECRET": secret})

    assert server.requests == []


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_node_example_of_the_documentation_accepts_only_a_fresh_signature_of_the_body() -> None:
    script = documented("javascript")
    for case in SIGNED:
        headers = {name.lower(): text for name, text in signed_headers(case).items()}
        body = f"Buffer.from({json.dumps(SIGNED_BODY.decode())})"
        script += f"\nconsole.log(verified('{SECRET}', {json.dumps(headers)}, {body}))"

    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["true" if case == "right" else "false" for case in SIGNED]


@pytest.mark.parametrize("code", [500, 502, 503, 429, 408])
def test_error_of_the_server_is_retried_when_it_says(server: WebhookServer, code: int) -> None:
    server.respond = [Reply(status=code, headers={"Retry-After": "17"})]

    with pytest.raises(RetryableError, match=str(code)) as caught:
        webhook.send(MESSAGE, hook(server), {})

    assert caught.value.retry_after == 17


@pytest.mark.parametrize("code", [400, 401, 404, 301])
def test_refusal_is_not_retried_and_no_redirect_is_followed(
    server: WebhookServer, code: int
) -> None:
    server.respond = [Reply(status=code, headers={"Location": "http://127.0.0.1:1/"})]

    with pytest.raises(PermanentError, match=str(code)):
        webhook.send(MESSAGE, hook(server), {})

    assert len(server.requests) == 1


def test_closed_port_is_reported_without_the_secrets_of_the_address() -> None:
    receiver = Receiver(name="ops", type="webhook", url="http://user:pa55@127.0.0.1:1/x?token=t0p")

    with pytest.raises(RetryableError) as caught:
        webhook.send(MESSAGE, receiver, {})

    assert str(caught.value) == "connection refused"


def test_server_that_hangs_is_given_up_after_the_timeout(server: WebhookServer) -> None:
    server.respond = [Reply(fault="hang")]

    with pytest.raises(RetryableError, match=r"no answer within 0\.3 s"):
        webhook.send(MESSAGE, hook(server, timeout=0.3), {})


def test_message_is_delivered_though_the_answer_never_ends(server: WebhookServer) -> None:
    server.respond = [Reply(fault="drip")]

    webhook.send(MESSAGE, hook(server), {})


def test_secret_that_is_not_set_sends_nothing(server: WebhookServer) -> None:
    with pytest.raises(
        PermanentError, match="the variable SECRET, which secret_env names, is not set"
    ):
        webhook.send(MESSAGE, hook(server, secret_env="SECRET"), {})

    assert server.requests == []


def test_apprise_delivers_title_and_remedy(server: WebhookServer) -> None:
    pytest.importorskip("apprise")
    receiver = Receiver(name="chat", type="apprise", url=f"json://127.0.0.1:{server.port}/x")

    apprise.send(MESSAGE, receiver, {"PATH": ""})

    (request,) = server.requests
    assert "redis.connect" in request.json["title"]
    assert "redis-server --daemonize yes" in request.json["message"]


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("nosuch://x", PermanentError, "can't use its address"),
        ("json://127.0.0.1:1/", RetryableError, "could not deliver it"),
    ],
)
def test_apprise_tells_a_wrong_address_from_an_outage(
    url: str, error: type[Exception], says: str
) -> None:
    pytest.importorskip("apprise")

    with pytest.raises(error, match=says):
        apprise.send(MESSAGE, Receiver(name="chat", type="apprise", url=url), {})


@pytest.mark.parametrize(("code", "error"), [(400, PermanentError), (503, RetryableError)])
def test_apprise_tells_a_refusal_from_an_outage(
    server: WebhookServer, code: int, error: type[Exception]
) -> None:
    pytest.importorskip("apprise")
    server.respond = [Reply(status=code)]
    receiver = Receiver(name="chat", type="apprise", url=f"json://127.0.0.1:{server.port}/x")

    with pytest.raises(error, match=f"HTTP {code}"):
        apprise.send(MESSAGE, receiver, {"PATH": ""})


def test_alert_that_is_too_large_alone_is_shortened(server: WebhookServer) -> None:
    alert = msgspec.structs.replace(ALERT, summary="x" * 5_000, blocked=("redis.ping",) * 500)
    server.respond = lambda request: Reply(status=413 if len(request.body) > 4_000 else 204)

    assert attempt(msgspec.structs.replace(MESSAGE, alerts=(alert,)), hook(server), {}) is None

    refused, accepted = server.requests
    assert refused.headers["webhook-id"] == accepted.headers["webhook-id"]
    assert accepted.json["alerts"][0]["annotations"]["summary"].startswith("xxx")


@pytest.mark.parametrize("alerts", [1, 30])
def test_service_of_apprise_gets_no_more_than_it_accepts(
    server: WebhookServer, alerts: int, tmp_path: Path
) -> None:
    pytest.importorskip("apprise")
    plugin = tmp_path / "sitecustomize.py"
    plugin.write_text(
        "import apprise.plugins.custom_json as it\n"
        "it.NotifyJSON.title_maxlen, it.NotifyJSON.body_maxlen = 60, 160\n"
    )
    long = [
        msgspec.structs.replace(ALERT, name=f"redis.{'name' * 20}[{number}]", summary="é" * 900)
        for number in range(alerts)
    ]
    message = msgspec.structs.replace(
        MESSAGE, target="shop" * 30, instance="host:/" + "long/" * 60, alerts=tuple(long)
    )
    receiver = Receiver(name="chat", type="apprise", url=f"json://127.0.0.1:{server.port}/x")

    apprise.send(message, receiver, {"PATH": "", "PYTHONPATH": str(tmp_path)})

    (request,) = server.requests
    assert len(request.json["title"]) <= 60
    assert 0 < len(request.json["message"]) <= 160


def test_message_that_is_too_large_is_sent_in_parts(server: WebhookServer) -> None:
    alerts = tuple(msgspec.structs.replace(ALERT, name=f"redis.{number}") for number in range(4))
    message = msgspec.structs.replace(MESSAGE, alerts=alerts)
    size = len(msgspec.json.encode(webhook.make_body(MESSAGE))) + 600

    def respond(request: Request) -> Reply:
        return Reply(status=413 if len(request.body) > size else 204)

    server.respond = respond

    assert attempt(message, hook(server), {}) is None
    accepted = [one for one in server.requests if len(one.body) <= size]
    assert sum(len(one.json["alerts"]) for one in accepted) == 4
    assert len({one.headers["webhook-id"] for one in accepted}) == len(accepted)
