// What happened: availability of each component, incidents, runs, and all of it as files.
import { get } from "../api.js";
import { h, notice } from "../dom.js";
import { duration, now, stamp } from "../format.js";
import { badge, checkLink } from "../parts.js";

const PERIODS = ["24h", "7d", "30d", "90d"];
const AROUND = 1800;
const SHOWN = 100;

export function make() {
  const parts = [
    part("availability", "Availability", "/api/availability", availability),
    part("incidents", "Incidents of the last 90 days", "/api/incidents", incidents),
    part("runs", "Runs", "/api/runs", runs, { limit: SHOWN }),
  ];
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const element = h("div", {}, h("h1", {}, "History"), h("p", { class: "quiet small" }, `Times are in ${zone}.`), parts.map((one) => one.element));
  return { element, end: () => parts.forEach((one) => one.end()) };
}

function part(name, title, path, shown, query = {}) {
  const place = h("div", {}, h("p", { class: "quiet" }, "Loading…"));
  const files = h("p", { class: "small" }, "Export: ", h("a", { href: `/api/export/${name}?format=csv`, download: `${name}.csv`, "aria-label": `${title} as CSV` }, "CSV"), " ", h("a", { href: `/api/export/${name}?format=json`, download: `${name}.json`, "aria-label": `${title} as JSON` }, "JSON"));
  const load = () =>
    get(path, query)
      .then((found) => place.replaceChildren(shown(found)))
      .catch((error) => place.replaceChildren(notice("error", error.message)));
  load();
  const timer = setInterval(load, 60000);
  return { element: h("section", { "aria-labelledby": name, data: { test: name } }, h("h2", { id: name }, title), place, files), end: () => clearInterval(timer) };
}

function table(label, head, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
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
  const rows = every.slice(0, SHOWN).map((one) => {
    const until = one.until ?? now();
    const around = `?since=${Math.floor(one.since - AROUND)}&until=${Math.ceil(until + AROUND)}`;
    const name = one.kind === "check" ? checkLink(one.alert, around) : one.alert;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, stamp(one.since)),
      h("td", {}, one.until === null ? badge("fail") : stamp(one.until), one.until === null ? " lasts" : ""),
      h("td", {}, duration(until - one.since)),
      h("td", {}, name),
      h("td", { class: "wide message" }, one.cause),
      h("td", {}, one.blocked.join(", ") || "–"),
      h("td", {}, one.notified === null ? "not recorded" : one.notified.join(", ") || "nobody"),
      h("td", {}, one.acknowledged ?? (one.until === null ? "–" : "not recorded")),
    );
  });
  return table("Incidents", ["From", "Until", "Length", "Alert", "Cause", "Blocks", "Notified", "Acknowledged"], rows);
}

function runs({ runs: every }) {
  const rows = every.map((one) => h("tr", {}, h("th", { scope: "row" }, stamp(one.started)), h("td", {}, badge(one.status)), h("td", {}, duration(one.duration)), h("td", {}, one.version ?? "not known")));
  return table("Runs", ["Started", "Status", "Took", "Version"], rows);
}
