"""What a burst of reports does to a monitor with its page, and what is kept of it.

A real monitor receives reports (`[feedback] receive = "open"`) on loopback. Senders with connections of
their own, from hundreds of its addresses, hand in reports, one in a hundred of them garbage; each failure
has secrets, names and addresses planted in it. Who is told to wait (429, 503) tries again. It stops by
itself, and then everything that was written is searched.

    python benchmarks/reports.py [--reports 10000] [--senders 8]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.kit.planted import Planted  # what the tests plant

CHECK = """
import pytest

@pytest.mark.health("app")
def test_app(health):
    health.measure("figure", 1.0, unit="ms")
"""
CONFIG = 'checks = ["health/"]\n[feedback]\nreceive = "open"\nper_minute = 600\n'
TOKEN = "benchmark"
PLANTED = 50
"""So many different sets of secrets are planted."""

GARBAGE = (
    b"no JSON",
    b'{"package":"shop","outcome":"success","error":"\xff\xfe"}',
    b'{"package":"shop","outcome":"success","address":"203.0.113.9"}',
    b'{"package":"other-package","outcome":"success"}',
    b'{"package":"shop","outcome":"maybe"}',
    b"[" * 50_000,
    b'{"package":"shop","outcome":"failure","context":"' + b"x" * 60_001 + b'"}',
    b'{"package":"shop","outcome":"success","node":"203.0.113.9"}',
)
LONGEST = 600.0
"""Seconds after which it gives up."""


class Told:
    """What senders were told: answers by status, ids, and how long each took; safe in threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.statuses: Counter[int] = Counter()
        self.taken: list[tuple[str, bool]] = []
        self.refused = 0
        self.seconds: list[float] = []
        self.wrong: list[str] = []


def main() -> int:
    """Run it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=10_000)
    parser.add_argument("--senders", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, monitor(Path(folder)) as (process, port):
        before = late(Path(folder))
        began = time.monotonic()
        told = burst(port, options.reports, options.senders)
        took = time.monotonic() - began
        time.sleep(3)
        problems = judged(Path(folder), port, told, options.reports)
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        told.seconds.sort()
        count = len(told.seconds)
        say(f"{len(told.taken)} reports taken, {told.refused} refused as garbage, in {took:.1f} s:")
        say(f"  {len(told.taken) / took:.0f} a second, answers {dict(told.statuses)}")
        say(f"  an answer takes {1_000 * told.seconds[count // 2]:.1f} ms (median),")
        say(
            f"  {1_000 * told.seconds[int(0.99 * count)]:.1f} ms (p99), {told.seconds[-1]:.2f} s at the longest"
        )
        say(
            f"  seconds that the monitor's sampler missed: {late(Path(folder)) - before} of {took:.0f}"
        )
        say(f"  the monitor has {memory:.0f} MiB afterwards")
        say(
            "\n".join(problems)
            or "no wrong count, no garbage, no address and no secret in any file"
        )
    return 1 if problems else 0


@contextlib.contextmanager
def monitor(folder: Path) -> Any:
    """Start a monitor with its page; yield its process and port."""
    (folder / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
    (folder / "flowhealth.toml").write_text(CONFIG)
    (folder / "health").mkdir()
    (folder / "health/test_app.py").write_text(CHECK)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["--interval", "60s", "--web", str(port), "--", "--health-component", "app"]
    command = [sys.executable, "-m", "pytest_flowhealth.cli", "monitor", *words]
    environ = {**os.environ, "FLOWHEALTH_WEB_TOKEN": TOKEN}
    out = (folder / "monitor.out").open("wb")
    with out, subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=out) as process:
        try:
            wait(port)
            time.sleep(3)
            yield process, port
        finally:
            process.terminate()


def burst(port: int, reports: int, senders: int) -> Told:
    """Hand in so many reports, one in a hundred of them garbage."""
    told = Told()
    share = [range(number, reports, senders) for number in range(senders)]
    with concurrent.futures.ThreadPoolExecutor(senders) as pool:
        for done in [pool.submit(hand_in, port, numbers, told) for numbers in share]:
            done.result()
    return told


def address_of(number: int) -> str:
    """Return one of 400 addresses in 40 networks, all of this machine."""
    return f"127.{80 + number % 4}.{100 + number % 10}.{50 + number // 100 % 10 * 7}"


def hand_in(port: int, numbers: range, told: Told) -> None:
    """Hand in reports, each from one of the addresses, again where there is to be waited."""
    end = time.monotonic() + LONGEST
    connections: dict[str, http.client.HTTPConnection] = {}
    for number in numbers:
        address = address_of(number)
        if address not in connections:
            connections[address] = http.client.HTTPConnection(
                "127.0.0.1", port, timeout=30, source_address=(address, 0)
            )
        garbage = number % 100 == 99
        content = GARBAGE[number // 100 % len(GARBAGE)] if garbage else made(number)
        while time.monotonic() < end:
            status, answer = asked(connections[address], content, told)
            if status in (429, 503, 0):
                time.sleep(0.2)
                continue
            noted(told, (status, answer), number, garbage=garbage)
            break
    for one in connections.values():
        one.close()


def asked(connection: http.client.HTTPConnection, content: bytes, told: Told) -> tuple[int, bytes]:
    """Send one; return the answer, status 0 where the connection broke."""
    began = time.monotonic()
    try:
        connection.request("POST", "/api/reports", content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
    except (http.client.HTTPException, OSError):
        connection.close()
        return 0, b""
    with told.lock:
        told.statuses[answer.status] += 1
        told.seconds.append(time.monotonic() - began)
    return answer.status, body


def noted(told: Told, answer: tuple[int, bytes], number: int, *, garbage: bool) -> None:
    """Note how a report was answered."""
    status, body = answer
    with told.lock:
        if status == 201 and not garbage:
            told.taken.append((json.loads(body)["id"], number % 5 == 0))
        elif status in (400, 413) and garbage:
            told.refused += 1
        else:
            told.wrong.append(f"report {number} was answered with {status}: {body[:200]!r}")


def made(number: int) -> bytes:
    """Return a report: one in five failed."""
    failed = number % 5 == 0
    planted = Planted(number // 5 % PLANTED)
    return json.dumps(
        {
            "schema": "flowhealth-install/1",
            "package": "shop",
            "version": f"1.{number % 4}.0",
            "node": ("18.19.1", "20.11.1", "22.3.0")[number % 3],
            "npm": "10.2.4",
            "os": ("linux", "darwin")[number % 2],
            "arch": "x64",
            "step": "install",
            "outcome": "failure" if failed else "success",
            "error": f"exit code {number} in /home/{planted.user}/app" if failed else "",
            "context": planted.log * random.Random(number).randint(1, 6) if failed else "",
        }
    ).encode()


def judged(folder: Path, port: int, told: Told, reports: int) -> list[str]:
    """Return what is wrong: with counts, or with what is in any file that was written."""
    problems = list(told.wrong[:10])
    expected = (
        sum(not failed for _, failed in told.taken),
        sum(failed for _, failed in told.taken),
    )
    with contextlib.closing(sqlite3.connect(folder / ".flowhealth/history.db")) as file:
        rows = dict(file.execute("SELECT ok, count(*) FROM reports GROUP BY ok").fetchall())
        kinds = file.execute("SELECT count(DISTINCT kind) FROM reports WHERE ok = 0").fetchone()[0]
    if (rows.get(1, 0), rows.get(0, 0)) != expected or len(told.taken) + told.refused != reports:
        problems.append(f"wrong count: {rows} kept, {expected} taken, {told.refused} refused")
    if kinds != 1:
        problems.append(f"{kinds} kinds of errors in the place of one")
    shown = figures(port)
    if (shown["succeeded"], shown["failed"]) != expected:
        problems.append(f"the page shows {shown['succeeded']} and {shown['failed']}")
    addresses = {address_of(number) for number in range(reports)}
    networks = {one.rpartition(".")[0] + "." for one in addresses}
    secrets = {text for seed in range(PLANTED) for text in Planted(seed).texts}
    wanted = [*addresses, *networks, *secrets, "203.0.113.9", "other-package"]
    return problems + [f"{text} is in {name}" for name, text in found_in(folder, wanted)][:20]


def found_in(folder: Path, texts: list[str]) -> list[tuple[str, str]]:
    """Return which texts are in which of the files that were written."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            found += [(path.name, text) for text in texts if text.lower().encode() in content]
    return found


def figures(port: int) -> Any:
    """Return what the page shows."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/api/installs", headers={"Authorization": f"Bearer {TOKEN}"})
        return json.loads(connection.getresponse().read())


def late(folder: Path) -> int:
    """Return for how many seconds of the last hour there is no sample, between the first and the last."""
    with contextlib.closing(sqlite3.connect(folder / ".flowhealth/history.db")) as file:
        rows = file.execute(
            "SELECT count(DISTINCT at / 1000), max(at) / 1000 - min(at) / 1000 + 1 FROM samples"
        ).fetchone()
    return max(0, int(rows[1] or 0) - int(rows[0] or 0))


def wait(port: int) -> None:
    """Wait until it has seen a round."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
        time.sleep(0.2)
    raise SystemExit("the monitor did not start")


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
