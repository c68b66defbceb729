// The list of all checks, with search, filters, groups of parametrised checks, and pages of 50.
import { h, keep, say } from "./dom.js";
import { badge, checkLink, paint } from "./parts.js";
import { below } from "./store.js";

export const MANY = 20;
const PAGE = 50;
const ORDER = { fail: 0, unknown: 1, warn: 2, pass: 3, skip: 4 };

export function checkList() {
  const search = h("input", { type: "search", name: "search", placeholder: "name or message", oninput: () => begin() });
  const failing = h("input", { type: "checkbox", name: "failing", onchange: () => begin() });
  const component = h("select", { name: "component", onchange: () => begin() }, h("option", { value: "" }, "all"));
  const tag = h("select", { name: "tag", onchange: () => begin() }, h("option", { value: "" }, "all"));
  const tagged = h("label", { hidden: true }, "Tag ", tag);
  const found = h("p", { class: "quiet small", role: "status" });
  const list = h("ul", { class: "plain checks" });
  const more = h("button", { hidden: true, onclick: () => { shown += PAGE; update(); } }, `Show ${PAGE} more`);
  const form = h("form", { class: "inline", role: "search", onsubmit: (event) => event.preventDefault() }, h("label", {}, "Search ", search), h("label", {}, "Component ", component), tagged, h("label", {}, failing, " only with problems"));
  const element = h("section", { "aria-labelledby": "checks", data: { test: "checks" } }, h("h2", { id: "checks" }, "Checks"), form, found, list, more);
  let shown = PAGE;
  const begin = () => {
    shown = PAGE;
    update();
  };
  const update = () => {
    const every = below("check:");
    element.hidden = every.length < MANY;
    if (element.hidden) return;
    offer(component, every.map((check) => check.component));
    offer(tag, every.flatMap((check) => check.tags ?? []));
    tagged.hidden = tag.options.length === 1;
    const words = search.value.trim().toLowerCase();
    const matching = every.filter((check) => (!words || `${check.id} ${check.message ?? ""}`.toLowerCase().includes(words)) && (!component.value || check.component === component.value) && (!tag.value || check.tags?.includes(tag.value)) && (!failing.checked || ORDER[check.outcome] < 3));
    const rows = grouped(matching);
    say(found, `${matching.length} of ${every.length} checks${rows.length < matching.length ? ` in ${rows.length} rows: parametrised checks are grouped` : ""}`);
    keep(list, rows.slice(0, shown), (row) => row.name, make, refresh);
    more.hidden = rows.length <= shown;
  };
  return { element, update };
}

function offer(select, values) {
  const names = [...new Set(values)].sort();
  if (select.options.length === names.length + 1 && names.every((name, index) => select.options[index + 1].value === name)) return;
  select.replaceChildren(h("option", { value: "" }, "all"), ...names.map((name) => h("option", { value: name, selected: name === select.value }, name)));
}

// Parametrised checks of one function are one row, with the worst outcome; those with a problem stand for themselves.
function grouped(checks) {
  const rows = new Map();
  for (const check of checks) {
    const base = check.id.split("[")[0];
    const name = base === check.id || ORDER[check.outcome] < 3 ? check.id : `${base}[…]`;
    const row = rows.get(name) ?? { name, outcome: check.outcome, message: check.message ?? "", ids: [] };
    row.ids.push(check.id);
    if (ORDER[check.outcome] < ORDER[row.outcome]) row.outcome = check.outcome;
    rows.set(name, row);
  }
  return [...rows.values()].sort((first, second) => ORDER[first.outcome] - ORDER[second.outcome] || first.name.localeCompare(second.name));
}

function make(row) {
  return h("li", { data: { test: `row-${row.name}` } }, badge(row.outcome), " ", row.ids.length === 1 ? checkLink(row.ids[0]) : h("details", { class: "group" }, h("summary"), h("ul", { class: "plain" })), " ", h("span", { class: "quiet small" }));
}

function refresh(item, row) {
  paint(item.firstChild, row.outcome);
  const group = item.querySelector("details");
  if (group) {
    say(group.firstChild, `${row.name} (${row.ids.length})`);
    keep(group.lastChild, row.ids, (id) => id, (id) => h("li", {}, checkLink(id)), () => null);
  }
  say(item.lastChild, group ? "" : row.message.split("\n")[0]);
}
