// A fleet: so many agents, and jobs for them at a steady pace, until it is stopped.
//
//   node agents/pool.js [AGENTS] [JOBS A SECOND]

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { Queue } from "bullmq";

import { connection, PREFIX, QUEUE } from "./queue.js";

const [agents = 3, pace = 5] = process.argv.slice(2).map(Number);
const KEPT = 1_000;

const children = [];
for (let number = 1; number <= agents; number++) {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("agent.js", import.meta.url)), `agent-${number}`],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  children.push(child);
}
await Promise.all(children.map((child) => once(createInterface(child.stdout), "line")));

const queue = new Queue(QUEUE, { connection, prefix: PREFIX });
queue.on("error", () => {}); // The agents tell.
let added = 0;
const options = { removeOnComplete: KEPT, removeOnFail: KEPT };
const timer = setInterval(() => {
  added++;
  // One job in fifty is not well made: a fleet without a failure is none.
  const data = added % 50 === 0 ? {} : { limit: 20_000 };
  queue.add("primes", data, options).catch(() => {});
}, 1_000 / pace);
console.log(`${agents} agents, ${pace} jobs a second`);

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    clearInterval(timer);
    for (const child of children) child.kill("SIGTERM");
    setTimeout(() => process.exit(0), 1_500).unref();
    queue.close().catch(() => {});
  });
}
