"""An hour of faults: do memory, open files and threads stay flat, and is each alert reported once?

A monitor with its page watches a small project with a Redis of its own. A Chromium and a WebSocket client keep
the page open. Each minute has a fault of twenty seconds: Redis is killed, Redis is stopped, a check fails,
a check fails while the webhook refuses messages. At the end: the growth of each figure, and for each
alert how many firing and resolved messages came.

    python benchmarks/soak.py [--minutes 60] [--out FILE]

Needs `redis-server`, `chromium`, Node, Playwright and websockets.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import psutil
from monitor import (
    WebhookReceiver,
    free_port,
    start_monitor,
    start_redis,
    write_project,
)
from playwright.sync_api import sync_playwright
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
COMPONENTS = ("--health-component", "redis", "--health-component", "app")
CHECK = """
from pathlib import Path
import pytest

@pytest.mark.health("app")
def test_app(health):
    health.measure("figure", 1.0, unit="ms")
    assert not Path("broken").exists(), "the file `broken` exists"
"""
SECRET = "benchmark"
FAULTS = ("redis killed", "redis stopped", "check fails", "webhook refuses")
BEFORE, LENGTH, REFUSED = 8.0, 20.0, 15.0
"""Seconds of a minute before its fault, of the fault, and for which the webhook refuses."""


class Figures(NamedTuple):
    """What the monitor and the page need, in MiB where it is memory."""

    monitor_rss: float
    monitor_files: float
    monitor_threads: float
    page_rss: float
    page_heap: float
    page_nodes: float


class Soak:
    """A project, its Redis and its receiver, with a fault each minute."""

    def __init__(self, folder: Path, out: TextIO) -> None:
        self.folder, self._out = folder, out
        self._receiver = WebhookReceiver()
        self._port = free_port()
        write_project(folder, self._port, self._receiver.url, settings='checks = ["health/"]\n')
        (folder / "health").mkdir()
        (folder / "health/test_app.py").write_text(CHECK)
        self._redis = start_redis(self._port, folder)
        self._begun: list[tuple[float, str]] = []

    def run(self, minutes: int, monitor: psutil.Process, page: Page) -> None:
        """Cause a fault each minute, and print the figures after it."""
        known: list[Figures] = []
        begin = time.monotonic()
        for minute in range(minutes):
            fault = FAULTS[minute % len(FAULTS)]
            time.sleep(BEFORE)
            self._begun.append((time.monotonic(), fault))
            self._cause(fault)
            page.tab.wait_for_timeout(
                max(0.0, 1_000 * (begin + 60 * (minute + 1) - time.monotonic()))
            )
            figures = measure(monitor, page)
            known.append(figures)
            shown = " ".join(f"{name}={value:.1f}" for name, value in figures._asdict().items())
            self.write(f"{minute + 1:3} {fault:16} {shown} updates={page.updates}")
        self._summarise(known)

    def _cause(self, fault: str) -> None:
        if fault == "redis killed":
            self.close()
            time.sleep(LENGTH)
            self._redis = start_redis(self._port, self.folder)
        elif fault == "redis stopped":
            self._redis.send_signal(signal.SIGSTOP)
            time.sleep(LENGTH)
            self._redis.send_signal(signal.SIGCONT)
        else:
            self._receiver.refuses = fault == "webhook refuses"
            (self.folder / "broken").touch()
            time.sleep(REFUSED)
            self._receiver.refuses = False
            time.sleep(LENGTH - REFUSED)
            (self.folder / "broken").unlink()

    def _summarise(self, known: list[Figures]) -> None:
        early, late = known[4:15] or known, known[-10:]
        self.write(f"{'':16}{'minutes 5 to 15':>16}{'last ten':>12}{'growth':>10}")
        for index, name in enumerate(Figures._fields):
            first = statistics.median(figures[index] for figures in early)
            last = statistics.median(figures[index] for figures in late)
            self.write(f"{name:16}{first:16.1f}{last:12.1f}{last - first:+10.1f}")
        # An incident of an alert is known by when it began to fire; a repeated message has the same id.
        messages: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        faults: dict[tuple[str, str], str] = {}
        for item in self._receiver.notifications:
            key = (item.name, item.begin)
            messages[key].add((item.status, item.message))
            earlier = [fault for at, fault in self._begun if at < item.at]
            faults.setdefault(key, earlier[-1] if earlier else "before the first")
        counted: Counter[tuple[str, str, int, int]] = Counter()
        for key, found in messages.items():
            statuses = Counter(status for status, _ in found)
            counted[faults[key], key[0], statuses["firing"], statuses["resolved"]] += 1
        self.write(f"faults: {dict(Counter(fault for _, fault in self._begun))}")
        for (fault, name, firing, resolved), times in sorted(counted.items()):
            mark = "" if firing == resolved == 1 else "   NOT ONCE"
            self.write(
                f"{fault}: {name}: {firing} firing, {resolved} resolved, {times} times{mark}"
            )

        lines = (self.folder / "out").read_text().splitlines()
        others = [line for line in lines if '"event": "round"' not in line]
        self.write("\n".join(["what the monitor wrote besides its rounds:", *others[:200]]))

    def write(self, line: str) -> None:
        """Print a line."""
        self._out.write(f"{line}\n")
        self._out.flush()

    def close(self) -> None:
        """End Redis."""
        self._redis.kill()
        self._redis.wait()


class Page:
    """The open overview in Chromium, and a WebSocket client.

    Attributes:
        updates: How many messages the WebSocket client has received.
    """

    def __init__(self, tab: Any, port: int) -> None:
        self.tab, self.updates = tab, 0
        self._client = tab.context.new_cdp_session(tab)
        self._client.send("Performance.enable")
        tab.goto(f"http://127.0.0.1:{port}/login")
        tab.fill("#password", SECRET)
        tab.click("button")
        tab.wait_for_selector('html[data-live="live"] [data-test="status"][data-status]')
        threading.Thread(target=lambda: asyncio.run(self._listen(port)), daemon=True).start()

    async def _listen(self, port: int) -> None:
        headers = {"Authorization": f"Bearer {SECRET}"}
        address = f"ws://127.0.0.1:{port}/api/live"
        with contextlib.suppress(ConnectionClosed):
            async with connect(address, additional_headers=headers, max_size=None) as socket:
                async for _ in socket:
                    self.updates += 1

    def metrics(self) -> dict[str, float]:
        """Return Chromium's figures of the page, after a garbage collection."""
        self._client.send("HeapProfiler.collectGarbage")
        found = self._client.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in found}


def main() -> None:
    """Run the soak test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--out", type=argparse.FileType("w"), default=sys.stdout)
    options = parser.parse_args()
    os.environ.update(FLOWHEALTH_WEB_PASSWORD=SECRET, FLOWHEALTH_WEB_TOKEN=SECRET)
    with tempfile.TemporaryDirectory() as name:
        soak = Soak(Path(name), options.out)
        port = free_port()
        try:
            with (
                start_monitor(soak.folder, 10, COMPONENTS, str(port)) as monitor,
                open_page(port) as page,
            ):
                soak.run(options.minutes, monitor, page)
        finally:
            soak.close()


@contextlib.contextmanager
def open_page(port: int) -> Iterator[Page]:
    """Open the page in a Chromium."""
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS, timeout=120_000
        )
        yield Page(browser.new_page(), port)
        browser.close()


def measure(monitor: psutil.Process, page: Page) -> Figures:
    """Return the figures of now."""
    metrics = page.metrics()
    children = {process.pid for process in psutil.Process().children(recursive=True)}
    # A process that ends meanwhile has neither: None.
    renderers = [
        process.info["memory_info"].rss
        for process in psutil.process_iter(["cmdline", "memory_info"])
        if process.pid in children and "--type=renderer" in (process.info["cmdline"] or ())
    ]
    return Figures(
        monitor.memory_info().rss / 2**20,
        monitor.num_fds(),
        monitor.num_threads(),
        max(renderers, default=0) / 2**20,
        metrics["JSHeapUsedSize"] / 2**20,
        metrics["Nodes"],
    )


if __name__ == "__main__":
    os.environ.pop("PYTEST_ADDOPTS", None)
    main()
