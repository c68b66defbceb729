"""Remote write against servers that fail."""

import datetime
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cramjam
import pytest

from pytest_flowhealth.history.remote.shipper import Shipper, retry_after, write_address
from pytest_flowhealth.history.remote.write import _write_request, encoded, requests
from pytest_flowhealth.verdict.exposition import Sample
from tests.kit.webhook import Server, receiving

SAMPLES = [Sample("flowhealth_x", (("host", "a"),), float(one), 1_000.0 + one) for one in range(3)]


@pytest.fixture
def server() -> Iterator[Server]:
    with receiving() as found:
        yield found


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def base(server: Server) -> str:
    return server.url.removesuffix("/hook")


def test_what_is_sent(server: Server, tmp_path: Path) -> None:
    shipper = Shipper(base(server), tmp_path / "queue", token="t0ken")
    shipper.put(SAMPLES)
    assert shipper.close(5)

    ((path, headers, content),) = server.requests
    assert path == "/api/v1/write"
    assert headers["Content-Encoding"] == "snappy"
    assert headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert headers["Authorization"] == "Bearer t0ken"
    assert content
    assert list((tmp_path / "queue").glob("*")) == []


@pytest.mark.parametrize("code", [500, 503, 429])
def test_it_is_tried_again(server: Server, tmp_path: Path, code: int) -> None:
    server.answers = [(code, {}), (204, {})]
    shipper = Shipper(base(server), tmp_path / "queue")
    shipper.put(SAMPLES)
    until(lambda: not shipper.waiting)

    assert len(server.requests) == 2
    assert server.requests[0][2] == server.requests[1][2]


def test_a_server_that_is_down_is_told_without_its_password(tmp_path: Path) -> None:
    shipper = Shipper("http://user:pa55@127.0.0.1:1/", tmp_path / "queue")
    shipper.put(SAMPLES)
    until(lambda: shipper.problem)

    assert "connection refused" in (shipper.problem or "")
    assert "pa55" not in (shipper.problem or "")
    assert not shipper.close(0.1)
    assert len(list((tmp_path / "queue").glob("*.write"))) == 1


def test_what_waited_is_sent_by_the_next_one_in_order(server: Server, tmp_path: Path) -> None:
    first = Shipper("http://127.0.0.1:1/", tmp_path / "queue")
    for one in SAMPLES:
        first.put([one])
    first.close(0)

    assert Shipper(base(server), tmp_path / "queue").close(5)

    assert len(server.requests) == 3


@pytest.mark.parametrize("code", [400, 401, 404, 302])
def test_what_is_refused_is_told_and_not_tried_again(
    server: Server, tmp_path: Path, code: int
) -> None:
    server.answers = [(code, {}), (204, {})]
    shipper = Shipper(base(server), tmp_path / "queue", token="s3cret-t0ken")
    shipper.put(SAMPLES)
    until(lambda: not shipper.waiting)

    told = shipper.problem or ""
    assert f"refused samples with HTTP {code}: they are lost" in told
    assert ("history.token_env" in told) == (code == 401)
    assert "s3cret" not in told
    assert len(server.requests) == 1
    shipper.put(SAMPLES)
    assert shipper.close(20)
    assert "lost" in (shipper.problem or "")  # it stays told for an hour


def test_it_waits_as_long_as_it_is_asked_to(server: Server, tmp_path: Path) -> None:
    server.answers = [(429, {"Retry-After": "3"}), (204, {})]
    shipper = Shipper(base(server), tmp_path / "queue")
    shipper.put(SAMPLES)
    until(lambda: len(server.requests) == 1)
    began = time.monotonic()
    until(lambda: not shipper.waiting)

    assert time.monotonic() - began > 2.5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0.0),
        ("7", 7.0),
        ("Thu, 01 Jan 2026 00:00:05 GMT", 5.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:00:05", 0.0),
        ("soon", 0.0),
        ("\xb2", 0.0),
        ("9" * 400, 1e12 - 1),
    ],
)
def test_retry_after(text: str | None, seconds: float) -> None:
    assert retry_after(text, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)) == seconds


def test_a_server_that_hangs_holds_nobody(server: Server, tmp_path: Path) -> None:
    server.pause = 30.0
    shipper = Shipper(base(server), tmp_path / "queue")
    began = time.monotonic()
    shipper.put(SAMPLES)
    shipper.put(SAMPLES)
    assert not shipper.close(0.3)
    assert time.monotonic() - began < 10
    assert len(list((tmp_path / "queue").glob("*.write"))) == 2


@pytest.mark.parametrize("answer", [b"", b"\0\xff" * 50, b"HTTP/1.1 abc\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_a_server_that_talks_nonsense(tmp_path: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        threading.Thread(target=talk, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        shipper = Shipper(url, tmp_path / "queue")
        shipper.put(SAMPLES)
        until(lambda: shipper.problem)
        assert "can't be written to" in (shipper.problem or "")
        assert not shipper.close(0)
        listening.shutdown(socket.SHUT_RDWR)


def test_a_netrc_does_not_take_the_tokens_place(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    shipper = Shipper(base(server), tmp_path / "queue", token="ours")
    shipper.put(SAMPLES)
    assert shipper.close(5)

    assert server.requests[0][1]["Authorization"] == "Bearer ours"


def test_two_send_nothing_twice(server: Server, tmp_path: Path) -> None:
    both = [Shipper(base(server), tmp_path / "queue") for _ in range(2)]
    for number in range(20):
        both[number % 2].put([Sample("x", (("n", str(number)),), 1.0, 1_000.0)])
    assert [one.close(20) for one in both] == [True, True]

    assert len(server.requests) == len({content for *_, content in server.requests}) == 20


def test_requests_are_bounded(tmp_path: Path) -> None:
    many = [Sample("x", (("n", str(n)),), 1.0, 1_000.0) for n in range(12_000)]
    sizes = [len(body) for body in requests(many)]

    assert len(sizes) == 3
    assert max(sizes) < 2**20


def test_labels_are_sorted_and_none_is_empty() -> None:
    sample = Sample("x", (("z", "1"), ("a", "\ud800"), ("empty", "")), 2.5, 1_000.0004)
    request = _write_request()()
    request.ParseFromString(bytes(cramjam.snappy.decompress_raw(encoded([sample]))))

    (series,) = request.timeseries
    assert [(one.name, one.value) for one in series.labels] == [
        ("__name__", "x"),
        ("a", "\\ud800"),
        ("z", "1"),
    ]
    assert [(one.value, one.timestamp) for one in series.samples] == [(2.5, 1_000_000)]


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("http://h:8428", "http://h:8428/api/v1/write"),
        ("http://h:8428/", "http://h:8428/api/v1/write"),
        ("http://h/prefix", "http://h/prefix/api/v1/write"),
        ("http://mimir/api/v1/push", "http://mimir/api/v1/push"),
        ("http://prom/api/v1/write", "http://prom/api/v1/write"),
    ],
)
def test_addresses(url: str, written: str) -> None:
    assert write_address(url) == written
