"""One request to a real server: what each fault of the connection becomes."""

import gzip
from pathlib import Path

import pytest

from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.probes.registry.npmrc import Credential
from pytest_flowhealth.probes.registry.transport import Again, Answer, Request, Server, exchange
from tests.kit.http import HttpServer, Reply

SECRET = "npm_geheim4711"
SECONDS = 60.0
LARGE = b'{"a": "' + b"x" * 3_000_000 + b'"}'


def ask(
    server: HttpServer,
    request: Request = Request("x"),  # noqa: B008  # immutable
    *,
    seconds: float = SECONDS,
    credential: Credential = Credential(),  # noqa: B008  # frozen
) -> Answer:
    address = f"{server.url}/"
    return exchange(Server("the registry", address, credential=credential), request, seconds, 2**20)


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


@pytest.mark.parametrize("status", [304, 404, 500])
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


def test_a_server_that_can_not_be_reached_may_be_asked_again() -> None:
    for address, says in (("127.0.0.1:9", ": Connection refused"), ("api.flowhealth.invalid", "")):
        server = Server("the registry", f"http://{address}/")
        with pytest.raises(Again, match=f"can't be reached{says}"):
            exchange(server, Request("x"), SECONDS, 2**20)


@pytest.mark.parametrize(
    ("body", "compressed", "says"),
    [
        (LARGE, False, "more than 1 MiB"),
        (gzip.compress(LARGE), True, "more than 1 MiB"),
        (b"no gzip at all", True, "gave no answer"),
    ],
    ids=["large", "large when unpacked", "garbled"],
)
def test_an_answer_that_is_too_large_or_garbled_is_unknown(
    body: bytes, compressed: bool, says: str
) -> None:
    headers = {"content-encoding": "gzip"} if compressed else {}
    with (
        HttpServer([Reply(body, headers=headers)]) as server,
        pytest.raises(MeasurementUnavailable, match=says),
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
