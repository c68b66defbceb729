// What happened: incidents, availability of each component, runs, and all of it as files.
import { get } from "../api.js";
import { h, keepLoaded, notice } from "../dom.js";
import { duration, now, stamp } from "../format.js";
import { badge, checkLink, table } from "../parts.js";
import { around } from "../ranges.js";

const PERIODS = ["24h", "7d", "30d", "90d"];
const SHOWN = 100;
const RUNS = 30;

export function make() {
  const parts = [
    part("incidents", "Incidents of the last 90 days", "/api/incidents", incidents),
    part("availability", "Availability", "/api/availability", availability),
    part("runs", `The last ${RUNS} runs`, "/api/runs", runs, { limit: RUNS }),
  ];
  const element = h("div", {}, h("h1", {}, "History"), parts.map((each) => each.element));
  return { element, end: () => parts.forEach((each) => each.end()) };
}

function part(name, title, path, show, query = {}) {
  const place = h("div");
  const file = (form) => h("a", { href: `/api/export/${name}?format=${form}`, download: `${name}.${form}`, "aria-label": `${title} as ${form.toUpperCase()}` }, form.toUpperCase());
  const element = h("section", { "aria-labelledby": name, data: { test: name } }, h("h2", { id: name }, title), place, h("p", { class: "small export" }, "Export: ", file("csv"), " ", file("json")));
  const kept = keepLoaded(place, () => get(path, query), show, 60);
  return { element, end: kept.end };
}

function availability({ components }) {
  const names = Object.keys(components).sort();
  if (!names.length) return notice("empty", "No round is in the history yet.");
  const cell = (period) => {
    const measured = period.healthy + period.degraded + period.unhealthy;
    const part = period.unmeasured / (measured + period.unmeasured);
    // A share of a few minutes must not look like one of 90 days.
    const basis = period.share !== null && part >= 0.01 ? h("p", { class: "quiet small" }, `of ${duration(measured)} measured`) : null;
    return h("td", {}, period.share === null ? "not measured" : percent(period.share), basis);
  };
  const rows = names.map((name) => h("tr", {}, h("th", { scope: "row" }, name), PERIODS.map((period) => cell(components[name][period]))));
  return table("Availability", ["Component", "24 h", "7 d", "30 d", "90 d"], rows);
}

// Never rounded up to 100: that would hide an outage.
const percent = (share) => `${share === 100 ? "100" : (Math.floor(share * 1000) / 1000).toFixed(3)} %`;

function incidents({ incidents: every }) {
  if (!every.length) return notice("empty", "No incident.");
  const rows = every.slice(0, SHOWN).map((incident) => {
    const lasts = incident.until === null;
    const until = incident.until ?? now();
    const name = incident.kind === "check" ? checkLink(incident.alert, around(incident.since, until)) : incident.alert;
    const notified = incident.notified === null ? "not recorded" : incident.notified.join(", ") || "nobody";
    return h(
      "tr",
      {},
      h("td", {}, lasts ? badge("fail", "ongoing") : badge("pass", "over")),
      h("th", { scope: "row" }, stamp(incident.since)),
      h("td", {}, lasts ? "–" : stamp(until)),
      h("td", {}, duration(Math.max(0, until - incident.since))),
      h("td", { class: "wide" }, name, h("p", { class: "message" }, incident.cause)),
      h("td", {}, incident.blocked.join(", ") || "–"),
      h("td", {}, notified),
      h("td", {}, incident.acknowledged ?? "nobody"),
    );
  });
  return table("Incidents", ["State", "From", "Until", "Length", "Alert and cause", "Blocks", "Notified", "Acknowledged"], rows);
}

function runs({ runs: every }) {
  const rows = every.map((run) => h("tr", {}, h("th", { scope: "row" }, stamp(run.started)), h("td", {}, badge(run.status)), h("td", {}, duration(run.duration)), h("td", {}, run.version ?? "not known")));
  return table("Runs", ["Started", "Status", "Took", "Version"], rows);
}
