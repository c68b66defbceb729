// The WebSocket at /ws: an update at once, and then one every interval.

import { WebSocket, WebSocketServer } from "ws";

/**
 * Serve updates beside an HTTP server; they end when it closes.
 * @param {import("node:http").Server} server
 * @param {() => Promise<object>} snapshot what an update tells
 * @param {number} interval milliseconds
 */
export function attachLive(server, snapshot, interval) {
  const sockets = new WebSocketServer({ server, path: "/ws", maxPayload: 16 * 1024 });
  let sequence = 0;

  async function update(clients) {
    const text = JSON.stringify({ sequence: ++sequence, time: Date.now(), ...(await snapshot()) });
    for (const client of clients) {
      if (client.readyState === WebSocket.OPEN) client.send(text);
    }
  }

  sockets.on("connection", (client) => {
    client.on("error", () => client.terminate());
    update([client]);
  });
  const timer = setInterval(() => update(sockets.clients), interval);
  server.on("close", () => {
    clearInterval(timer);
    sockets.close();
  });
  return sockets;
}
