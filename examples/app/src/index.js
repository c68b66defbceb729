// Starts the server where this file is run; exports how, for who imports it.

import { once } from "node:events";
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { readConfig } from "./config.js";
import { makeServer } from "./server.js";
import { Tasks } from "./tasks.js";

/** The work of a task: the sum of its numbers. */
function work({ numbers }) {
  if (!Array.isArray(numbers)) throw new TypeError("a task has numbers");
  return numbers.reduce((sum, number) => sum + number, 0);
}

/**
 * Start the server and the worker.
 * @returns {Promise<{port: number, stop: () => void}>}
 */
export async function start(config) {
  const tasks = new Tasks(config.redisUrl, config.prefix);
  await tasks.connect();
  const server = makeServer(tasks, config.updateInterval);
  server.listen(config.port, config.host);
  await once(server, "listening");

  const ending = new AbortController();
  tasks.run(work, ending.signal);
  return {
    port: server.address().port,
    stop() {
      ending.abort();
      server.close();
      server.closeAllConnections();
      tasks.close();
    },
  };
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const config = await readConfig();
  const running = await start(config);
  console.log(`listening on http://${config.host}:${running.port}/`);
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      running.stop();
      // An upgraded connection belongs to no server any more, and would keep the process alive.
      setTimeout(() => process.exit(0), 500).unref();
      process.exitCode = 0;
    });
  }
}
