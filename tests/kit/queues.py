"""Real Bull (3 and 4) and Bee-Queue, from the registry, in Node processes that do what a test asks for."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.kit.node_program import NodeProgram
from tests.kit.projects import npm, write

PROGRAM = """\
const { createInterface } = require("node:readline");
const [library, port, db] = [process.argv[2], +process.argv[3], +process.argv[4]];
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const queues = new Map();

function queueOf(name, options = {}) {
  if (queues.has(name)) return queues.get(name);
  const redis = { host: "127.0.0.1", port, db };
  const Queue = require(library);
  const queue = library === "bee-queue"
    ? new Queue(name, { redis, activateDelayedJobs: Boolean(options.work), stallInterval: 1000, ...options })
    : new Queue(name, { redis, ...options });
  queue.on("error", () => {});
  queues.set(name, queue);
  return queue;
}

const actions = {
  async add({ queue, count, data = {}, ...options }) {
    for (let n = 0; n < count; n++) {
      if (library === "bee-queue") {
        const job = queueOf(queue).createJob(data);
        if (options.delay) job.delayUntil(Date.now() + options.delay);
        await job.save();
      } else await queueOf(queue).add(data, options);
    }
  },
  async work({ queue, concurrency = 1, ...options }) {
    const it = queueOf(queue, { ...options, work: true });
    it.process(concurrency, async ({ data }) => { await wait(data.ms || 0); if (data.fail) throw new Error("no"); });
    if (library === "bee-queue") it.checkStalledJobs(1000);
    await (it.isReady ? it.isReady() : it.ready());
  },
  pause: ({ queue }) => queueOf(queue).pause(),
};

process.on("unhandledRejection", () => {});
(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const { action, ...options } = JSON.parse(line);
    await actions[action](options);
    console.log("done");
  }
  process.exit();
})();
"""

LIBRARIES = {"bull3": "npm:bull@^3", "bull": "^4", "bee-queue": "^2"}
"""The name of each library in the installed project, and its version."""


class Queues(NodeProgram):
    """A Node process with queues of one library.

    Args:
        folder: Where the libraries are installed (`install`).
        library: One of `LIBRARIES`.
        port: The Redis.
        db: Its database.
    """

    def __init__(self, folder: Path, library: str, port: int, db: int = 0) -> None:
        super().__init__(folder, "queues.cjs", library, str(port), str(db))

    def add(self, queue: str, count: int, **options: Any) -> None:
        """Add jobs; one takes the milliseconds in ``data={"ms": ...}``, and fails with ``"fail"``."""
        self._do("add", queue=queue, count=count, **options)

    def work(self, queue: str, **options: Any) -> None:
        """Start a worker, in this process."""
        self._do("work", queue=queue, **options)

    def pause(self, queue: str) -> None:
        """Pause a queue."""
        self._do("pause", queue=queue)

    def _do(self, action: str, **options: Any) -> None:
        assert self.order(action, **options) == "done\n"


def install(folder: Path) -> None:
    """Install the libraries; skip where there is no npm."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    write(folder, {"queues.cjs": PROGRAM}, name="queues", version="1.0.0")
    words = [f"{name}@{version}" for name, version in LIBRARIES.items()]
    npm(folder, "install", "--ignore-scripts", *words)
