"""The client of GitHub over real connections, through PyGithub: faults, redirects, TLS, proxies."""

import contextlib
import importlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_flowhealth.probes.github.client import GitHubClient, GitHubError
from pytest_flowhealth.probes.github.resources import Comment, Issue
from tests.kit.github import REPOSITORY, TOKEN, GitHubServer
from tests.kit.http import HttpServer, Reply

NEW = {"title": "x", "body": "y"}


def client(api: str, token: str | None = TOKEN, repository: str = REPOSITORY) -> GitHubClient:
    return GitHubClient(repository, token, api=api, seconds=60, write_pause=0)


def known_client(api: str) -> GitHubClient:
    """Return a client that need not ask for the repository's name."""
    found = client(api)
    found._path = f"/repos/{REPOSITORY}"
    return found


@pytest.mark.parametrize("fault", ["500", "503", "cut", "429"])
def test_a_get_is_repeated(github: GitHubServer, fault: str) -> None:
    github.open()
    github.fault = lambda _, count: fault if count in (2, 3) else None
    assert github.client().get("issues/1", Issue).number == 1
    assert len(github.requests) == 4


@pytest.mark.parametrize(("fault", "count"), [("500", 4), ("cut", 4), ("primary", 1)])
def test_a_get_is_repeated_three_times_at_most_and_not_before_a_long_rate_limit(
    github: GitHubServer, fault: str, count: int
) -> None:
    github.fault = lambda *_: fault
    with pytest.raises(GitHubError) as caught:
        github.client().get("issues/1", Issue)
    assert len(github.requests) == count
    assert bool(caught.value.retry_at) == (fault == "primary")


@pytest.mark.parametrize("status", [403, 429])
def test_a_long_retry_after_is_not_waited_for(github: GitHubServer, status: int) -> None:
    github.status["/issues/1"] = (status, "You have exceeded a secondary rate limit.")
    github.headers = {"Retry-After": "3600"}
    with pytest.raises(GitHubError, match="was asked too often") as caught:
        github.client().get("issues/1", Issue)
    assert caught.value.retry_at == pytest.approx(time.time() + 3_600, abs=60)
    assert len(github.requests) == 2


def test_a_rate_limit_that_stays_is_not_taken_for_a_timeout(github: GitHubServer) -> None:
    github.fault = lambda *_: "429"
    with pytest.raises(GitHubError, match="was asked too often"):
        github.client(seconds=4).get("issues/1", Issue)
    assert len(github.requests) == 1


@pytest.mark.parametrize("fault", ["500", "503", "cut", "half", "garbage", "429", "done 502"])
def test_a_post_is_never_repeated(github: GitHubServer, fault: str) -> None:
    github.fault = lambda _, count: fault if count > 1 else None
    with pytest.raises(GitHubError) as caught:
        github.client().post("issues", NEW, Issue)
    assert len(github.requests) == 2
    assert caught.value.is_refusal == (fault == "429")


@pytest.mark.parametrize("fault", ["slow", "drip"])
def test_an_answer_that_does_not_come_ends_in_time(fault: str) -> None:
    if fault == "slow":
        with GitHubServer() as github:
            github.fault = lambda *_: "slow"
            with pytest.raises(GitHubError, match="no whole answer in time"):
                github.client(seconds=0.3).get("issues/1", Issue)
        return
    with (
        HttpServer([Reply(fault="drip")]) as server,
        pytest.raises(GitHubError, match="no whole answer in time"),
    ):
        GitHubClient(REPOSITORY, TOKEN, api=server.url, seconds=0.3).get("issues/1", Issue)


def test_requests_carry_the_token_and_the_version_of_the_api(github: GitHubServer) -> None:
    github.client().post("issues", NEW, Issue)
    for request in github.requests:
        assert request.headers["authorization"].lower() == f"token {TOKEN}"
        assert request.headers["x-github-api-version"] == "2022-11-28"


def test_netrc_is_not_read(
    github: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password planted")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    github.client(token=None).read_list("issues", Issue, 1)
    assert ["authorization" in request.headers for request in github.requests] == [False, False]


def test_a_server_that_can_not_be_reached_is_named_without_the_token() -> None:
    for api in ("http://127.0.0.1:9", "https://nowhere.invalid"):
        with pytest.raises(GitHubError, match="it can't be reached") as caught:
            client(api).post("issues", NEW, Issue)
        assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(github: GitHubServer, status: int) -> None:
    with GitHubServer() as other:
        location = other.url.replace("127.0.0.1", "localhost")
        github.status["/issues/1"] = (status, "Moved Permanently")
        github.headers = {"Location": f"{location}/repos/acme/shop/issues/1"}
        with pytest.raises(GitHubError, match=r"another host|status 30\d"):
            github.client().get("issues/1", Issue)
        assert other.requests == []


def test_a_renamed_repository_is_found_by_its_new_name(github: GitHubServer) -> None:
    for _ in range(120):
        github.open()
    github.status["/old/name"] = (301, "Moved Permanently")
    github.headers = {"Location": f"{github.url}/repos/{REPOSITORY}"}
    found = github.client(repository="old/name")
    assert len(found.read_list("issues", Issue, 5, state="all")) == 120
    assert found.post("issues/1/comments", {"body": "x"}, Comment).id == 1


def test_a_circle_of_redirects_ends(github: GitHubServer) -> None:
    github.status["/issues/1"] = (301, "Moved Permanently")
    github.headers = {"Location": f"{github.url}/repos/{REPOSITORY}/issues/1"}
    with pytest.raises(GitHubError):
        github.client().get("issues/1", Issue)


def test_pygithub_is_imported_with_the_first_request_only() -> None:
    modules = "pytest_flowhealth.probes.github.settings, pytest_flowhealth.cli.issues"
    code = f"import sys, checks.test_feedback, {modules}; print('github' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"


def test_without_pygithub_the_error_has_the_command_that_installs_it(
    github: GitHubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "github", None)
    monkeypatch.delitem(sys.modules, "pytest_flowhealth.probes.github.connection", raising=False)
    with pytest.raises(GitHubError, match="PyGithub is not installed") as caught:
        github.client().get("issues/1", Issue)
    assert caught.value.remedy == "pip install 'pytest-flowhealth[github]'"


def test_a_version_of_pygithub_that_is_too_old_is_named(
    github: GitHubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("github.GithubException")  # not the class of this name
    monkeypatch.delattr(module, "RateLimitExceededExceedsMaxWait")
    monkeypatch.delitem(sys.modules, "pytest_flowhealth.probes.github.connection", raising=False)
    with pytest.raises(GitHubError, match=r"PyGithub can't be used: .*ExceedsMaxWait") as caught:
        github.client().get("issues/1", Issue)
    assert caught.value.remedy == "pip install 'pytest-flowhealth[github]'"


def read_request(connection: socket.socket) -> bytes:
    """Read one POST to its end, its body of JSON, which may come in pieces."""
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
def test_a_post_whose_encrypted_answer_breaks_is_not_repeated(
    broken_tls: BrokenTls, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_suffix(".crt")))
    with pytest.raises(GitHubError, match="connection broke") as caught:
        known_client(f"https://localhost:{broken_tls.port}").post("issues", NEW, Issue)
    assert not caught.value.is_refusal
    assert len(broken_tls.requests) == 1


def test_an_untrusted_certificate_is_noticed_before_anything_is_sent(broken_tls: BrokenTls) -> None:
    with pytest.raises(GitHubError, match="its certificate is not trusted"):
        client(f"https://localhost:{broken_tls.port}").post("issues", NEW, Issue)
    assert broken_tls.requests == []


@pytest.mark.parametrize(
    ("api", "method"), [("http://127.0.0.1:9", "POST"), ("https://api.example.org", "CONNECT")]
)
def test_a_proxy_that_hangs_up_may_have_passed_the_request_on(
    monkeypatch: pytest.MonkeyPatch, api: str, method: str
) -> None:
    reply = Reply(status=407) if method == "CONNECT" else Reply(fault="close")
    with HttpServer([reply]) as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(GitHubError, match="the connection to the proxy broke") as caught:
            known_client(api).post("issues", NEW, Issue)
    assert not caught.value.is_refusal
    assert {request.method for request in proxy.requests} == {method}
    if method == "CONNECT":
        assert TOKEN not in repr(proxy.requests)
    else:
        assert len(proxy.requests) == 1
