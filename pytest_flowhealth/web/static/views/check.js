// One check: what it says, its figures against their limits, and how they went.
import { get } from "../api.js";
import { chart } from "../chart.js";
import { h, keepLoaded, notice, say } from "../dom.js";
import { ago, duration, figure, limit, stamp, thresholdName } from "../format.js";
import { badge, checkLink, metricOf, paint, remedy, runbook, thresholdTable } from "../parts.js";
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
    const one = value(`check:${id}`);
    paint(status, one?.outcome ?? null);
    say(when, one ? times(one) : "");
    const text = JSON.stringify(one ?? null);
    if (text === before && facts.firstChild) return;
    before = text;
    // What somebody opened stays open.
    const open = facts.querySelector("details")?.open;
    facts.replaceChildren(...(one ? described(one) : [unknown(id)]));
    const fold = facts.querySelector("details");
    if (open && fold) fold.open = true;
    if (one) draw(one, charts, drawn);
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
  const end = listen([`check:${id}`, "monitor"], update);
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
  const lines = found.usual.map((one) => h("li", {}, h("strong", {}, one.metric), ` normally ${figure(one.mean, one.unit)}, between ${figure(one.min, one.unit)} and ${figure(one.max, one.unit)} (last 7 days)`));
  const held = limits.map((one) => h("li", {}, h("strong", {}, thresholdName(one)), ` ${limit(one)}; last measured ${figure(one.observed, one.unit)}`));
  return [h("h2", {}, "What it normally measures"), h("p", { class: "quiet small" }, `It last measured at ${stamp(found.measured)} (${ago(found.measured)}).`), h("ul", { class: "plain", data: { test: "usual" } }, lines, held)];
}

const STATES = { pass: "passing", warn: "warning", fail: "failing", unknown: "unknown", skip: "skipped" };

function times(check) {
  const since = check.since ? `${STATES[check.outcome] ?? check.outcome} since ${stamp(check.since)} (${ago(check.since)})` : "";
  return [since, `checked ${ago(check.at)}`].filter(Boolean).join(" · ");
}

function described(one) {
  const rows = [
    ["Component", one.component],
    ["Took", duration(one.duration)],
    ["Critical", one.critical === false ? "no" : "yes"],
    ["Attempts", one.attempts > 1 ? String(one.attempts) : null],
  ];
  const list = h("dl", { class: "facts" }, rows.filter(([, text]) => text).map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
  return [
    one.message ? h("p", { class: "message" }, one.message) : null,
    one.blocked_by ? h("p", {}, "Blocked by ", checkLink(one.blocked_by), ".") : null,
    one.outcome === "pass" ? null : remedy(one.remedy),
    one.outcome === "pass" ? null : runbook(value(`alert:${one.id}`)?.runbook),
    list,
    one.measurements?.length || one.thresholds?.length ? h("h2", {}, "Measurements") : null,
    one.measurements?.length || one.thresholds?.length ? thresholdTable(one) : null,
    Object.keys(one.details ?? {}).length ? h("details", { class: "tree" }, h("summary", {}, "Details"), tree(one.details)) : null,
  ].filter(Boolean);
}

function tree(content) {
  if (content === null || typeof content !== "object") return h("span", {}, String(content));
  const pairs = Object.entries(content);
  if (!pairs.length) return h("span", { class: "quiet" }, "none");
  return h("ul", {}, pairs.map(([name, one]) => h("li", {}, Array.isArray(content) ? "" : h("strong", {}, `${name}: `), tree(one))));
}

function draw(one, place, drawn) {
  const measured = one.measurements ?? [];
  for (const each of measured) {
    const metric = metricOf(one, each.name);
    if (drawn.has(metric)) continue;
    const limits = (one.thresholds ?? []).filter((limit) => limit.measurement === each.name);
    place.querySelector(":scope > p")?.remove();
    const made = chart(metric, each.unit, limits, one.id);
    drawn.set(metric, made);
    place.append(made.element);
  }
}
