"""Real Redis servers with a port, a folder and faults of their own, and servers that are no Redis."""

from __future__ import annotations

import contextlib
import random
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import redis

from pytest_flowhealth.errors import UsageError
from pytest_flowhealth.plugin.demo.redis import find_redis
from tests.kit.waiting import TIMEOUT, wait_for

USER = "tests"
"""The user of `RedisServer.command`, which may do all, whatever the default user may."""

CLUSTERED = ("--cluster-enabled", "yes")
"""Arguments of a node of a cluster; its bus is at its port + 10,000."""

SLOTS = 16_384
"""Slots of a cluster."""

Talk = Callable[[socket.socket, threading.Event], object]
"""What serves a connection, until the event is set when the test is over."""


def redis_program() -> str:
    """Return the server's program; skip the test where there is none, saying what to install."""
    try:
        return find_redis()
    except UsageError as error:
        pytest.skip(str(error))


class RedisServer:
    """A redis-server process that keeps nothing on disk but what its arguments ask for.

    ``with RedisServer(tmp_path, "--requirepass", "secret") as server: server.url``

    Args:
        folder: Its working folder, for itself alone; made if need be.
        arguments: Further arguments of redis-server.
        password: Sets `requirepass`, and is in `url`.
        wait: Wait in `start` until it takes commands; off to see it loading.
        program: Arguments that come first: a configuration file, `--sentinel`.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        password: str | None = None,
        wait: bool = True,
        program: tuple[str, ...] = (),
    ) -> None:
        self.program = program
        self.folder = folder
        self.arguments = arguments
        self.password = password
        self.port = free_port()
        self.wait = wait
        self.process: subprocess.Popen[bytes] | None = None
        self._client: redis.Redis | None = None
        self._settings: dict[bytes, bytes] = {}

    @property
    def url(self) -> str:
        """The address, with the password where there is one."""
        return self.url_of(password=self.password)

    def url_of(
        self, *, user: str = "", password: str | None = None, scheme: str = "redis", db: int = 0
    ) -> str:
        """Return an address of this server for another user, password or scheme."""
        login = f"{user}:{password}@" if password is not None else (f"{user}@" if user else "")
        return f"{scheme}://{login}127.0.0.1:{self.port}/{db}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the process, and wait until it takes commands."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "redis.log"
        log.write_bytes(b"")
        login = ("--requirepass", self.password) if self.password else ()
        user = ("--user", USER, "on", "nopass", "~*", "&*", "+@all")
        quick = ("--save", "", "--repl-diskless-sync-delay", "0")
        own = () if self._sentinel else (*quick, *user)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(redis_program(), *self.program, "--bind", "127.0.0.1"),
                    *("--port", str(self.port), "--dir", str(self.folder)),
                    *(*own, *login, *self.arguments),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        ready = b"Sentinel ID is" if self._sentinel else b"Ready to accept"
        wait_for(lambda: self._logged(ready if self.wait else b"Running mode="))
        if self.wait and not self._sentinel:
            self._settings = self._settings or self.settings()
        return self

    def stop(self) -> None:
        """Kill the process; without one, do nothing."""
        if self._client is not None:
            self._client.connection_pool.disconnect()
            self._client = None
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def reset(self) -> None:
        """Undo whatever a test did to it: settings, users, role, data, signals."""
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.start()
            return
        self.resume()
        self.command("REPLICAOF", "NO", "ONE")
        for name, value in self.settings().items():
            if value != self._settings[name]:
                self.command("CONFIG", "SET", name, self._settings[name])
        for user in {*self.command("ACL", "USERS")} - {b"default", USER.encode()}:
            self.command("ACL", "DELUSER", user)
        login = f">{self.password}" if self.password else "nopass"
        self.command("ACL", "SETUSER", "default", "reset", "on", login, "~*", "&*", "+@all")
        for words in (("FLUSHALL",), ("CONFIG", "RESETSTAT"), ("SLOWLOG", "RESET")):
            self.command(*words)

    def suspend(self) -> None:
        """Send SIGSTOP: connections are still taken by the kernel, and never answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def command(self, *words: str | int | bytes) -> Any:
        """Send a command as a user who may do all, and return its reply (bytes).

        The connection stays: it is one of those that `maxclients` counts.
        """
        if self._client is None:
            self._client = redis.Redis(
                port=self.port,
                username=None if self._sentinel else USER,
                password=None if self._sentinel else "any",
                socket_timeout=TIMEOUT,
                protocol=2,
            )
        execute: Any = self._client.execute_command
        return execute(*words)

    def configure(self, **settings: str | int) -> None:
        """Change settings; ``_`` in a name stands for ``-``."""
        for name, value in settings.items():
            self.command("CONFIG", "SET", name.replace("_", "-"), value)

    def settings(self) -> dict[bytes, bytes]:
        """Return what CONFIG GET tells."""
        pairs = iter(self.command("CONFIG", "GET", "*"))
        return dict(zip(pairs, pairs, strict=True))

    def add_user(self, name: str, *rights: str, password: str = "s3cret") -> str:
        """Make a user with these rights and no others, and return an address of theirs."""
        self.command("ACL", "SETUSER", name, "reset", "on", f">{password}", *rights)
        return self.url_of(user=name, password=password)

    def calls(self) -> dict[str, int]:
        """Return how often each command came, by the server's own count since `reset`."""
        stats = self.command("INFO", "commandstats").items()
        return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats}

    def keys(self) -> list[bytes]:
        """Return every key of database 0."""
        return sorted(self.command("KEYS", "*"))

    def dump(self) -> dict[bytes, bytes]:
        """Return the content of every key of database 0."""
        return {key: self.command("DUMP", key) for key in self.keys()}

    def follow(self, primary: RedisServer) -> None:
        """Become a replica, and wait until it is in step with its primary."""
        self.command("REPLICAOF", "127.0.0.1", primary.port)
        self.until_said(b"master_link_status:up", "INFO replication")

    def until_said(self, words: bytes, command: str) -> None:
        """Wait until the answer to `command`, sent as the default user, contains `words`."""
        wait_for(lambda: words in self.raw(command), message=lambda: self.raw(command))

    def raw(self, command: str) -> bytes:
        """Send a command, and return the first piece of its reply as it is."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(10_000)

    @property
    def _sentinel(self) -> bool:
        return "--sentinel" in self.program

    def _logged(self, words: bytes) -> bool:
        """Tell whether it has begun; raise what it says where it has ended instead."""
        assert self.process is not None
        ended = self.process.poll() is not None
        log = (self.folder / "redis.log").read_bytes()
        if ended and b"Bad directive" in log:
            unknown = log.partition(b">>> '")[2].split()[0].decode()
            pytest.skip(f"this redis-server does not know the setting {unknown}")
        if ended:
            raise RuntimeError(log.decode())
        return words in log


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens at.

    It is below those that the system gives to whoever asks for any: nobody gets it in between.
    """
    while True:
        port = random.randrange(10_000, 20_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


_HELD: list[socket.socket] = []


def closed_port() -> int:
    """Return a TCP port of 127.0.0.1 that refuses connections, and that nobody can take."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    _HELD.append(held)
    port: int = held.getsockname()[1]
    return port


@contextlib.contextmanager
def tcp_server(talk: Talk) -> Iterator[int]:
    """Listen at a free port, and give each connection to `talk` in a thread."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def converse(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(connection, over)

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=converse, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        door = threading.Thread(target=accept)
        door.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            door.join()
            for thread in threads:
                thread.join()


@contextlib.contextmanager
def proxy(port: int, delay: float) -> Iterator[int]:
    """Stand in front of the server at `port`; each piece of its answers takes `delay` s longer.

    One thread for both directions, since each hand-over between threads takes time.
    """

    def talk(client: socket.socket, over: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not over.is_set():
                for side in select.select([client, server], [], [], 0.05)[0]:
                    data = side.recv(1 << 20)
                    if not data:
                        return
                    if side is server:
                        time.sleep(delay)
                    (client if side is server else server).sendall(data)

    with tcp_server(talk) as number:
        yield number


@contextlib.contextmanager
def closing_proxy(port: int, *commands: str) -> Iterator[int]:
    """Stand in front of the server at `port`; close the connection at one of these commands."""
    words = tuple(b"\r\n" + command.encode() + b"\r\n" for command in commands)

    def talk(client: socket.socket, over: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            while not over.is_set():
                for side in select.select([client, server], [], [], 0.05)[0]:
                    data = side.recv(1 << 20)
                    if not data or (side is client and any(word in data for word in words)):
                        return
                    (client if side is server else server).sendall(data)

    with tcp_server(talk) as number:
        yield number


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Take the connection and never say a word."""
    over.wait()


def dripping(connection: socket.socket, over: threading.Event) -> None:
    """Send a byte every 50 ms, never a whole line."""
    connection.sendall(b"+")
    while not over.wait(0.05):
        connection.sendall(b"x")


def answering(answer: Callable[[bytes], bytes]) -> Talk:
    """Return what answers whatever comes, until the other side closes."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.settimeout(0.05)
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                data = connection.recv(4096)
                if not data:
                    return
                connection.sendall(answer(data))

    return talk


def saying(reply: bytes) -> Talk:
    """Return what answers whatever comes with `reply`."""
    return answering(lambda _: reply)


echoing = answering(lambda data: data)
"""Sends back what comes, passwords too."""

HTTP_400 = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
"""What an HTTP server answers to Redis's protocol."""


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key and a certificate of 127.0.0.1 that signs itself; return certificate and key."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", str(key), "-out", str(cert), "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


class Authority:
    """A certificate authority of a test's own.

    Args:
        folder: For its files.
    """

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = certificate(folder)
        self.folder = folder

    def sign(self, name: str, days: int = 2) -> tuple[Path, Path]:
        """Return certificate and key of this name, an IP address or a host's name."""
        cert, key, request = (self.folder / f"{name}.{end}" for end in ("crt", "key", "csr"))
        kind = "IP" if name[0].isdigit() else "DNS"
        extension = self.folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={kind}:{name}\n")
        _openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", key, "-out", request),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key),
            *("-CAcreateserial", "-days", days, "-extfile", extension, "-out", cert),
        )
        return cert, key


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def tls_arguments(cert: Path, key: Path, port: int) -> tuple[str, ...]:
    """Return redis-server's arguments for TLS at `port`, clients needing no certificate."""
    return (
        *("--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key)),
        *("--tls-ca-cert-file", str(cert), "--tls-auth-clients", "no"),
    )


class Sentinel(RedisServer):
    """A redis-server in Sentinel mode that watches one primary.

    Args:
        folder: For itself alone.
        primary: The server that it watches, under the name ``mymaster``.
        password: Sentinel's own.
        login: The password of the primary, where it is not the one that it was started with.
    """

    def __init__(
        self, folder: Path, primary: RedisServer, password: str = "", login: str | None = None
    ) -> None:
        login = login or primary.password
        lines = [
            f"sentinel monitor mymaster 127.0.0.1 {primary.port} 1",
            "sentinel down-after-milliseconds mymaster 500",
            *([f"requirepass {password}"] if password else []),
            *([f"sentinel auth-pass mymaster {login}"] if login else []),
        ]
        folder.mkdir(parents=True)
        configuration = folder / "sentinel.conf"
        configuration.write_text("\n".join(lines) + "\n")
        super().__init__(folder, program=(str(configuration), "--sentinel"))


@contextlib.contextmanager
def cluster(folder: Path, nodes: int = 3) -> Iterator[list[RedisServer]]:
    """Start the primaries of a cluster, each with an equal part of the slots."""
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(RedisServer(folder / str(number), *CLUSTERED))
            for number in range(nodes)
        ]
        for number, server in enumerate(servers):
            part = range(SLOTS * number // nodes, SLOTS * (number + 1) // nodes)
            server.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            server.command("CLUSTER", "ADDSLOTS", *part)
            server.command("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
        for server in servers:
            server.until_said(b"cluster_slots_ok:16384", "CLUSTER INFO")
            server.until_said(b"cluster_state:ok", "CLUSTER INFO")
        yield servers
