// Parts that several pages show: a status, a check's line, a remedy to copy.
import { attribute, h, keep, say } from "./dom.js";
import { figure, limit, stamp, symbol, thresholdName } from "./format.js";
import { value } from "./store.js";

export function badge(status, word) {
  const element = paint(h("span", { class: "badge" }, h("span", { "aria-hidden": "true" }), h("span", {})), status);
  if (word) say(element.lastChild, word);
  return element;
}

// Never by colour alone: a sign and a word besides.
export function paint(element, status) {
  const name = status ?? "not checked yet";
  attribute(element, "data-status", status ?? "none");
  say(element.firstChild, symbol(status));
  say(element.lastChild, name);
  return element;
}

export const checkLink = (id, query = "") => h("a", { href: `/check/${encodeURIComponent(id)}${query}`, "data-link": true }, id);

// A command is offered to copy; a sentence is shown as one, also if it begins with a command ("npm ping shows …").
// In doubt it is a sentence: who copies half of one into a shell runs something that nobody meant.
const PROGRAM = /^(?:sudo |npx )*(?:[\w.-]*\/[\w./-]+|npm|npx|pnpm|yarn|bun|corepack|node|nvm|python3?|pip|pipx|uv|docker|docker-compose|podman|kubectl|helm|systemctl|service|pm2|redis-[a-z]+|flowhealth|pytest|git|gh|make|cd|cp|mv|rm|mkdir|chmod|chown|kill|pkill|curl|wget|apt|apt-get|brew|export|source|ulimit|sysctl)(?: |$)/;
const WITH_OPTION = /^(?:sudo )?[a-z][\w.-]* (?:.* )?--?[A-Za-z]/;
const ASSIGNMENTS = /^(?:\$ )?(?:[A-Z_][A-Z0-9_]*=\S* )*/;
const PROSE = /[,:;?!](?: |$)|[a-z]\.(?: |$)|…|\.\.\.|(?:^| )(?:a|an|and|are|back|does|has|here|how|if|in|is|it|its|not|of|or|shows?|says?|sure|takes?|tells?|names?|that|the|then|there|to|what|when|where|whether|which|who|why|with|you|your)(?: |$)/i;

export function isCommand(text) {
  return text.split("\n").every((line) => {
    const command = line.trim().replace(ASSIGNMENTS, "");
    // What is quoted may be anything; "; " between commands is not prose.
    const bare = command.replace(/'[^']*'|"[^"]*"/g, "_");
    const parts = bare.split(/ (?:&&|\|\||\|) |; (?=[a-z.]+ )/);
    return parts.every((part, place) => (place ? !PROSE.test(part) : (PROGRAM.test(part) || WITH_OPTION.test(part)) && !PROSE.test(part)));
  });
}

export function remedy(text) {
  if (!text) return null;
  if (!isCommand(text)) return h("p", { class: "remedy" }, h("strong", {}, "What to do: "), h("span", { class: "message" }, text));
  const result = h("span", { role: "status", class: "small" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say(result, "copied");
    } catch {
      say(result, "select it to copy");
    }
  };
  return h("p", { class: "remedy" }, h("code", { class: "message" }, text), h("button", { onclick: copy, "aria-label": "Copy the remedy" }, "Copy"), result);
}

export function table(label, head, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label }, h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
}

// A check's figures against their limits, the worst first.
const ORDER = { fail: 0, unknown: 1, warn: 2, pass: 3, skip: 4 };

export function thresholdsOf(check) {
  return [...(check.thresholds ?? [])].sort((first, second) => (ORDER[first.outcome] ?? 9) - (ORDER[second.outcome] ?? 9));
}

export const describeThreshold = (threshold) => `${thresholdName(threshold)} ${figure(threshold.observed, threshold.unit)} (${limit(threshold)})`;

export function thresholdTable(check) {
  const rows = thresholdsOf(check).map((threshold) =>
    h("tr", {}, h("th", { scope: "row" }, thresholdName(threshold)), h("td", {}, figure(threshold.observed, threshold.unit)), h("td", {}, limit(threshold)), h("td", {}, badge(threshold.outcome)), h("td", { class: "quiet" }, threshold.note ?? "")),
  );
  if (!rows.length) return h("p", { class: "quiet" }, "This check has no limits of its own.");
  return table("Measurements and limits", ["Measurement", "Measured", "Limit", "Outcome", "Note"], rows);
}

// A table whose rows are kept in step with items.
export function liveTable(label, columns, key, cells) {
  const element = table(label, columns, []);
  const body = element.querySelector("tbody");
  const make = () => h("tr", {}, columns.map((_, place) => h(place ? "td" : "th", place ? {} : { scope: "row" })));
  const update = (row, item) => cells(item).forEach((text, place) => say(row.children[place], String(text)));
  return { element, update: (items) => keep(body, items, key, make, update) };
}

// What somebody has done about the alert of a check, and where to do it.
export function alertState(id) {
  const alert = value(`alert:${id}`);
  if (alert?.phase !== "firing") return null;
  const states = [alert.acknowledged ? `acknowledged by ${alert.acknowledged}` : "", alert.silenced ? `silenced until ${stamp(alert.silenced)}` : ""].filter(Boolean);
  const link = h("a", { href: "/alerts", "data-link": true }, states.length ? "Alert" : "Acknowledge or silence the alert");
  return h("p", { class: "small", data: { test: "alert-state" } }, link, states.length ? ` ${states.join(", ")}` : "");
}

export function runbook(address) {
  if (!/^https?:\/\//.test(address ?? "")) return null;
  return h("p", {}, h("a", { class: "runbook", href: address, rel: "noreferrer", target: "_blank", data: { test: "runbook" } }, "Runbook"));
}

// The parametrisation of a check is part of its metrics' names.
export function metricOf(check, measurement) {
  const bracket = check.id.indexOf("[");
  const name = measurement.startsWith(`${check.component}.`) ? measurement : `${check.component}.${measurement}`;
  return name + (bracket < 0 ? "" : check.id.slice(bracket));
}
