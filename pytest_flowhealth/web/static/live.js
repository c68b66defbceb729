// The WebSocket: takes changes in, asks for those that were missed, and says when it is not live.
import { clock, setClock } from "./format.js";
import { change, replace, setSilentSince } from "./store.js";

const STALE = 4000;
// Milliseconds without a message after which nothing is known any more.
const SILENT = 15000;
const LOGGED_OUT = 4401;

let epoch = null;
let seq = null;
let heard = -STALE;
let opened = 0;
let last = null;
let socket = null;
let pause = 500;
let out = false;

export function begin() {
  open();
  setInterval(watch, 500);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !socket) open();
  });
}

export function end() {
  out = true;
  socket?.close();
  show("out", "logged out");
}

function open() {
  if (out || socket) return;
  const since = epoch === null ? "" : `?epoch=${epoch}&since=${seq}`;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const connection = new WebSocket(`${scheme}://${location.host}/api/live${since}`);
  socket = connection;
  opened = performance.now();
  connection.onmessage = (event) => take(connection, JSON.parse(event.data));
  connection.onclose = (event) => {
    if (socket !== connection) return;
    socket = null;
    if (event.code === LOGGED_OUT) {
      document.dispatchEvent(new CustomEvent("logged-out"));
      return;
    }
    setTimeout(open, pause * (0.5 + Math.random()));
    pause = Math.min(10000, pause * 2);
  };
}

function take(connection, message) {
  if (connection !== socket) return;
  // What it sends on connecting may be old: then it lives when it goes on from there.
  const fresh = message.age === undefined ? message.type !== "snapshot" && message.seq > seq : message.age !== null && 1000 * message.age < STALE;
  if (fresh) setClock(message.at + (message.age ?? 0));
  if (message.type === "snapshot") {
    epoch = message.epoch;
    replace(message.state);
  } else if ((message.from ?? message.seq - 1) === seq) {
    change(message.set, message.gone);
  } else {
    // Something is missing: it is asked for.
    connection.close();
    return;
  }
  seq = message.seq;
  if (!fresh) return;
  last = message.at;
  heard = performance.now();
  pause = 500;
  setSilentSince(null);
  const back = document.documentElement.dataset.live !== "live";
  show("live", `live ${clock(message.at)}`);
  // A page whose scripts could not be loaded is loaded again.
  if (back) document.dispatchEvent(new CustomEvent("live"));
}

function watch() {
  const quiet = performance.now() - heard;
  if (last !== null && quiet >= SILENT) setSilentSince(last);
  if (out || quiet < STALE) return;
  show("stale", last === null ? "not live yet" : `not live since ${clock(last)}`);
  if (socket && performance.now() - Math.max(heard, opened) > 2 * STALE) {
    const old = socket;
    socket = null;
    old.close();
    open();
  }
}

function show(how, text) {
  const place = document.getElementById("live");
  if (document.documentElement.dataset.live !== how) document.documentElement.dataset.live = how;
  if (place.textContent !== text) place.textContent = text;
  // Read out only when it changes, not each second.
  place.setAttribute("aria-live", how === "live" ? "off" : "polite");
}
