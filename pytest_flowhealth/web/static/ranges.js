// Which stretch of time a chart shows. It is in the address, so that a view can be sent as a link.
import { h } from "./dom.js";
import { now } from "./format.js";

const LENGTHS = { "15m": 900, "1h": 3600, "24h": 86400, "7d": 604800, "90d": 7776000 };
const USUAL = "1h";
const NAMES = { "15m": "15 min", "1h": "1 h", "24h": "24 h", "7d": "7 d", "90d": "90 d" };

export function range(usual = USUAL) {
  const asked = new URLSearchParams(location.search);
  const since = Number(asked.get("since"));
  const until = Number(asked.get("until"));
  if (since > 0 && until > since) return { since, until, live: false, name: null };
  const name = Object.hasOwn(LENGTHS, asked.get("range")) ? asked.get("range") : usual;
  const end = now();
  return { since: end - LENGTHS[name], until: end, live: true, name };
}

// Each choice is a step of the browser's history, so that "back" leads out of a zoom.
export function choose(query) {
  const path = `${location.pathname}?${new URLSearchParams(query)}`;
  if (path !== location.pathname + location.search) history.pushState(null, "", path);
  document.dispatchEvent(new CustomEvent("range"));
}

const AROUND = 1800;

// The query of a page that shows a period, and half an hour on both sides of it.
export const around = (since, until) => `?${new URLSearchParams({ since: Math.floor(since - AROUND), until: Math.ceil(until + AROUND) })}`;

// The query of a page that shows what has lasted since then, and goes on.
export function upToNow(since) {
  const name = Object.keys(LENGTHS).find((each) => LENGTHS[each] > 1.2 * (now() - since)) ?? "90d";
  return `?range=${name}`;
}

export const unzoom = () => choose({ range: USUAL });

export function buttons(usual = USUAL, names = Object.keys(LENGTHS)) {
  const every = names.map((name) => h("button", { "data-range": name, onclick: () => choose({ range: name }) }, NAMES[name]));
  const out = h("button", { onclick: unzoom, data: { test: "unzoom" } }, "Leave the zoom");
  const group = h("div", { class: "ranges", role: "group", "aria-label": "Time range" }, every, out);
  const mark = () => {
    const chosen = range(usual).name;
    out.hidden = chosen !== null;
    for (const button of every) button.setAttribute("aria-pressed", String(button.dataset.range === chosen));
  };
  mark();
  document.addEventListener("range", mark);
  return { element: group, end: () => document.removeEventListener("range", mark) };
}
