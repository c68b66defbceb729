// The HTTP server: a page, the status, new tasks; and the WebSocket beside them.

import { createServer } from "node:http";

import express from "express";

import { attachLive } from "./live.js";

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>flowhealth-demo</title>
<h1>flowhealth-demo</h1>
<pre id="status">connecting</pre>
<script>
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(scheme + "://" + location.host + "/ws");
  const show = (text) => { document.getElementById("status").textContent = text; };
  socket.onmessage = ({ data }) => show(JSON.stringify(JSON.parse(data), null, 2));
  socket.onclose = () => show("disconnected");
</script>
</html>
`;

/** What the server tells of itself; `redis` is "down", without tasks, while Redis is away. */
async function status(tasks) {
  const uptime = Math.round(process.uptime());
  try {
    return { redis: "up", uptime, tasks: await tasks.counts() };
  } catch {
    return { redis: "down", uptime };
  }
}

/**
 * Make the server, which does not listen yet.
 * @param {import("./tasks.js").Tasks} tasks
 * @param {number} updateInterval milliseconds between two updates on the WebSocket
 */
export function makeServer(tasks, updateInterval) {
  const app = express();
  app.disable("x-powered-by");
  app.use(express.json({ limit: "16kb" }));

  app.get("/", (_request, response) => {
    response.type("html").send(PAGE);
  });

  app.get("/api/status", async (_request, response) => {
    const found = await status(tasks);
    response.status(found.redis === "up" ? 200 : 503).json(found);
  });

  app.post("/api/tasks", async (request, response) => {
    try {
      await tasks.add({ numbers: request.body?.numbers });
      response.status(202).json({ accepted: true });
    } catch {
      response.status(503).json({ accepted: false });
    }
  });

  const server = createServer(app);
  attachLive(server, () => status(tasks), updateInterval);
  return server;
}
