"""Remote write against servers that fail, and a queue that survives."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_flowhealth.history.remote.queue import Queue
from pytest_flowhealth.history.remote.shipper import Shipper, write_address
from pytest_flowhealth.verdict.exposition import Sample
from tests.alerts.receiving import Server, receiving

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


def test_what_is_refused_is_told_and_not_tried_again(server: Server, tmp_path: Path) -> None:
    server.answers = [(400, {})]
    shipper = Shipper(base(server), tmp_path / "queue")
    shipper.put(SAMPLES)
    until(lambda: not shipper.waiting)

    assert shipper.problem == "it refused samples with HTTP 400: they are lost"
    assert len(server.requests) == 1


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


def test_the_queue_is_bounded(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue", most=1_000)
    for number in range(10):
        queue.put(bytes([number]) * 300)

    assert len(queue) == 3
    assert queue.dropped == 7
    assert queue.first() == bytes([7]) * 300


def test_without_a_folder_it_is_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    queue = Queue(tmp_path / "file" / "queue", held=2)
    for body in (b"1", b"2", b"3"):
        queue.put(body)

    assert (queue.first(), len(queue), queue.dropped) == (b"2", 2, 1)


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
