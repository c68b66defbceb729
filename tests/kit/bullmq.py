"""Real BullMQ with ioredis, from the registry, in a Node process that does what a test asks for."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_flowhealth.probes.descendants import MARK
from tests.kit.node_program import NodeProgram
from tests.kit.projects import npm, write

PROGRAM = """\
import { FlowProducer, Queue, Worker } from "bullmq";
import IORedis from "ioredis";
import { createInterface } from "node:readline";

const connection = () => new IORedis({ host: "127.0.0.1", port, maxRetriesPerRequest: null });
const states = ["wait", "active", "completed", "failed", "delayed", "prioritized"];
const queues = new Map();
const workers = [];
let port;

function queueOf(name) {
  if (!queues.has(name)) queues.set(name, new Queue(name, { connection: connection() }));
  return queues.get(name);
}

async function work(job) {
  if (job.data.ms) await new Promise((resolve) => setTimeout(resolve, job.data.ms));
  if (job.data.n % 10 === 9) throw new Error("every tenth");
}

const actions = {
  async open(options) {
    for (const worker of workers.splice(0)) await worker.close(true);
    for (const queue of queues.values()) await queue.close();
    queues.clear();
    port = options.port;
  },
  async add({ queue, count = 0, data = {}, ...rest }) {
    for (let n = 0; n < count; n++) await queueOf(queue).add("task", { n, ...data }, rest);
  },
  async work({ queue, ...options }) {
    const worker = new Worker(queue, work, { connection: connection(), ...options });
    worker.on("error", () => {});
    workers.push(worker);
    await worker.waitUntilReady();
  },
  async flow({ queue, child }) {
    const flow = new FlowProducer({ connection: connection() });
    await flow.add({ name: "parent", queueName: queue, children: [{ name: child, queueName: "children" }] });
    await flow.close();
  },
  schedule: ({ queue, id, ...repeat }) => queueOf(queue).upsertJobScheduler(id, repeat, { name: "task", data: { n: 0 } }),
  pause: ({ queue }) => queueOf(queue).pause(),
  count: ({ queue }) => queueOf(queue).getJobCounts(...states),
};

process.on("unhandledRejection", () => {});
for await (const line of createInterface({ input: process.stdin })) {
  const { action, ...options } = JSON.parse(line);
  console.log(JSON.stringify((await actions[action](options)) ?? null));
}
process.exit();
"""


class BullMQ(NodeProgram):
    """A Node process with queues and workers.

    ``with BullMQ(folder) as bullmq: bullmq.open(port)``

    Args:
        folder: Where BullMQ is installed (`install`).
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "app.mjs")

    def open(self, port: int) -> None:
        """Close all queues and workers; the next ones are at the Redis with this port."""
        self._do("open", port=port)

    def add(self, queue: str, count: int = 0, **options: object) -> dict[str, int]:
        """Add jobs, and return what BullMQ itself counts afterwards.

        A job waits for the milliseconds in ``data={"ms": ...}``; every tenth fails.
        """
        self._do("add", queue=queue, count=count, **options)
        return self.count(queue)

    def count(self, queue: str) -> dict[str, int]:
        """Return what BullMQ itself counts, by state."""
        counts: dict[str, int] = self._do("count", queue=queue)
        return counts

    def work(self, queue: str, **options: object) -> None:
        """Start a worker, in this process."""
        self._do("work", queue=queue, **options)

    def flow(self, queue: str, child: str) -> None:
        """Add a parent, and its only child to the queue `children`."""
        self._do("flow", queue=queue, child=child)

    def schedule(self, queue: str, scheduler: str, **repeat: object) -> None:
        """Add a job scheduler with these options (``every``, ``limit``, ``endDate``)."""
        self._do("schedule", queue=queue, id=scheduler, **repeat)

    def pause(self, queue: str) -> None:
        """Pause a queue."""
        self._do("pause", queue=queue)

    def _do(self, action: str, **options: object) -> Any:
        return json.loads(self.order(action, **options))


def install(folder: Path) -> None:
    """Install BullMQ and ioredis; skip where there is no npm."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    write(folder, {"app.mjs": PROGRAM}, name="queues", version="1.0.0")
    npm(folder, "install", "--ignore-scripts", "bullmq@^6", "ioredis@^6")


RUN = "TESTS_FLEET_RUN"
"""The variable by which a test knows the processes that come from it: others may run beside it."""


def marked(word: str) -> list[list[str]]:
    """Return the command lines of the processes that come from the test with this word."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environ = process.environ()
            ours = environ.get(RUN) == word and MARK in environ
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
    return found
