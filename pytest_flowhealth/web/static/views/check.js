// One check: what it says, its figures against their limits, and how they went.
import { get } from "../api.js";
import { chart } from "../chart.js";
import { h, keepLoaded, notice, say } from "../dom.js";
import { ago, duration, figure, limit, stamp, thresholdName } from "../format.js";
import { alertState, badge, checkLink, metricOf, paint, remedy, runbook, thresholdTable } from "../parts.js";
import { buttons } from "../ranges.js";
import { strip } from "../strip.js";
import { listen, names, value } from "../store.js";

export function make(id) {
  const status = badge(null);
  const when = h("p", { class: "quiet when" });
  const facts = h("div");
  const charts = h("div", { class: "charts" });
  const ranges = buttons();
  const rounds = strip(`The last rounds of ${id}`);
  const past = h("div", { class: "usual" });
  const element = h("div", {}, h("h1", {}, status, " ", h("span", { class: "name" }, id)), when, facts, rounds.element, past, h("section", { "aria-labelledby": "went" }, h("h2", { id: "went" }, "History"), ranges.element, charts));
  const drawn = new Map();
  let before = "";
  const update = () => {
    const check = value(`check:${id}`);
    paint(status, check?.outcome ?? null);
    say(when, check ? times(check) : "");
    const text = JSON.stringify([names("check:").length > 0, check ?? null, value(`alert:${id}`) ?? null]);
    if (text === before && facts.firstChild) return;
    before = text;
    // What somebody opened stays open.
    const open = facts.querySelector("details")?.open;
    facts.replaceChildren(...(check ? described(check) : [unknown(id)]));
    const fold = facts.querySelector("details");
    if (open && fold) fold.open = true;
    if (check) draw(check, charts, drawn);
    kept?.load();
  };
  // What it measured before: a check that fails measures nothing, and that is when people come here.
  let kept = null;
  const show = (found) => {
    rounds.update(found.rounds, found.unit);
    if (found.result) draw(found.result, charts, drawn);
    else if (!drawn.size) charts.replaceChildren(h("p", { class: "quiet" }, "This check has measured nothing so far."));
    return usual(found, value(`check:${id}`));
  };
  update();
  kept = keepLoaded(past, () => get("/api/check", { id, limit: 60 }), show, 60);
  const end = listen([`check:${id}`, `alert:${id}`, "monitor"], update);
  const clock = setInterval(update, 5000);
  return {
    element,
    end: () => {
      clearInterval(clock);
      kept.end();
      end();
      ranges.end();
      for (const each of drawn.values()) each.end();
    },
  };
}

function unknown(id) {
  if (!names("check:").length) return notice("quiet", "Loading…");
  return notice("empty", `No check ${id} has run since the monitor began.`);
}

// Limits and normal values from the last result that has some, where the current one has none.
function usual(found, current) {
  if (!found.result || current?.measurements?.length) return [];
  const limits = found.result.thresholds ?? [];
  const lines = found.usual.map((measured) => h("li", {}, h("strong", {}, measured.metric), ` normally ${figure(measured.mean, measured.unit)}, between ${figure(measured.min, measured.unit)} and ${figure(measured.max, measured.unit)} (last 7 days)`));
  const held = limits.map((threshold) => h("li", {}, h("strong", {}, thresholdName(threshold)), ` ${limit(threshold)}; last measured ${figure(threshold.observed, threshold.unit)}`));
  return [h("h2", {}, "What it normally measures"), h("p", { class: "quiet small" }, `It last measured at ${stamp(found.measured)} (${ago(found.measured)}).`), h("ul", { class: "plain", data: { test: "usual" } }, lines, held)];
}

const STATES = { pass: "passing", warn: "warning", fail: "failing", unknown: "unknown", skip: "skipped" };

function times(check) {
  const since = check.since ? `${STATES[check.outcome] ?? check.outcome} since ${stamp(check.since)} (${ago(check.since)})` : "";
  return [since, `checked ${ago(check.at)}`].filter(Boolean).join(" · ");
}

function described(check) {
  const rows = [
    ["Component", check.component],
    ["Took", duration(check.duration)],
    ["Critical", check.critical === false ? "no" : "yes"],
    ["Attempts", check.attempts > 1 ? String(check.attempts) : null],
  ];
  const list = h("dl", { class: "facts" }, rows.filter(([, text]) => text).map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
  return [
    check.message ? h("p", { class: "message" }, check.message) : null,
    check.blocked_by ? h("p", {}, "Blocked by ", checkLink(check.blocked_by), ".") : null,
    check.outcome === "pass" ? null : remedy(check.remedy),
    check.outcome !== "pass" && check.details?.diagnosis ? h("p", { class: "message" }, h("strong", {}, "See: "), check.details.diagnosis) : null,
    check.outcome === "pass" ? null : runbook(value(`alert:${check.id}`)?.runbook),
    alertState(check.id),
    list,
    check.measurements?.length || check.thresholds?.length ? h("h2", {}, "Measurements") : null,
    check.measurements?.length || check.thresholds?.length ? thresholdTable(check) : null,
    Object.keys(check.details ?? {}).length ? h("details", { class: "tree" }, h("summary", {}, "Details"), tree(check.details)) : null,
  ].filter(Boolean);
}

function tree(content) {
  if (content === null || typeof content !== "object") return h("span", {}, String(content));
  const pairs = Object.entries(content);
  if (!pairs.length) return h("span", { class: "quiet" }, "none");
  return h("ul", {}, pairs.map(([name, child]) => h("li", {}, Array.isArray(content) ? "" : h("strong", {}, `${name}: `), tree(child))));
}

function draw(check, place, drawn) {
  const measured = check.measurements ?? [];
  for (const each of measured) {
    const metric = metricOf(check, each.name);
    if (drawn.has(metric)) continue;
    const limits = (check.thresholds ?? []).filter((limit) => limit.measurement === each.name);
    place.querySelector(":scope > p")?.remove();
    const made = chart(metric, each.unit, limits, check.id);
    drawn.set(metric, made);
    place.append(made.element);
  }
}
