"""What each fault of the connection to GitHub means: not heard, or maybe done and not to be repeated.

`tests.kit.github.GitHub.exchange` raises the same exceptions for the tests that need no connection.
"""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_flowhealth.probes.github import transport
from pytest_flowhealth.probes.github.answers import Issue, Label
from pytest_flowhealth.probes.github.client import GitHubClient, Time
from pytest_flowhealth.probes.github.failure import GitHubError, Lost, Refused, Unreachable
from tests.kit.clock import FakeClock
from tests.kit.github import GARBAGE, REPOSITORY, TOKEN, GitHubServer
from tests.kit.http import HttpServer, Reply

LABEL = {"name": "x"}


def client(api: str, token: str | None = TOKEN, repository: str = REPOSITORY) -> GitHubClient:
    """Return a client that does not wait between attempts."""
    clock = FakeClock()
    return GitHubClient(repository, token, api=api, at=Time(clock.now, clock.now, clock.sleep))


@pytest.mark.parametrize("body", [None, b"{}"])
@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        ("cut", "the connection broke"),
        ("half", "the connection broke"),
        ("slow", "gave no whole answer in time"),
    ],
)
def test_an_answer_that_does_not_come_is_lost(
    github: GitHubServer, fault: str, meaning: str, body: bytes | None
) -> None:
    github.fault = lambda *_: fault
    request = transport.Request(f"{github.url}/repos/{REPOSITORY}/labels", body)
    seconds = 0.3 if fault == "slow" else 60.0
    with pytest.raises(Lost, match=meaning):
        transport.exchange(request, TOKEN, seconds)
    assert len(github.requests) == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [("500", 500), ("garbage", 200), ("primary", 403), ("secondary", 403), ("429", 429)],
)
def test_any_whole_answer_is_returned(github: GitHubServer, fault: str, status: int) -> None:
    github.fault = lambda *_: fault
    url = f"{github.url}/repos/{REPOSITORY}/issues"
    answer = transport.exchange(transport.Request(url), TOKEN, 60.0)
    assert answer.status == status
    assert (answer.body == GARBAGE) == (fault == "garbage")
    assert "retry-after" in answer.headers or fault not in ("secondary", "429")


def test_requests_carry_the_token_and_the_version_of_the_api(github: GitHubServer) -> None:
    client(github.url).post("labels", LABEL, Label)
    headers = github.requests[0].headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["x-github-api-version"] == "2022-11-28"


def test_netrc_is_not_read(
    github: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password planted")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    client(github.url, token=None).pages("issues", Issue, 1)
    assert "authorization" not in github.requests[0].headers


def test_a_server_that_can_not_be_reached_is_not_heard() -> None:
    with pytest.raises(Unreachable, match="the connection is refused"):
        client("http://127.0.0.1:9").post("labels", LABEL, Label)
    with pytest.raises(Unreachable) as caught:
        client("https://nowhere.invalid").get("", Label)
    assert TOKEN not in str(caught.value)


def test_a_redirect_to_another_host_is_not_followed(github: GitHubServer) -> None:
    with GitHubServer() as other:
        for status in (301, 302, 307, 308):
            github.status["/issues/1"] = (status, "Moved Permanently")
            github.headers = {"Location": f"{other.url}/repos/acme/shop/issues/1"}
            with pytest.raises(Refused, match="another host"):
                client(github.url).get("issues/1", Issue)
        assert other.requests == []


def test_a_redirect_of_a_renamed_repository_is_followed(github: GitHubServer) -> None:
    github.status["/old/name/labels"] = (307, "Temporary Redirect")
    github.headers = {"Location": f"{github.url}/repos/{REPOSITORY}/labels"}
    assert client(github.url, repository="old/name").post("labels", LABEL, Label).name == "x"


def test_a_circle_of_redirects_ends(github: GitHubServer) -> None:
    github.status["/issues/1"] = (302, "Found")
    github.headers = {"Location": f"{github.url}/repos/{REPOSITORY}/issues/1"}
    with pytest.raises(Refused, match="from one place to the next"):
        client(github.url).get("issues/1", Issue)
    assert len(github.requests) == 4


def read_request(connection: socket.socket) -> bytes:
    """Read one request to its end: `LABEL`, which may come in pieces."""
    content = b""
    while not content.endswith(b"}"):
        content += connection.recv(65_536)
    return content


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for localhost."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    signed = path.with_suffix(".crt")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(path), "-out", str(signed)]
    subprocess.run(["openssl", *words.split(), *names, *files], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + signed.read_bytes())
    return path


BENEATH = {
    "an alert": b"\x15\x03\x03\x00\x02\x02\x50",
    "plain text": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
}
"""What comes instead of an encrypted answer: an alert that ends it, or a proxy's own answer."""


class BrokenTls(NamedTuple):
    """A TLS server that breaks the encryption after it has read a request."""

    port: int
    requests: list[bytes]


@pytest.fixture
def broken_tls(request: pytest.FixtureRequest, certificate: Path) -> Iterator[BrokenTls]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    server = BrokenTls(listener.getsockname()[1], [])

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed by the test's end
                return
            # A client that does not trust the certificate hangs up.
            with (
                contextlib.suppress(OSError),
                connection,
                context.wrap_socket(connection, server_side=True) as encrypted,
            ):
                server.requests.append(read_request(encrypted))
                with socket.socket(fileno=os.dup(encrypted.fileno())) as beneath:
                    beneath.sendall(BENEATH[getattr(request, "param", "an alert")])

    threading.Thread(target=serve, daemon=True).start()
    yield server
    listener.shutdown(socket.SHUT_RDWR)  # closing alone would leave the thread in accept()
    listener.close()


@pytest.mark.parametrize("broken_tls", BENEATH, indirect=True)
def test_a_post_whose_encrypted_answer_breaks_is_lost_and_not_repeated(
    broken_tls: BrokenTls, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_suffix(".crt")))
    with pytest.raises(Lost, match="the connection broke") as caught:
        client(f"https://localhost:{broken_tls.port}").post("labels", LABEL, Label)
    assert "certificate" not in str(caught.value)
    assert len(broken_tls.requests) == 1


def test_an_untrusted_certificate_is_noticed_before_anything_is_sent(broken_tls: BrokenTls) -> None:
    with pytest.raises(Unreachable, match="its certificate is not trusted"):
        client(f"https://localhost:{broken_tls.port}").post("labels", LABEL, Label)
    assert broken_tls.requests == []


@pytest.mark.parametrize(
    ("api", "error", "meaning", "method"),
    [
        ("http://127.0.0.1:9", Lost, "the connection broke", "POST"),
        ("https://api.example.org", Unreachable, "the proxy does not let us through", "CONNECT"),
    ],
)
def test_a_proxy_that_hangs_up_may_have_passed_the_request_on_and_a_refusal_not(
    monkeypatch: pytest.MonkeyPatch,
    api: str,
    error: type[GitHubError],
    meaning: str,
    method: str,
) -> None:
    reply = Reply(status=407) if method == "CONNECT" else Reply(fault="close")
    with HttpServer([reply]) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(error, match=meaning):
            client(api).post("labels", LABEL, Label)
    assert {request.method for request in proxy.requests} == {method}
    if method == "CONNECT":
        assert TOKEN not in repr(proxy.requests)
    else:
        assert len(proxy.requests) == 1
