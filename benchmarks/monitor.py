"""What a monitor costs, and how soon it notifies that Redis is gone.

A small project with a Redis of its own is watched for some minutes; then as many `pytest --health` runs
with the same checks are made one after the other, as a loop in a shell would. Then Redis is killed and
started again a few times, and a webhook notes when it is notified.

    python benchmarks/monitor.py [--minutes 5] [--interval 10] [--kills 5] [--web]

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
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import psutil

COMPONENTS = ("--health", "--health-component", "redis", "--health-component", "system")
CALM_RULES = "".join(
    f'[[rules]]\nname = "{name}"\nenabled = false\n'
    for name in (
        *("highCPU", "criticalCPU", "highMemory", "criticalMemory"),
        *("redisLatency", "redisCommandLatency"),
    )
)
"""Configuration without the rules that a busy machine breaks."""


class Notification(NamedTuple):
    """One alert in a message: when it came (monotonic), the message's id, and what it says."""

    at: float
    message: str
    status: str
    name: str
    begin: str


class WebhookReceiver(ThreadingHTTPServer):
    """Notes the alerts that it receives, and refuses messages while `refuses` is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.notifications: list[Notification] = []
        self.refuses = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: WebhookReceiver

    def do_POST(self) -> None:  # http.server's own name
        """Take a message."""
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.refuses:
            self.send_error(503)
            return
        now, message = time.monotonic(), self.headers["webhook-id"]
        self.server.notifications += [
            Notification(
                now, message, alert["status"], alert["labels"]["alertname"], alert["startsAt"]
            )
            for alert in content["alerts"]
        ]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def main() -> None:
    """Watch, compare, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--interval", type=int, default=10)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--web", action="store_true", help="with the web page")
    options = parser.parse_args()
    receiver = WebhookReceiver()
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        write_project(
            folder, port, receiver.url, 'components = ["redis"]\nseverities = ["critical"]\n'
        )
        redis = start_redis(port, folder)
        web = str(free_port()) if options.web else None
        try:
            with start_monitor(folder, options.interval, COMPONENTS, web) as monitor:
                rounds = watch(monitor, folder, options)
                redis = kill_redis(redis, receiver, port, folder, options)
            run_alone(folder, rounds)
        finally:
            redis.kill()
            redis.wait()


def watch(monitor: psutil.Process, folder: Path, options: argparse.Namespace) -> int:
    """Print what the monitor needs; return how many rounds ended meanwhile."""
    time.sleep(3 * options.interval)
    begin, before = time.monotonic(), monitor.cpu_times()
    memory = [monitor.memory_info().rss / 2**20]
    files = monitor.num_fds()
    first = count_rounds(folder)
    while time.monotonic() - begin < 60 * options.minutes:
        time.sleep(5)
        memory.append(monitor.memory_info().rss / 2**20)
    seconds, after = time.monotonic() - begin, monitor.cpu_times()
    rounds = count_rounds(folder) - first
    used = after.user + after.system - before.user - before.system
    of_rounds = after.children_user + after.children_system
    of_rounds -= before.children_user + before.children_system
    write = sys.stdout.write
    write(f"{rounds} rounds in {seconds:.0f} s, every {options.interval} s\n")
    write(f"parent: {100 * used / seconds:.2f} % of a core, ")
    write(f"{memory[0]:.1f} MiB at first, {memory[-1]:.1f} at last, {max(memory):.1f} at most; ")
    write(f"{monitor.num_fds() - files:+} open files\n")
    write(f"a round: {of_rounds / max(1, rounds):.2f} s of processor time\n")
    return rounds


def kill_redis(
    redis: subprocess.Popen[bytes],
    receiver: WebhookReceiver,
    port: int,
    folder: Path,
    options: argparse.Namespace,
) -> subprocess.Popen[bytes]:
    """Kill and start Redis a few times; print how soon the receiver is notified of both."""
    firing, resolved = [], []
    for number in range(options.kills):
        time.sleep(options.interval * (0.3 + 0.17 * number))
        redis.kill()
        redis.wait()
        firing.append(wait_for_notification(receiver, "firing"))
        redis = start_redis(port, folder)
        resolved.append(wait_for_notification(receiver, "resolved"))
    for name, times in (("killed to notified", firing), ("back to notified", resolved)):
        if times:
            sys.stdout.write(
                f"{name}: median {statistics.median(times):.1f} s, longest {max(times):.1f} s\n"
            )
    return redis


def wait_for_notification(receiver: WebhookReceiver, status: str) -> float:
    """Return after how many seconds the next notification of a status comes."""
    begin = time.monotonic()
    wait_until(
        lambda: any(item.at > begin and item.status == status for item in receiver.notifications)
    )
    return time.monotonic() - begin


def run_alone(folder: Path, rounds: int) -> None:
    """Print what the same checks cost in runs of their own."""
    count = max(1, min(rounds, 10))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(count):
        subprocess.run(
            [sys.executable, "-m", "pytest", *COMPONENTS],
            cwd=folder,
            capture_output=True,
            check=False,
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write(f"`pytest --health` alone: {used / count:.2f} s of processor time\n")


def count_rounds(folder: Path) -> int:
    """Return how many rounds have ended."""
    lines = (folder / "out").read_text().splitlines()
    return sum('"event": "round"' in line for line in lines)


@contextlib.contextmanager
def start_monitor(
    folder: Path, interval: int, words: Sequence[str], web: str | None = None
) -> Iterator[psutil.Process]:
    """Run a monitor, with its page at the address `web`, whose first round has ended."""
    page = () if web is None else ("--web", web)
    program = (sys.executable, "-m", "pytest_flowhealth.cli", "monitor")
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [*program, "--interval", f"{interval}s", *page, "--", *words], cwd=folder, stdout=out
        )
    try:
        wait_until(lambda: count_rounds(folder) > 0)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def write_project(
    folder: Path, port: int, url: str, receiver: str = "", settings: str = ""
) -> None:
    """Write a project with a Redis at a port, whose alerts go to an address."""
    manifest = {"name": "shop", "version": "1.0.0", "dependencies": {"redis": "*"}}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "flowhealth.toml").write_text(
        f'{settings}[redis]\nurl = "redis://127.0.0.1:{port}/0"\n'
        f'[alerts]\ncooldown = "1 s"\nflap_changes = 1000\n{CALM_RULES}'
        f'[[receivers]]\nname = "hook"\ntype = "webhook"\nurl = "{url}"\n{receiver}'
    )


def start_redis(port: int, folder: Path) -> subprocess.Popen[bytes]:
    """Start a Redis, and return when it accepts connections."""
    program = shutil.which("redis-server") or sys.exit("redis-server is not on the PATH")
    process = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def accepts() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    wait_until(accepts)
    return process


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def wait_until(done: Callable[[], bool]) -> None:
    """Wait for something."""
    while not done():
        time.sleep(0.02)


if __name__ == "__main__":
    os.environ.pop("PYTEST_ADDOPTS", None)
    main()
