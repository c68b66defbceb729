"""The page's server over real connections: slow, large and hostile ones, TLS, and live updates."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from pytest_flowhealth.web import protocol, request_body
from pytest_flowhealth.web.live import LOGGED_OUT
from tests.kit.site import Stage, Visitor, cookie_of, own_report, port_of, staged
from tests.kit.waiting import wait_for
from tests.kit.web_app import token_table, with_admin

TOKENS = token_table(machine="read")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path / "app", TOKENS) as found:
        yield found


def test_page_whose_server_fails_is_served_again_at_the_same_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve, failed = uvicorn.Server.serve, list[str]()

    async def fail_once(self: uvicorn.Server, sockets: list[socket.socket]) -> None:
        if failed:
            return await serve(self, sockets)
        failed.append("once")
        sockets[0].close()
        raise RuntimeError("a fault of the server")

    monkeypatch.setattr(uvicorn.Server, "serve", fail_once)
    with staged(tmp_path / "app", TOKENS) as stage:
        assert exchange(stage, b"GET /livez HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert stage.supervisor.failing() == {"page": "RuntimeError: a fault of the server"}


def listening(stage: Stage, **headers: str) -> ClientConnection:
    address = stage.url.replace("http", "ws", 1) + "api/live"
    given = headers or {"Authorization": "Bearer machine"}
    return connect(address, additional_headers=given, proxy=None, max_size=2**24)


def received(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    return [json.loads(socket.recv(timeout=30)) for _ in range(count)]


def exchange(stage: Stage, request: bytes) -> bytes:
    """Send bytes and return what comes until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port_of(stage)), timeout=30) as raw:
        raw.sendall(request)
        return b"".join(iter(lambda: receive(raw), b""))


def receive(raw: socket.socket) -> bytes:
    try:
        return raw.recv(65_536)
    except ConnectionError:
        return b""


def test_slow_requests_are_ended(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "PATIENCE", 0.5)
    monkeypatch.setattr(request_body, "PATIENCE", 0.5)
    head = b"POST /api/login HTTP/1.1\r\nHost: x\r\n"
    more = b"Origin: http://x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"

    assert exchange(stage, b"") == b""
    assert exchange(stage, head) == b""
    with socket.create_connection(("127.0.0.1", port_of(stage)), timeout=30) as raw:
        raw.sendall(head + more)
        assert raw.recv(20).startswith(b"HTTP/1.1 408")


def test_a_session_that_ends_closes_its_socket(stage: Stage) -> None:
    visitor = Visitor(stage)
    visitor.log_in()
    cookie = f"{cookie_of(stage)}={visitor.session.cookies[cookie_of(stage)]}"
    with listening(stage, Cookie=cookie, Origin=stage.url.rstrip("/")) as opened:
        received(opened, 1)
        visitor.change("api/logout")
        with pytest.raises(ConnectionClosed) as closed:
            received(opened, 100)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == LOGGED_OUT


def test_readers_that_take_nothing_are_dropped_and_delay_nobody(stage: Stage) -> None:
    head = (
        "GET /api/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Authorization: Bearer machine\r\n\r\n"
    )
    slow = []
    for _ in range(50):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
        raw.connect(("127.0.0.1", port_of(stage)))
        raw.sendall(head.encode())
        slow.append(raw)
    # Enough for the buffers of the system and of the connection to be full.
    large = own_report(message="x" * 100_000)
    with listening(stage) as opened:
        first = received(opened, 1)[0]
        for number in range(30):
            stage.conclude(large if number % 2 else own_report())
        last = first["seq"]
        for message in received(opened, 30):
            assert message["seq"] == last + 1
            last += 1
    for raw in slow:
        raw.close()


def test_a_client_that_sends_too_much_is_cut_off(stage: Stage) -> None:
    with listening(stage) as opened:
        received(opened, 1)
        opened.send("x" * 100_000)
        with pytest.raises(ConnectionClosed):
            received(opened, 100)
    with listening(stage) as opened:
        assert received(opened, 2)


def test_a_session_survives_a_restart_and_its_file_is_for_its_owner_only(tmp_path: Path) -> None:
    with staged(tmp_path / "app", "[web]\n") as stage:
        visitor = Visitor(stage)
        wait_for(lambda: stage.noted("page"))
        link = stage.noted("page")[0]["link"]
        assert visitor.session.get(link, timeout=10).status_code == 200
        port = port_of(stage)
    with staged(tmp_path / "app", "[web]\n", address=str(port)) as stage:
        assert visitor.get("api/state").status_code == 200
    assert oct((tmp_path / "app/kept/web-sessions.json").stat().st_mode)[-3:] == "600"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_with_a_certificate_it_is_served_to_all_addresses_over_tls(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    made += ["-subj", "/CN=127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    words = with_admin("") + 'certificate = "cert.pem"\nkey = "key.pem"\n'
    with staged(folder, words, address="0.0.0.0:0") as stage:
        assert stage.url.startswith("https://")
        visitor = Visitor(stage)
        cookie = visitor.log_in().headers["Set-Cookie"]
        assert cookie.startswith(f"__Host-{cookie_of(stage)}=")
        assert "Secure" in cookie
        assert visitor.get("api/state").headers["Strict-Transport-Security"]
        visitor.session.close()
