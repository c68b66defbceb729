// The hosts and targets that report to the same history.
import { get } from "../api.js";
import { h, keepLoaded, notice } from "../dom.js";
import { ago, now } from "../format.js";
import { badge, table } from "../parts.js";

export function make() {
  const place = h("div");
  const kept = keepLoaded(place, () => get("/api/hosts"), show, 10);
  return { element: h("div", {}, h("h1", {}, "Hosts"), place), end: kept.end };
}

const isSilent = (host) => !host.current && host.status === "unknown" && now() - host.at > 900;

function show({ hosts, source }) {
  const rows = hosts.map((host) => h("tr", {}, h("th", { scope: "row" }, host.host, host.current ? " (this one)" : ""), h("td", {}, host.target), h("td", {}, badge(host.status), isSilent(host) ? h("p", { class: "small quiet" }, "silent: its last verdict is too old") : null), h("td", {}, ago(host.at))));
  const hint = source === "file" ? notice("quiet", "This history is a file of this host alone. Several hosts can report to one server: see docs/scale.md.") : null;
  return [table("Hosts", ["Host", "Target", "Status", "Last round"], rows), hint];
}
