"""How large the page's first load is, how soon it can be used, and how long 90 days take to draw.

A monitor with its page runs on a small project whose history has 90 days of minutes; a real Chromium
loads the overview with an empty cache, and then a check's page over all of it, some times. The same again with
many checks.

    python benchmarks/page_load.py [--times 10] [--checks 500]

Needs Playwright, and `chromium` on the PATH.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from pytest_flowhealth.history.database import connect
from pytest_flowhealth.history.rollup import MINUTE, make_rollup
from pytest_flowhealth.history.store import add_rollups

DAYS = 90
PASSWORD = "benchmark"
CHECK = """
@pytest.mark.health("app")
@pytest.mark.threshold("figure", warn=5, fail=50, unit="ms")
def test_{name}(health):
    health.measure("figure", 1.0, unit="ms")
"""
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def main() -> None:
    """Measure, and print medians and the longest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--checks", type=int, default=500)
    options = parser.parse_args()
    for checks in (1, options.checks):
        sys.stdout.write(f"{checks} checks\n")
        measure(checks, options.times)


def measure(checks: int, times: int) -> None:
    """Run a monitor of a project with so many checks, and load its pages."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        taken.close()
        folder = Path(name)
        prepare(folder, checks)
        words = ["--web", str(port), "--", "--health-component", "app"]
        environ = {**os.environ, "FLOWHEALTH_WEB_PASSWORD": PASSWORD}
        command = [sys.executable, "-m", "pytest_flowhealth.cli", "monitor", *words]
        with subprocess.Popen(
            command, cwd=folder, env=environ, stdout=subprocess.DEVNULL
        ) as monitor:
            try:
                time.sleep(6)
                look(f"http://127.0.0.1:{port}", times)
            finally:
                monitor.terminate()


def prepare(folder: Path, checks: int) -> None:
    """Make a project with so many checks, and a history of 90 days."""
    (folder / "package.json").write_text('{"name": "bench", "version": "1.0.0"}')
    (folder / "flowhealth.toml").write_text('checks = ["health/"]\n')
    (folder / "health").mkdir()
    names = ("app", *(f"check_{number}" for number in range(1, checks)))
    functions = (CHECK.format(name=name).replace("figure", f"figure_{name}") for name in names)
    (folder / "health/test_app.py").write_text("\n".join(["import pytest", *functions]))
    (folder / ".flowhealth").mkdir()
    file = connect(folder / ".flowhealth/history.db", wait=5)
    pool = [make_rollup([random.gauss(3, 1) for _ in range(60)]) for _ in range(200)]
    until = int(time.time()) // MINUTE * MINUTE
    minutes = {at: random.choice(pool) for at in range(until - DAYS * 86_400, until, MINUTE)}
    add_rollups(file, "app.figure_app", minutes)
    file.close()


def look(url: str, times: int) -> None:
    """Load the pages."""
    with sync_playwright() as started:
        path = shutil.which("chromium")
        browser = started.chromium.launch(executable_path=path, args=ARGUMENTS)
        tab = browser.new_page()
        client = tab.context.new_cdp_session(tab)
        client.send("Network.enable")
        client.send("Network.setCacheDisabled", {"cacheDisabled": True})
        sizes: list[float] = []
        client.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
        tab.goto(f"{url}/login")
        tab.fill("#password", PASSWORD)
        tab.click("button")
        tab.wait_for_selector('[data-test="status"][data-status]')
        usable, bytes_ = [], []
        for _ in range(times):
            sizes.clear()
            began = time.perf_counter()
            tab.goto(f"{url}/")
            tab.wait_for_selector('html[data-live="live"] [data-test="status"][data-status]')
            usable.append(1_000 * (time.perf_counter() - began))
            tab.wait_for_timeout(300)
            bytes_.append(sum(sizes) / 1_000)
        drawn = [draw(tab, url) for _ in range(times)]
        browser.close()
    tell("first load, kB over the wire", bytes_)
    tell("usable and live, ms", usable)
    tell(f"{DAYS} days drawn after their figures came, ms", drawn)


def draw(tab: Any, url: str) -> float:
    """Return how long a chart of all took to draw, in ms."""
    tab.goto(f"{url}/check/app.app?range=90d")
    chart = tab.wait_for_selector('[data-test="chart-app.figure_app"][data-drawn]')
    return float(chart.get_attribute("data-drawn"))


def tell(what: str, values: list[float]) -> None:
    """Print a figure."""
    middle, most = statistics.median(values), max(values)
    sys.stdout.write(f"{what:48} median {middle:8.1f}   longest {most:8.1f}\n")


if __name__ == "__main__":
    main()
