"""Server-sent events: streams as servers write them, and those that are silent, errors or no stream."""

import socket
import threading
import zlib
from collections.abc import Callable

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.dashboard.events import watch_events
from pytest_flowhealth.probes.dashboard.watch import Updates
from tests.kit.dashboard import MakeSite
from tests.kit.http import HttpServer, Reply, Request
from tests.kit.redis import tcp_server

EVERY = 0.05
STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"

Talk = Callable[[socket.socket, threading.Event], None]


def streaming(*pieces: bytes, headers: str = "", count: int | None = None) -> Talk:
    """Return what sends these pieces in turn, `EVERY` seconds apart; only `count` of them if given."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(10_000)
        connection.sendall(f"{STREAM}{headers}\r\n".encode())
        sent = 0
        while not over.wait(EVERY) and (count is None or sent < count):
            if pieces:
                connection.sendall(pieces[sent % len(pieces)])
            sent += 1

    return talk


def packed() -> Talk:
    """Return what sends events compressed."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(10_000)
        connection.sendall(f"{STREAM}Content-Encoding: gzip\r\n\r\n".encode())
        packer = zlib.compressobj(wbits=31)
        while not over.wait(EVERY):
            connection.sendall(packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH))

    return talk


def watch(make_site: MakeSite, talk: Talk) -> Updates:
    """Return the events of a server that talks like this."""
    with tcp_server(talk) as port:
        url = f"http://127.0.0.1:{port}/"
        site = make_site(
            url=url, events=url, update_interval=f"{1_000 * EVERY:g} ms", window="0.7 s"
        )
        return watch_events(site)


@pytest.mark.parametrize(
    "talk",
    [
        streaming(b"data: 1\n\n"),
        streaming(b"event: tick\r\nid: 7\r\ndata: 1\r\ndata: 2\r\n\r\n"),
        streaming(b"data: 1\r\r"),
        streaming(b"data: 1\r", b"\n\r\n"),
        streaming(b": comment\nretry: 10\n\ndata\n\n"),
        packed(),
    ],
    ids=["lines", "fields", "carriage returns", "in pieces", "empty data", "gzip"],
)
def test_events_are_counted_in_each_form_that_the_standard_has(
    make_site: MakeSite, talk: Talk
) -> None:
    found = watch(make_site, talk)
    assert len(found.times) >= 2
    assert found.received > 0


@pytest.mark.parametrize(
    "piece", [b": keep-alive\n\n", b"event: tick\n\n", b"xyzzy\n\n", b""], ids=str
)
def test_stream_without_data_has_no_event(make_site: MakeSite, piece: bytes) -> None:
    pieces = [piece] if piece else []
    assert watch(make_site, streaming(*pieces)).times == ()


@pytest.mark.parametrize(
    ("talk", "problem"),
    [
        (streaming(b"data: 1\n\n", count=3), "ends its stream of events"),
        (
            streaming(b'event: error\ndata: {"message": "unauthorized"}\n\n'),
            r"sends errors: .*unauthorized",
        ),
        (
            streaming(b"x", headers="Content-Encoding: gzip\r\n"),
            r"fails: .*(?:decod|decompress|inflat|header)",
        ),
        (lambda connection, over: over.wait(), "no whole response"),
    ],
    ids=["ends", "errors", "not what it says", "hangs"],
)
def test_stream_that_ends_or_fails_is_named(make_site: MakeSite, talk: Talk, problem: str) -> None:
    with pytest.raises(CheckFailed, match=problem):
        watch(make_site, talk)


@pytest.mark.parametrize(
    ("status", "location", "problem", "advice"),
    [
        (401, None, "status 401", "dashboard.login"),
        (204, None, "status 204", "the server's log"),
        (302, "/login", "/login responds with the content type text/html", "dashboard.events"),
        (200, None, "content type text/html, not text/event-stream", "dashboard.events"),
    ],
)
def test_response_that_is_no_stream_is_named_with_what_solves_it(
    make_site: MakeSite, status: int, location: str | None, problem: str, advice: str
) -> None:
    def respond(request: Request) -> Reply:
        if location is not None and request.path != location:
            return Reply(status=status, headers={"location": location})
        page = {"content-type": "text/html"}
        return Reply(b"<h1>in</h1>", 200 if location else status, page)

    with HttpServer(respond) as server:
        url = f"{server.url}/events"
        with pytest.raises(CheckFailed, match=problem) as caught:
            watch_events(make_site(url=url, events=url, window="0.3 s"))
    assert advice in f"{caught.value.remedy} {caught.value.diagnosis}"
