// Which stretch of time a chart shows. It is in the address, so that a view can be sent as a link.
import { h } from "./dom.js";

const LENGTHS = { "15m": 900, "1h": 3600, "24h": 86400, "7d": 604800, "90d": 7776000 };
const NAMES = { "15m": "15 min", "1h": "1 h", "24h": "24 h", "7d": "7 d", "90d": "90 d" };

export function range(usual = "1h") {
  const asked = new URLSearchParams(location.search);
  const since = Number(asked.get("since"));
  const until = Number(asked.get("until"));
  if (since > 0 && until > since) return { since, until, live: false, name: null };
  const name = asked.get("range") in LENGTHS ? asked.get("range") : usual;
  const now = Date.now() / 1000;
  return { since: now - LENGTHS[name], until: now, live: true, name };
}

export function choose(query) {
  history.replaceState(null, "", `${location.pathname}?${new URLSearchParams(query)}`);
  document.dispatchEvent(new CustomEvent("range"));
}

export function buttons(usual = "1h", names = Object.keys(LENGTHS)) {
  const every = names.map((name) => h("button", { "data-range": name, onclick: () => choose({ range: name }) }, NAMES[name]));
  const group = h("div", { class: "ranges", role: "group", "aria-label": "Time range" }, every);
  const mark = () => {
    const chosen = range(usual).name;
    for (const one of every) one.setAttribute("aria-pressed", String(one.dataset.range === chosen));
  };
  mark();
  document.addEventListener("range", mark);
  return { element: group, end: () => document.removeEventListener("range", mark) };
}
