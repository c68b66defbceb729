"""Remote write and queries against servers that fail."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.domain.metric_names import Sample
from pytest_flowhealth.errors import MeasurementUnavailable
from pytest_flowhealth.history.remote.promql_client import PromQLClient
from pytest_flowhealth.history.remote.server_reader import ServerReader
from pytest_flowhealth.history.remote.write_client import RemoteWriteClient
from tests.kit.http import HttpServer, Reply
from tests.kit.redis import tcp_server
from tests.kit.waiting import wait_for

SAMPLES = [
    Sample("flowhealth_x", (("host", "a"),), float(number), 1_000.0 + number) for number in range(3)
]
NOBODY = "http://user:pa55@127.0.0.1:1/"
TAKEN = Reply(status=204)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer([TAKEN]) as found:
        yield found


def waiting(folder: Path) -> int:
    """Return how many requests wait on the disk."""
    return len(list((folder / "queue").glob("*.write")))


def test_samples_are_sent_as_remote_write_with_the_token_despite_a_netrc(
    server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    shipper = RemoteWriteClient(server.url, tmp_path / "queue", token="t0ken")
    shipper.put(SAMPLES)
    assert shipper.close(30)

    (request,) = server.requests
    assert request.path == "/api/v1/write"
    assert request.headers["content-encoding"] == "snappy"
    assert request.headers["x-prometheus-remote-write-version"] == "0.1.0"
    assert request.headers["authorization"] == "Bearer t0ken"
    assert request.body
    assert waiting(tmp_path) == 0


def test_error_of_the_server_is_retried_with_the_same_request(
    server: HttpServer, tmp_path: Path
) -> None:
    server.respond = [Reply(status=500), TAKEN]
    shipper = RemoteWriteClient(server.url, tmp_path / "queue")
    shipper.put(SAMPLES)
    wait_for(lambda: not shipper.waiting)
    shipper.close(0)

    first, second = server.requests
    assert first.body == second.body


def test_requests_of_a_server_that_was_down_are_sent_by_the_next_run(
    server: HttpServer, tmp_path: Path
) -> None:
    first = RemoteWriteClient(NOBODY, tmp_path / "queue")
    for sample in SAMPLES:
        first.put([sample])
    problem = wait_for(lambda: first.problem or "")
    assert not first.close(0)
    assert "connection refused" in problem
    assert "pa55" not in problem
    assert waiting(tmp_path) == 3

    assert RemoteWriteClient(server.url, tmp_path / "queue").close(30)

    assert len(server.requests) == 3


@pytest.mark.parametrize("code", [400, 401, 302])
def test_refused_samples_are_reported_as_lost_and_not_sent_again(
    server: HttpServer, tmp_path: Path, code: int
) -> None:
    server.respond = [Reply(status=code), TAKEN]
    shipper = RemoteWriteClient(server.url, tmp_path / "queue", token="s3cret-t0ken")
    shipper.put(SAMPLES)
    wait_for(lambda: not shipper.waiting)

    problem = shipper.problem or ""
    assert f"refused samples with HTTP {code}: they are lost" in problem
    assert ("history.token_env" in problem) == (code == 401)
    assert "s3cret" not in problem
    assert len(server.requests) == 1
    shipper.put(SAMPLES)
    assert shipper.close(30)
    assert "lost" in (shipper.problem or "")  # for an hour


def test_retry_waits_as_long_as_the_server_asks(server: HttpServer, tmp_path: Path) -> None:
    times: list[float] = []

    def respond(_: object) -> Reply:
        times.append(time.monotonic())
        return TAKEN if len(times) > 1 else Reply(status=429, headers={"Retry-After": "2"})

    server.respond = respond
    shipper = RemoteWriteClient(server.url, tmp_path / "queue")
    shipper.put(SAMPLES)
    wait_for(lambda: not shipper.waiting)
    shipper.close(0)

    assert times[1] - times[0] > 1.9


def test_server_that_hangs_blocks_neither_new_samples_nor_the_end(
    server: HttpServer, tmp_path: Path
) -> None:
    server.respond = [Reply(fault="hang")]
    shipper = RemoteWriteClient(server.url, tmp_path / "queue")
    shipper.put(SAMPLES)
    wait_for(lambda: server.requests)
    shipper.put(SAMPLES)

    assert not shipper.close(0.1)
    assert waiting(tmp_path) == 2


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 abc\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_server_that_does_not_speak_http_is_reported(tmp_path: Path, answer: bytes) -> None:
    def talk(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    with tcp_server(talk) as port:
        shipper = RemoteWriteClient(f"http://127.0.0.1:{port}", tmp_path / "queue")
        shipper.put(SAMPLES)
        problem = wait_for(lambda: shipper.problem or "")
        assert not shipper.close(0)

    assert "can't be written to" in problem


def test_server_that_is_away_is_queried_only_once() -> None:
    with HttpServer([Reply(fault="close")]) as server:
        url = server.url.replace("://", "://user:pa55@")
        reader = ServerReader(PromQLClient(url), "a", "shop", "a:shop")
        counts = []
        for _ in range(3):
            with pytest.raises(MeasurementUnavailable, match="can't be read") as error:
                reader.past("redis.command", "f" * 16)
            assert "pa55" not in str(error.value)
            counts.append(len(server.requests))

    assert counts[0] == counts[-1]
