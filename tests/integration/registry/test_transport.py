"""One request to a real server: what each fault of the connection becomes."""

from __future__ import annotations

import gzip
import socket
from pathlib import Path

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.registry.npmrc import Credential
from pytest_flowhealth.probes.registry.transport import Again, Answer, Request, Server, exchange
from tests.kit.http import HttpServer, Reply

SECRET = "npm_geheim4711"
SECONDS = 60.0


def ask(
    server: HttpServer,
    request: Request = Request("x"),  # noqa: B008  # immutable
    *,
    seconds: float = SECONDS,
    most: int = 2**20,
    credential: Credential = Credential(),  # noqa: B008  # frozen
) -> Answer:
    address = f"{server.url}/"
    return exchange(Server("the registry", address, credential=credential), request, seconds, most)


@pytest.mark.parametrize(
    ("request_", "method"),
    [(Request("a/b", etag='"v1"'), "GET"), (Request("a/b", b'{"a":["1.0.0"]}'), "POST")],
)
def test_a_request_has_its_path_headers_and_body(request_: Request, method: str) -> None:
    with HttpServer([Reply(b"{}", headers={"etag": '"v2"'})]) as server:
        answer = ask(server, request_, credential=Credential(f"Bearer {SECRET}", "//127.0.0.1/"))

    assert (answer.status, answer.headers["etag"], answer.body) == (200, '"v2"', b"{}")
    (sent,) = server.requests
    assert (sent.method, sent.path, sent.body) == (method, "/a/b", request_.body or b"")
    assert sent.headers["authorization"] == f"Bearer {SECRET}"
    assert sent.headers.get("if-none-match") == request_.etag


@pytest.mark.parametrize("status", [304, 404, 405, 429, 500])
def test_any_status_is_an_answer(status: int) -> None:
    with HttpServer([Reply(status=status, headers={"retry-after": "7"})]) as server:
        answer = ask(server)
    assert (answer.status, answer.headers["retry-after"]) == (status, "7")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("cut", "broke off its answer"),
        ("close", "broke off its answer"),
        ("hang", "gave no whole answer in time"),
        ("drip", "gave no whole answer in time"),
    ],
)
def test_an_answer_that_is_not_whole_may_be_asked_for_again(fault: str, says: str) -> None:
    seconds = 1.0 if fault in ("hang", "drip") else SECONDS
    with HttpServer([Reply(b'{"a"', fault=fault)]) as server, pytest.raises(Again, match=says):
        ask(server, seconds=seconds)


def test_a_refused_connection_may_be_asked_for_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Again, match="can't be reached: Connection refused"):
        exchange(Server("the registry", f"http://127.0.0.1:{port}/"), Request("x"), SECONDS, 2**20)


def test_a_host_without_an_address_may_be_asked_for_again() -> None:
    server = Server("the downloads API", "http://api.flowhealth.invalid/")
    with pytest.raises(Again, match="can't be reached"):
        exchange(server, Request("x"), SECONDS, 2**20)


@pytest.mark.parametrize("compressed", [False, True])
def test_an_answer_that_is_too_large_is_unknown(compressed: bool) -> None:
    body = b'{"a": "' + b"x" * 3_000_000 + b'"}'
    packed = Reply(gzip.compress(body), headers={"content-encoding": "gzip"})
    with (
        HttpServer([packed if compressed else Reply(body)]) as server,
        pytest.raises(MeasurementUnavailable, match="more than 1 MiB"),
    ):
        ask(server)


def test_garbled_compression_is_unknown() -> None:
    reply = Reply(b"no gzip at all", headers={"content-encoding": "gzip"})
    with (
        HttpServer([reply]) as server,
        pytest.raises(MeasurementUnavailable, match="gave no answer"),
    ):
        ask(server)


def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login somebody password {SECRET}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with HttpServer([Reply(b"{}")]) as server:
        ask(server)
    assert "authorization" not in server.requests[0].headers
