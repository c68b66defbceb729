// Reports of installations: how many went well, where they failed, and the last ones.
import { get } from "../api.js";
import { h, keepLoaded, notice, say } from "../dom.js";
import { ago, count, duration, stamp } from "../format.js";
import { badge, table } from "../parts.js";
import { buttons, range } from "../ranges.js";

const AGAIN = 15;
const USUAL = "7d";
const SHOWN = 50;
const PERCENT = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const OFF = "Reports are not received: [feedback] receive = \"token\" in flowhealth.toml switches it on.";
const SEND = "pytest --health --health-submit sends one after an installation; see docs/reports.md.";
const HOW = {
  token: `No reports in this period. Senders need a token with the scope report: ${SEND}`,
  open: `No reports in this period. Anybody may send them: ${SEND}`,
  off: OFF,
};

export function make() {
  const place = h("div");
  const ranges = buttons(USUAL, ["1h", "24h", "7d", "90d"]);
  const ask = () => {
    const { since, until, live } = range(USUAL);
    return get("/api/installs", { since, limit: SHOWN, ...(live ? {} : { until }) });
  };
  const kept = keepLoaded(place, ask, show, AGAIN);
  document.addEventListener("range", kept.load);
  const end = () => {
    kept.end();
    document.removeEventListener("range", kept.load);
    ranges.end();
  };
  return { element: h("div", {}, h("h1", {}, "Installations"), ranges.element, place), end };
}

function show(found) {
  const every = found.succeeded + found.failed;
  const hints = [found.contexts ? notice("error", found.contexts) : null];
  if (!every && !found.installs.length) return [...hints, notice("empty", HOW[found.receive])].filter(Boolean);
  if (found.receive === "off") hints.push(notice("quiet", OFF));
  return [
    ...hints,
    facts(found, every),
    section("kinds", "Errors", found.kinds.length ? kinds(found.kinds) : h("p", { class: "quiet" }, "No installation failed.")),
    section("nodes", "By Node", parts("Node", found.nodes)),
    section("versions", "By version", parts("Version", found.versions)),
    section("platforms", "By platform", parts("Platform", found.platforms)),
    section("last", "The last reports", table("The last reports", ["Time", "Outcome", "Version", "Node", "npm", "Platform", "Took", "Error"], found.installs.map(row))),
  ].filter(Boolean);
}

function facts(found, every) {
  const known = found.success !== null;
  const share = known ? `${PERCENT.format(found.success)} %` : "not reported";
  const why = known ? `95 %: ${PERCENT.format(found.low)} to ${PERCENT.format(found.high)} %` : `fewer than ${found.fewest} reports tell none`;
  const every4 = [["Success", share, why, "success"], ["Reports", count(every), found.packages.join(", "), "total"], ["Went well", count(found.succeeded), null, "succeeded"], ["Failed", count(found.failed), null, "failed"]];
  return h("dl", { class: "facts" }, every4.map(([name, text, more, test]) => h("div", {}, h("dt", {}, name), h("dd", { data: { test: `installs-${test}` } }, text), more ? h("dd", { class: "quiet small" }, more) : null)));
}

function section(id, title, content) {
  return h("section", { "aria-labelledby": id, data: { test: `installs-${id}` } }, h("h2", { id }, title), content);
}

function parts(name, every) {
  const rows = every.map((report) => {
    const total = report.succeeded + report.failed;
    return h("tr", {}, h("th", { scope: "row" }, report.name ?? "not reported"), h("td", {}, count(total)), h("td", {}, count(report.failed)), h("td", {}, `${PERCENT.format((100 * report.failed) / total)} %`));
  });
  return table(`Installations by ${name}`, [name, "Reports", "Failed", "Share failed"], rows);
}

const most = (pairs) => pairs.slice(0, 3).map(([name, number]) => `${name} (${number})`).join(", ") || "not reported";

function kinds(every) {
  const rows = every.map((report) =>
    h("tr", {}, h("th", { scope: "row", class: "wide" }, report.error || "no error was reported", h("br"), h("span", { class: "quiet small" }, `${report.package}, at ${report.step}, ${report.fingerprint}`)), h("td", {}, count(report.count)), h("td", {}, count(report.sources)), h("td", {}, ago(report.last)), h("td", {}, most(report.nodes)), h("td", {}, most(report.platforms))),
  );
  return table("Errors", ["Error", "Reports", "Networks", "Last", "Node", "Platform"], rows);
}

function row(report) {
  const cells = [report.version, report.node, report.npm, report.platform, report.seconds === null ? "not measured" : duration(report.seconds)];
  return h("tr", {}, h("th", { scope: "row" }, stamp(report.at)), h("td", {}, badge(report.ok ? "pass" : "fail")), cells.map((text) => h("td", {}, text ?? "not reported")), h("td", { class: "wide" }, report.error || (report.ok ? "" : "no error was reported"), report.sealed ? context(report.number) : null));
}

// The context of an error is opened only when somebody asks for it.
function context(number) {
  const text = h("pre", {}, "Loading…");
  const ask = (event) => {
    if (!event.target.open || text.dataset.asked) return;
    text.dataset.asked = "yes";
    get(`/api/installs/${number}/context`)
      .then((found) => say(text, found.context))
      .catch((error) => say(text, error.message));
  };
  return h("details", { ontoggle: ask }, h("summary", {}, "context of the error"), text);
}
