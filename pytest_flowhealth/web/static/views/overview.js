// The verdict first, then what is wrong, then a tile per component.
import { get } from "../api.js";
import { MANY, checkList } from "../checks.js";
import { h, keep, notice, say } from "../dom.js";
import { ago, duration, now, stamp } from "../format.js";
import { alertState, badge, checkLink, describeThreshold, metricOf, paint, remedy, runbook, thresholdsOf } from "../parts.js";
import { limitSpark, spark } from "../spark.js";
import { strip } from "../strip.js";
import { below, isSilentSince, listen, names, value } from "../store.js";

const WORSE = { unhealthy: 0, unknown: 1, degraded: 2, healthy: 3 };
const WRONG = { fail: 0, unknown: 1, warn: 2 };

// Seconds of a tile's line.
const SPAN = 6 * 3600;

// Problems that are shown in full; the list of checks has all.
const MOST = 10;

export function make() {
  const verdict = h("h1", { class: "verdict", data: { test: "status" } }, h("span", { "aria-hidden": "true" }), h("span", {}, "Loading…"));
  const when = h("p", { class: "quiet" });
  const reasons = h("ul", { class: "plain reasons" });
  const wrong = h("div", { class: "wrong" });
  const tiles = h("div", { class: "tiles" });
  const all = checkList();
  const pasts = new Map();
  const absent = h("p", { class: "quiet", data: { test: "not-monitored" } });
  const sparks = [spark("system.cpu", "CPU"), spark("system.memory", "Memory"), spark("system.disk", "Disk")];
  const wrongPart = h("section", { "aria-labelledby": "wrong" }, h("h2", { id: "wrong" }, "Problems"), wrong);
  const element = h(
    "div",
    {},
    h("section", { class: "head" }, verdict, when, reasons),
    wrongPart,
    h("section", { "aria-labelledby": "parts" }, h("h2", { id: "parts" }, "Components"), tiles, absent),
    all.element,
    h("section", { "aria-labelledby": "machine", data: { test: "machine" } }, h("h2", { id: "machine" }, "This machine"), h("div", { class: "sparks" }, sparks.map((line) => line.element))),
  );
  const update = () => {
    const monitor = value("monitor");
    if (!monitor) return;
    head(monitor, verdict, when, reasons);
    wrongPart.hidden = !problems(wrong);
    components(tiles, pasts);
    all.update();
    const names = monitor.not_monitored ?? [];
    absent.hidden = !names.length;
    say(absent, `Not monitored: ${names.join(", ")}. Add one with --health-component NAME, or all with --health-all.`);
  };
  // Once for each round that ends.
  let latest;
  const remember = async () => {
    const at = value("monitor")?.at ?? null;
    if (latest === at) return;
    latest = at;
    const found = await get("/api/rounds", { limit: 40 }).catch(() => null);
    for (const [name, past] of pasts) past.bars.update(found?.components[name] ?? []);
    for (const [name, past] of pasts) {
      const worst = worstOf(value(`component:${name}`));
      if (worst && latest === at) await past.line.update(metricOf(worst.check, worst.threshold.measurement), worst.threshold);
    }
  };
  update();
  remember();
  const end = listen(["monitor", "component:", "check:", "alert:"], () => {
    update();
    remember();
  });
  const clock = setInterval(update, 5000);
  return {
    element,
    end: () => {
      end();
      clearInterval(clock);
      for (const line of sparks) line.end();
    },
  };
}

function head(monitor, verdict, when, reasons) {
  const status = monitor.status;
  paint(verdict, status);
  const silent = isSilentSince();
  const failing = below("check:").filter((check) => check.outcome in WRONG && !check.blocked_by).length;
  const skipped = below("check:").some((check) => check.outcome === "skip");
  const words = { healthy: `Healthy: every check${skipped ? " that applies" : ""} passed`, degraded: `Degraded: ${things(failing)}`, unhealthy: `Unhealthy: ${things(failing)}`, unknown: "Unknown: not every check has a result" };
  say(verdict.lastChild, silent === null ? (status ? words[status] : "The first round is running") : "Unknown: the monitor is silent");
  if (silent !== null) {
    say(when, `last message at ${stamp(silent)}; it was ${monitor.lastKnown ?? "unknown"} then`);
    reasons.replaceChildren();
    return;
  }
  const next = monitor.running ? "a round is running" : monitor.next ? `next round in ${duration(Math.max(1, Math.round(monitor.next - now())))}` : "";
  const since = monitor.since && status !== "healthy" ? `since ${stamp(monitor.since)} (${ago(monitor.since)})` : "";
  say(when, [since, monitor.version ? `version ${monitor.version}` : "", monitor.at ? `checked ${ago(monitor.at)}` : "", next, monitor.late ? `${monitor.late} skipped ${monitor.late === 1 ? "round" : "rounds"}` : ""].filter(Boolean).join(" · "));
  const firing = monitor.firing ? [monitor.firing === 1 ? "one alert is firing" : `${monitor.firing} alerts are firing`] : [];
  const fleet = monitor.fleet_problem ? [`The fleet can't be read: ${monitor.fleet_problem}`] : [];
  keep(reasons, [...monitor.reasons, ...fleet, ...firing], (text) => text, () => h("li"), (item, text) => say(item, text));
}

const things = (count) => (count === 0 ? "see below" : count === 1 ? "one check has a problem" : `${count} checks have problems`);

// Root causes; what they keep from running is listed with them.
function problems(place) {
  // A silent monitor is one problem, not one for each check.
  const every = isSilentSince() === null ? below("check:") : [];
  const causes = every.filter((check) => check.outcome in WRONG && !check.blocked_by).sort((first, second) => WRONG[first.outcome] - WRONG[second.outcome] || first.id.localeCompare(second.id));
  const shown = causes.slice(0, MOST);
  keep(place, [...shown, ...(causes.length > MOST ? [{ id: "", rest: causes.length - MOST }] : [])], (check) => check.id, problem, (card, check) => {
    if (check.rest) {
      card.replaceChildren(h("p", {}, `${check.rest} more: see `, h("a", { href: "#checks" }, "all checks")));
      return;
    }
    const text = JSON.stringify([check.outcome, check.message, check.remedy, blocked(every, check.id), check.since && ago(check.since), value(`alert:${check.id}`) ?? null]);
    if (card.dataset.text === text) return;
    card.dataset.text = text;
    fill(card, check, blocked(every, check.id));
  });
  return causes.length;
}

const blocked = (every, id) => every.filter((check) => check.blocked_by === id).map((check) => check.id);

const problem = (check) => h("article", { class: "card problem", data: { test: `problem-${check.id}` } });

function fill(card, check, ids) {
  const more = ids.length ? h("p", { class: "small quiet" }, `Blocks: ${ids.join(", ")}`) : null;
  card.dataset.status = check.outcome;
  card.replaceChildren(...[h("h3", {}, badge(check.outcome), " ", checkLink(check.id), check.since ? h("span", { class: "since quiet small" }, ` since ${stamp(check.since)} (${ago(check.since)})`) : ""), h("p", { class: "message" }, check.message || (thresholdsOf(check).length ? describeThreshold(thresholdsOf(check)[0]) : "")), remedy(check.remedy), runbook(value(`alert:${check.id}`)?.runbook), alertState(check.id), more].filter(Boolean));
}

// What its cause measured; without a cause, what comes nearest to its limit.
const worstOf = (component) => nearest(component?.cause ? [component.cause] : component?.checks ?? []);

// The figure that is past its limit, else the one that comes nearest to it.
function nearest(ids) {
  const share = ({ threshold }) => {
    const limit = threshold.warn ?? threshold.fail;
    const part = threshold.better === "higher" ? limit / threshold.observed : threshold.observed / limit;
    return Number.isFinite(part) ? part : 0;
  };
  const severity = ({ threshold }) => WRONG[threshold.outcome] ?? 3;
  return ids
    .map((id) => value(`check:${id}`))
    .filter(Boolean)
    .flatMap((check) => thresholdsOf(check).map((threshold) => ({ check, threshold })))
    .filter(({ threshold }) => Number.isFinite(threshold.observed))
    .sort((first, second) => severity(first) - severity(second) || share(second) - share(first))[0];
}

function components(place, pasts) {
  const every = names("component:").sort((first, second) => (WORSE[value(`component:${first}`).status] ?? 4) - (WORSE[value(`component:${second}`).status] ?? 4) || first.localeCompare(second));
  if (!every.length) {
    if (!place.querySelector(".quiet")) place.replaceChildren(notice("quiet", "No component has been checked yet: the first round is running."));
    return;
  }
  if (place.querySelector(":scope > .quiet")) place.replaceChildren();
  keep(place, every, (name) => name, (name) => tile(name, pasts), refresh);
}

function tile(name, pasts) {
  const list = h("details", {}, h("summary", {}, ""), h("ul", { class: "plain checks" }));
  const past = { bars: strip(`The last rounds of ${name}`), line: limitSpark(SPAN) };
  pasts.set(name, past);
  return h("article", { class: "card tile", data: { test: `component-${name}` } }, h("h3", {}, h("span", { class: "name" }, name), " ", badge(null)), h("p", { class: "cause" }), h("p", { class: "worst" }), past.line.element, past.bars.element, h("p", { class: "quiet small checked" }), list);
}

function refresh(card, name) {
  const component = value(`component:${name}`);
  card.dataset.status = component.status ?? "none";
  paint(card.querySelector(".badge"), component.status);
  const checks = component.checks.map((id) => value(`check:${id}`)).filter(Boolean);
  const worst = worstOf(component);
  const message = (component.message ?? "").split("\n")[0];
  say(card.querySelector(".worst"), message || (worst ? describeThreshold(worst.threshold) : ""));
  const since = component.status && component.status !== "healthy" && component.since ? ` since ${stamp(component.since)} (${ago(component.since)})` : "";
  const cause = card.querySelector(".cause");
  const text = `${component.cause ?? ""}|${since}`;
  if (cause.dataset.text !== text) {
    cause.dataset.text = text;
    cause.replaceChildren(...(component.cause ? [checkLink(component.cause)] : []), h("span", { class: "quiet small" }, since));
  }
  say(card.querySelector(".checked"), component.at ? `checked ${ago(component.at)}` : checks.length && checks.every((check) => check.outcome === "skip") ? "skipped, or not applicable here" : "this round is still running");
  say(card.querySelector("summary"), `${checks.length} ${checks.length === 1 ? "check" : "checks"}`);
  // Long lists are below, with search.
  const listed = checks.length < MANY ? checks : checks.filter((check) => check.outcome in WRONG).slice(0, MANY);
  keep(card.querySelector("ul"), listed, (check) => check.id, (check) => h("li", { data: { test: `check-${check.id}` } }, badge(check.outcome), " ", checkLink(check.id)), (item, check) => paint(item.firstChild, check.outcome));
}
