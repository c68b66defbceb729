// Reports of installations, as they came in.
import { get } from "../api.js";
import { h, notice } from "../dom.js";
import { duration, stamp } from "../format.js";

const COLUMNS = ["Time", "Outcome", "Version", "Node", "npm", "System", "Took", "Error"];

export function make() {
  const place = h("div", {}, h("p", { class: "quiet" }, "Loading…"));
  get("/api/installs", { limit: 100 })
    .then(({ installs }) => place.replaceChildren(installs.length ? table(installs) : notice("empty", "No report of an installation has come in yet.")))
    .catch((error) => place.replaceChildren(notice("error", error.message)));
  return { element: h("div", {}, h("h1", {}, "Installations"), place), end: () => null };
}

function table(installs) {
  const rows = installs.map((one) => {
    const cells = [one.ok ? "✓ works" : "✕ failed", one.version, one.node, one.npm, [one.os, one.arch].filter(Boolean).join(" "), one.seconds === null ? null : duration(one.seconds), one.error];
    return h("tr", {}, h("th", { scope: "row" }, stamp(one.at)), cells.map((text) => h("td", { class: text === one.error ? "wide" : null }, text ?? "not told")));
  });
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Installations" }, h("table", {}, h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
}
