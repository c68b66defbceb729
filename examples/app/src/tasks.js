// Tasks in Redis: two lists (waiting, active) and a hash of counters, all under one prefix.

import { setTimeout as sleep } from "node:timers/promises";

import { createClient } from "redis";

const WAIT_SECONDS = 1;
const CONNECT_MILLISECONDS = 2_000;

export class Tasks {
  #client;
  #prefix;

  constructor(url, prefix) {
    this.#prefix = prefix;
    // Requests fail at once while Redis is away, instead of waiting for it.
    this.#client = createClient({ url, disableOfflineQueue: true });
    this.#client.on("error", (error) => console.error(`redis: ${error.code ?? error.message}`));
  }

  /** Connect. Returns after 2 s all the same: node-redis goes on trying until it has. */
  async connect() {
    const connected = this.#client.connect().catch(() => {});
    await Promise.race([connected, sleep(CONNECT_MILLISECONDS, undefined, { ref: false })]);
  }

  async add(task) {
    await this.#client
      .multi()
      .lPush(this.#key("waiting"), JSON.stringify(task))
      .hIncrBy(this.#key("counters"), "added", 1)
      .exec();
  }

  /** How many tasks wait, are being worked at, and were ever added, completed and failed. */
  async counts() {
    const [waiting, active, counters] = await this.#client
      .multi()
      .lLen(this.#key("waiting"))
      .lLen(this.#key("active"))
      .hGetAll(this.#key("counters"))
      .exec();
    const { added = 0, completed = 0, failed = 0 } = counters;
    return {
      waiting,
      active,
      added: Number(added),
      completed: Number(completed),
      failed: Number(failed),
    };
  }

  /** Hand each waiting task to `work`, one after the other, until `signal` is aborted. */
  async run(work, signal) {
    // Waiting blocks a connection, so it has one of its own.
    const client = this.#client.duplicate({ disableOfflineQueue: false });
    client.on("error", () => {}); // The first connection tells.
    signal.addEventListener("abort", () => client.destroy());
    await client.connect().catch(() => {});
    while (!signal.aborted) {
      try {
        const [waiting, active] = [this.#key("waiting"), this.#key("active")];
        const text = await client.blMove(waiting, active, "RIGHT", "LEFT", WAIT_SECONDS);
        if (text !== null) await this.#finish(client, text, await this.#outcome(work, text));
      } catch (error) {
        if (!signal.aborted) console.error(`tasks: ${error.code ?? error.message}`);
      }
    }
  }

  close() {
    this.#client.destroy();
  }

  async #outcome(work, text) {
    try {
      await work(JSON.parse(text));
      return "completed";
    } catch {
      return "failed";
    }
  }

  async #finish(client, text, outcome) {
    await client
      .multi()
      .lRem(this.#key("active"), 1, text)
      .hIncrBy(this.#key("counters"), outcome, 1)
      .exec();
  }

  #key(name) {
    return `${this.#prefix}${name}`;
  }
}
