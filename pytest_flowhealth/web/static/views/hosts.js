// The hosts and targets that report to the same history.
import { get } from "../api.js";
import { h, notice } from "../dom.js";
import { ago, now } from "../format.js";
import { badge } from "../parts.js";

const AGAIN = 10000;

export function make() {
  const place = h("div", {}, h("p", { class: "quiet" }, "Loading…"));
  const load = () =>
    get("/api/hosts")
      .then((found) => place.replaceChildren(...shown(found)))
      .catch((error) => place.replaceChildren(notice("error", error.message)));
  load();
  const timer = setInterval(load, AGAIN);
  return { element: h("div", {}, h("h1", {}, "Hosts"), place), end: () => clearInterval(timer) };
}

const silent = (one) => !one.current && one.status === "unknown" && now() - one.at > 900;

function shown({ hosts, source }) {
  const rows = hosts.map((one) => h("tr", {}, h("th", { scope: "row" }, one.host, one.current ? " (this one)" : ""), h("td", {}, one.target), h("td", {}, badge(one.status), silent(one) ? h("p", { class: "small quiet" }, "silent: its last verdict is too old") : null), h("td", {}, ago(one.at))));
  const head = ["Host", "Target", "Status", "Last round"].map((name) => h("th", { scope: "col" }, name));
  const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Hosts" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
  const hint = source === "file" ? notice("quiet", "This history is a file of this host alone. Several hosts can report to one server: see docs/scale.md.") : null;
  return [table, hint].filter(Boolean);
}
