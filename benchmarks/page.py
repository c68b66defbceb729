"""How soon a thousand pages are told of a second, slow ones among them, beside a bare WebSocket server.

A monitor with its page runs on a small project; clients in a process of their own listen to its
WebSocket and note how long after its making each update came. A tenth of them reads nothing. Then the same
clients listen to a server of `websockets` that does nothing but broadcast a message of the same size.

    python benchmarks/page.py [--clients 1000] [--seconds 60]

The figures are of the clients: they share the machine's cores with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

CHECK = """
import pytest

@pytest.mark.health("app")
def test_app(health):
    health.measure("figure", 1.0, unit="ms")
"""
TOKEN = "benchmark"
AT = re.compile(rb'"at":([0-9.]+)')


def main() -> None:
    """Measure both, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--listen", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    if options.listen:
        listen(options.listen, options.clients, options.seconds)
    elif options.bare:
        asyncio.run(bare(options.bare))
    else:
        compare(options.clients, options.seconds)


def compare(clients: int, seconds: float) -> None:
    """Run both servers, one after the other."""
    say(f"{clients} clients, of which {clients // 10} read nothing, {seconds:.0f} s each")
    with tempfile.TemporaryDirectory() as folder:
        ours = with_page(Path(folder), clients, seconds)
    port = free_port()
    command = [sys.executable, __file__, "--bare", str(port)]
    with subprocess.Popen(command) as process:
        time.sleep(1)
        theirs = asked(port, clients, seconds, process.pid)
        process.kill()
    say(f"{'':24}{'monitor with page':>20}{'bare websockets':>20}")
    for name in ("p50 ms", "p99 ms", "longest ms", "updates a client", "RSS MiB"):
        say(f"{name:24}{ours[name]:>20.1f}{theirs[name]:>20.1f}")
    say(f"ratio of p99: {ours['p99 ms'] / theirs['p99 ms']:.2f}")


def with_page(folder: Path, clients: int, seconds: float) -> dict[str, float]:
    """Measure the page of a monitor."""
    (folder / "package.json").write_text('{"name": "bench", "version": "1.0.0"}')
    (folder / "flowhealth.toml").write_text('checks = ["health/"]\n')
    (folder / "health").mkdir()
    (folder / "health/test_app.py").write_text(CHECK)
    port = free_port()
    words = ["--interval", "60s", "--web", str(port), "--", "--health-component", "app"]
    command = [sys.executable, "-m", "pytest_flowhealth.cli", "monitor", *words]
    environ = {**os.environ, "FLOWHEALTH_WEB_TOKEN": TOKEN}
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            wait(port)
            time.sleep(5)
            return asked(port, clients, seconds, process.pid)
        finally:
            process.terminate()


def asked(port: int, clients: int, seconds: float, server: int) -> dict[str, float]:
    """Let clients listen, in a process of their own; return their figures and the server's memory."""
    words = ["--listen", str(port), "--clients", str(clients), "--seconds", str(seconds)]
    command = [sys.executable, __file__, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        most = 0
        while process.poll() is None:
            most = max(most, psutil.Process(server).memory_info().rss)
            time.sleep(0.5)
        assert process.stdout is not None
        told: dict[str, float] = json.loads(process.stdout.read())
    return told | {"RSS MiB": most / 2**20}


def listen(port: int, clients: int, seconds: float) -> None:
    """Open the sockets, note when updates come, and print the figures."""
    selector = selectors.DefaultSelector()
    slow = []
    for number in range(clients):
        one = opened(port, slow=number % 10 == 0)
        if number % 10:
            selector.register(one, selectors.EVENT_READ)
        else:
            slow.append(one)
    late: list[float] = []
    end = time.time() + seconds
    begin = time.time() + 2
    while time.time() < end:
        for key, _ in selector.select(0.5):
            content = key.fileobj.recv(262_144)  # type: ignore[union-attr]
            now = time.time()
            match = AT.search(content)
            # What is sent at the beginning is the whole, not an update.
            if match and now > begin and b"snapshot" not in content:
                late.append(1_000 * (now - float(match[1])))
    late.sort()
    readers = clients - len(slow)
    say(
        json.dumps(
            {
                "p50 ms": late[len(late) // 2],
                "p99 ms": late[int(0.99 * len(late))],
                "longest ms": late[-1],
                "updates a client": len(late) / readers,
            }
        )
    )


def opened(port: int, *, slow: bool) -> socket.socket:
    """Open a WebSocket by hand: a library would take more time than the server."""
    one = socket.socket()
    if slow:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    one.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    one.sendall(
        f"GET /api/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
    )
    if b"101" not in one.recv(12):
        raise SystemExit("the WebSocket is refused")
    one.setblocking(False)
    return one


async def bare(port: int) -> None:
    """Broadcast a message a second, and nothing else."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    known: set[ServerConnection] = set()

    async def kept(connection: ServerConnection) -> None:
        known.add(connection)
        try:
            await connection.wait_closed()
        finally:
            known.discard(connection)

    async with serve(kept, "127.0.0.1", port, compression=None, backlog=1_024):
        while True:
            await asyncio.sleep(1 - time.time() % 1)
            broadcast(known, f'{{"at":{time.time()},"set":"{"x" * 500}"}}')


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def wait(port: int) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the page did not begin")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
