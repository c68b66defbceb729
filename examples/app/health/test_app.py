"""The server itself: it starts, and answers quickly enough."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_flowhealth import CheckFailed, Health, Target

START_SECONDS = 10
SAMPLES = 50


@contextlib.contextmanager
def running_server(target: Target) -> Iterator[str]:
    """Start the built server at a port that is free, and yield its address; end it with its children."""
    # Under another prefix its worker takes no task away from the real one.
    environment = {**os.environ, "PORT": "0", "PREFIX": "flowhealth-demo-check:"}
    if target.config.redis.url:
        environment["REDIS_URL"] = target.config.redis.url
    with tempfile.NamedTemporaryFile() as output:
        server = subprocess.Popen(
            ["node", "dist/index.js"],
            cwd=target.root,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield address_told(server, Path(output.name))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def address_told(server: "subprocess.Popen[bytes]", output: Path) -> str:
    """Wait for the line that tells the address."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        said = output.read_text(errors="replace")
        if found := re.search(r"listening on (http://\S+)", said):
            return found.group(1)
        if server.poll() is not None:
            last = (said.strip().splitlines() or ["it said nothing"])[-1]
            raise CheckFailed(f"the server ended with exit code {server.returncode}: {last}")
        time.sleep(0.05)
    raise CheckFailed(f"the server did not listen within {START_SECONDS} s")


@pytest.mark.health("app", requires=("build.syntax", "redis.connect"), timeout=60)
@pytest.mark.threshold("response.p95", warn=200, fail=1000, unit="ms")
def test_status(health: Health, target: Target) -> None:
    """/api/status answers 200 with the counters from Redis, and quickly."""
    import requests  # here: a run of another component imports this file too

    health.remedy("npm run build && npm start, and see what it says")
    times, tasks = [], {}
    with running_server(target) as address, requests.Session() as session:
        for _ in range(SAMPLES):
            began = time.perf_counter()
            answer = session.get(f"{address}api/status", timeout=5)
            times.append(1_000 * (time.perf_counter() - began))
            if answer.status_code != 200:
                raise CheckFailed(f"/api/status answered {answer.status_code}: {answer.text[:200]}")
            tasks = answer.json()["tasks"]
    health.measure("response", times, unit="ms")
    health.detail(requests=SAMPLES, tasks=tasks)
