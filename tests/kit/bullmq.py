"""Real BullMQ with ioredis, from the registry, with real workers in processes of their own."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pytest_flowhealth.probes.descendants import MARK

PROGRAM = """\
import { Queue, Worker } from "bullmq";
import IORedis from "ioredis";

const [role, port, queue, text] = process.argv.slice(2);
const options = JSON.parse(text ?? "{}");
const connection = new IORedis({ host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function work(job) {
  if (job.data.ms) await sleep(job.data.ms);
  if (job.data.n % 10 === 9) throw new Error("every tenth");
}

if (role === "worker") {
  const worker = new Worker(queue, work, { connection, ...options });
  worker.on("error", () => {});
  await worker.waitUntilReady();
  console.log("ready");
} else {
  const jobs = new Queue(queue, { connection });
  const { count = 0, data = {}, paused, ...rest } = options;
  if (paused) await jobs.pause();
  for (let n = 0; n < count; n++) await jobs.add("task", { n, ...data }, rest);
  const names = ["wait", "active", "completed", "failed", "delayed", "prioritized"];
  console.log(JSON.stringify(await jobs.getJobCounts(...names)));
  await jobs.close();
  connection.disconnect();
}
"""


class BullMQApp:
    """A folder with BullMQ and ioredis installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def queue(self, port: int, name: str, **options: object) -> dict[str, int]:
        """Add `count` jobs, and return what BullMQ itself counts afterwards."""
        done = subprocess.run(
            ["node", "app.mjs", "queue", str(port), name, json.dumps(options)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
        return counts

    @contextlib.contextmanager
    def worker(self, port: int, queue: str, **options: object) -> Iterator[subprocess.Popen[str]]:
        """Start a worker, and end it."""
        process = subprocess.Popen(
            ["node", "app.mjs", "worker", str(port), queue, json.dumps(options)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready"
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def install(folder: Path) -> BullMQApp:
    """Install BullMQ and ioredis; skip where there is no npm."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"name": "queues", "private": true, "version": "1.0.0"}')
    (folder / "app.mjs").write_text(PROGRAM)
    subprocess.run(
        [
            *("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"),
            *("bullmq@^6", "ioredis@^6"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return BullMQApp(folder)


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.05)


RUN = "TESTS_FLEET_RUN"
"""The variable by which a test knows the processes that come from it: others may run beside it."""


def marked(word: str) -> list[list[str]]:
    """Return the command lines of the processes that come from the test with this word."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environ = one.environ()
            ours = environ.get(RUN) == word and MARK in environ
            if ours and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one.cmdline())
    return found
