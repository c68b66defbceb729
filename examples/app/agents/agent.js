// One agent: a BullMQ worker in a process of its own. It prints "ready" once it can take jobs.
//
//   node agents/agent.js [NAME]        takes jobs
//   node agents/agent.js --standby     gets ready and takes none: what the health check starts

import { Worker } from "bullmq";

import { connection, PREFIX, QUEUE } from "./queue.js";

const [argument] = process.argv.slice(2);
const standby = argument === "--standby";

/** The work of a job: count primes, in small pieces so that the agent stays responsive. */
async function work({ data }) {
  if (!Number.isInteger(data.limit)) throw new TypeError("a job has a limit");
  let found = 0;
  for (let number = 2; number <= data.limit; number++) {
    if (isPrime(number)) found++;
    if (number % 20_000 === 0) await new Promise(setImmediate);
  }
  return found;
}

function isPrime(number) {
  for (let divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor === 0) return false;
  }
  return true;
}

const name = argument && !standby ? argument : undefined;
const agent = new Worker(QUEUE, work, { connection, prefix: PREFIX, name, autorun: !standby });
let said = "";
agent.on("error", (error) => {
  const text = `redis: ${error.code ?? error.message}`;
  if (text !== said) console.error(text); // Redis away: once is enough.
  said = text;
});
await agent.waitUntilReady();
console.log("ready");

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    // A job under way is finished first, but not for ever.
    setTimeout(() => process.exit(0), 1_000).unref();
    agent.close().then(() => process.exit(0));
  });
}
