"""What a monitor costs, and how soon it tells that Redis is gone.

A small project with a Redis of its own is watched for some minutes; then as many `pytest --health` runs
with the same checks are made one after the other, as a loop in a shell would. Then Redis is killed and
started again a few times, and a webhook notes when it is told.

    python benchmarks/monitor.py [--minutes 5] [--interval 10] [--kills 5]

Needs `redis-server` and Node on the PATH.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil

TOLD: list[tuple[float, str]] = []
WORDS = ("--health", "--health-component", "redis", "--health-component", "system")


class Hook(BaseHTTPRequestHandler):
    """Notes what it is told, and when."""

    def do_POST(self) -> None:  # http.server's own name
        """Take a message."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        TOLD.append((time.monotonic(), json.loads(content)["kind"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Watch, compare, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--interval", type=int, default=10)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        port = _project(folder, server.server_address[1])
        redis = _redis(port, folder)
        try:
            with _monitor(folder, options.interval) as monitor:
                rounds = _watched(monitor, folder, options)
                redis = _killed(redis, port, folder, options)
            _alone(folder, rounds)
        finally:
            redis.kill()
            redis.wait()


def _watched(monitor: psutil.Process, folder: Path, options: argparse.Namespace) -> int:
    time.sleep(3 * options.interval)
    begin, before = time.monotonic(), monitor.cpu_times()
    memory = [monitor.memory_info().rss / 2**20]
    files = monitor.num_fds()
    first = _rounds(folder)
    while time.monotonic() - begin < 60 * options.minutes:
        time.sleep(5)
        memory.append(monitor.memory_info().rss / 2**20)
    seconds, after = time.monotonic() - begin, monitor.cpu_times()
    rounds = _rounds(folder) - first
    ours = after.user + after.system - before.user - before.system
    theirs = after.children_user + after.children_system
    theirs -= before.children_user + before.children_system
    write = sys.stdout.write
    write(f"{rounds} rounds in {seconds:.0f} s, every {options.interval} s\n")
    write(f"parent: {100 * ours / seconds:.2f} % of a core, ")
    write(f"{memory[0]:.1f} MiB at first, {memory[-1]:.1f} at last, {max(memory):.1f} at most; ")
    write(f"{monitor.num_fds() - files:+} open files\n")
    write(f"a round: {theirs / max(1, rounds):.2f} s of processor time\n")
    return rounds


def _killed(
    redis: subprocess.Popen[bytes], port: int, folder: Path, options: argparse.Namespace
) -> subprocess.Popen[bytes]:
    fired, over = [], []
    for number in range(options.kills):
        time.sleep(options.interval * (0.3 + 0.17 * number))
        redis.kill()
        redis.wait()
        fired.append(_heard("firing"))
        redis = _redis(port, folder)
        over.append(_heard("resolved"))
    write = sys.stdout.write
    for name, times in (("killed to told", fired), ("back to told", over)):
        write(f"{name}: median {statistics.median(times):.1f} s, longest {max(times):.1f} s\n")
    return redis


def _heard(kind: str) -> float:
    begin = time.monotonic()
    while not any(at > begin and one == kind for at, one in TOLD):
        time.sleep(0.01)
    return time.monotonic() - begin


def _alone(folder: Path, rounds: int) -> None:
    """Print what the same checks cost in runs of their own."""
    count = max(1, min(rounds, 10))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(count):
        subprocess.run(
            [sys.executable, "-m", "pytest", *WORDS], cwd=folder, capture_output=True, check=False
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write(f"`pytest --health` alone: {used / count:.2f} s of processor time\n")


def _rounds(folder: Path) -> int:
    lines = (folder / "out").read_text().splitlines()
    return sum('"event": "round"' in one for one in lines)


@contextlib.contextmanager
def _monitor(folder: Path, interval: int) -> Iterator[psutil.Process]:
    with (folder / "out").open("wb") as out:
        started = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest_flowhealth.cli", "monitor"),
                "--interval",
                f"{interval}s",
                "--",
                *WORDS,
            ],
            cwd=folder,
            stdout=out,
        )
    try:
        _until(lambda: _rounds(folder) > 0)
        yield psutil.Process(started.pid)
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(10)


def _project(folder: Path, hook: int) -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    manifest = {"name": "shop", "version": "1.0.0", "dependencies": {"redis": "*"}}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "flowhealth.toml").write_text(
        f'[redis]\nurl = "redis://127.0.0.1:{port}/0"\n[alerts]\ncooldown = "1 s"\nflap_changes = 1000\n'
        f'[[receivers]]\nname = "hook"\ntype = "webhook"\nurl = "http://127.0.0.1:{hook}/"\n'
        'components = ["redis"]\nseverities = ["critical"]\n'
    )
    return port


def _redis(port: int, folder: Path) -> subprocess.Popen[bytes]:
    program = shutil.which("redis-server") or sys.exit("redis-server is not on the PATH")
    started = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    _until(listens)
    return started


def _until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(0.02)


if __name__ == "__main__":
    os.environ.pop("PYTEST_ADDOPTS", None)
    main()
