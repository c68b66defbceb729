// One check: what it says, its figures against their limits, and how they went.
import { chart } from "../chart.js";
import { h, notice } from "../dom.js";
import { duration, stamp } from "../format.js";
import { badge, checkLink, metricOf, paint, remedy, thresholdTable } from "../parts.js";
import { buttons } from "../ranges.js";
import { listen, names, value } from "../store.js";

export function make(id) {
  const status = badge(null);
  const facts = h("div");
  const charts = h("div", { class: "charts" });
  const ranges = buttons();
  const element = h("div", {}, h("h1", {}, status, " ", h("span", { class: "name" }, id)), facts, h("section", { "aria-labelledby": "went" }, h("h2", { id: "went" }, "How it went"), ranges.element, charts));
  const drawn = new Map();
  let before = "";
  const update = () => {
    const one = value(`check:${id}`);
    paint(status, one?.outcome ?? null);
    const text = JSON.stringify(one ?? null);
    if (text === before && facts.firstChild) return;
    before = text;
    // What somebody opened stays open.
    const open = facts.querySelector("details")?.open;
    facts.replaceChildren(...(one ? described(one) : [unknown(id)]));
    const fold = facts.querySelector("details");
    if (open && fold) fold.open = true;
    if (one) draw(one, charts, drawn);
  };
  update();
  const end = listen([`check:${id}`, "monitor"], update);
  return {
    element,
    end: () => {
      end();
      ranges.end();
      for (const one of drawn.values()) one.end();
    },
  };
}

function unknown(id) {
  if (!names("check:").length) return notice("quiet", "Loading…");
  return notice("empty", `No check ${id} has run since the monitor began.`);
}

function described(one) {
  const rows = [
    ["Component", one.component],
    ["Looked at", stamp(one.at)],
    ["Took", duration(one.duration)],
    ["Critical", one.critical === false ? "no" : "yes"],
    ["Attempts", one.attempts > 1 ? String(one.attempts) : null],
  ];
  const list = h("dl", { class: "facts" }, rows.filter(([, text]) => text).map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
  return [
    one.message ? h("p", { class: "message" }, one.message) : null,
    one.blocked_by ? h("p", {}, "It could not run for ", checkLink(one.blocked_by), ".") : null,
    one.outcome === "pass" ? null : remedy(one.remedy),
    list,
    h("h2", {}, "Figures"),
    thresholdTable(one),
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
    const metric = metricOf(one.component, each.name) + suffix(one.id);
    if (drawn.has(metric)) continue;
    const limits = (one.thresholds ?? []).filter((limit) => limit.measurement === each.name);
    const made = chart(metric, each.unit, limits);
    drawn.set(metric, made);
    place.append(made.element);
  }
  if (!measured.length && !place.firstChild) place.append(h("p", { class: "quiet" }, "This check measures nothing."));
}

// The parametrisation of a check is part of its metrics' names.
function suffix(id) {
  const at = id.indexOf("[");
  return at < 0 ? "" : id.slice(at);
}
