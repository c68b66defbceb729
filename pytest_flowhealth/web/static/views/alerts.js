// Alerts that fire, silences, and what became of alerts in the last days.
import { get, post, remove } from "../api.js";
import { h, keep, notice, say } from "../dom.js";
import { ago, duration, figure, now, stamp } from "../format.js";
import { checkLink, remedy, runbook } from "../parts.js";
import { below, listen } from "../store.js";

const SEVERITY = { critical: 0, warning: 1, info: 2 };
const SIGN = { critical: "✕", warning: "!", info: "i" };
const WEEK = 604800;

export function make() {
  const firing = h("div", { class: "alerts" });
  const quiet = h("ul", { class: "plain" });
  const events = h("div");
  const said = h("p", { role: "status", class: "small", data: { test: "said" } });
  const element = h(
    "div",
    {},
    h("h1", {}, "Alerts"),
    said,
    firing,
    h("section", { "aria-labelledby": "silences" }, h("h2", { id: "silences" }, "Silences"), quiet),
    h("section", { "aria-labelledby": "events" }, h("h2", { id: "events" }, "The last 7 days"), events),
  );
  const tell = (text) => say(said, text);
  const update = () => {
    current(firing, tell);
    silences(quiet, tell);
  };
  update();
  history(events);
  let known = "";
  const end = listen(["alert:", "silence:"], () => {
    update();
    const now = below("alert:").map((one) => `${one.name}${one.phase}`).join();
    if (now !== known) history(events);
    known = now;
  });
  return { element, end };
}

function current(place, tell) {
  const every = below("alert:").sort((one, other) => SEVERITY[one.severity] - SEVERITY[other.severity] || one.since - other.since);
  if (!every.length) {
    if (!place.querySelector(".empty")) place.replaceChildren(notice("empty", "No alert is firing."));
    return;
  }
  place.querySelector(":scope > .empty")?.remove();
  keep(place, every, (one) => one.name, (one) => card(one, tell), refresh);
}

function card(one, tell) {
  return h(
    "article",
    { class: "card alert", data: { test: `alert-${one.name}` } },
    h("h2", {}, h("span", { class: "badge" }, h("span", { "aria-hidden": "true" }), h("span")), " ", h("span", { class: "name" }, one.name)),
    h("p", { class: "message" }),
    h("p", { class: "quiet small" }),
    h("div", { class: "more" }),
    actions(one, tell),
  );
}

function refresh(card, one) {
  const badge = card.querySelector(".badge");
  const firing = one.phase === "firing";
  card.dataset.phase = one.phase;
  badge.dataset.status = firing ? { critical: "fail", warning: "warn", info: "none" }[one.severity] : "none";
  say(badge.firstChild, firing ? SIGN[one.severity] : one.phase === "resolved" ? "✓" : "…");
  say(badge.lastChild, firing ? one.severity : one.phase);
  say(card.querySelector(".message"), (firing || one.phase === "pending" ? "" : "It was: ") + one.summary);
  const marks = [`${one.phase} since ${stamp(one.since)} (${ago(one.since)})`, one.flapping ? "flapping: it changes too often, so messages are held back" : "", one.acknowledged ? `acknowledged by ${one.acknowledged}` : "", one.silenced ? `silenced until ${stamp(one.silenced)}` : ""];
  say(card.querySelector(".quiet"), marks.filter(Boolean).join(" · "));
  card.querySelector("[data-test=acknowledge]").hidden = Boolean(one.acknowledged) || !firing;
  const more = card.querySelector(".more");
  const text = JSON.stringify([one.value, one.limit, one.remedy, one.blocked, one.runbook, firing]);
  if (more.dataset.text === text) return;
  more.dataset.text = text;
  const measured = one.metric ? h("p", { class: "small" }, `${one.metric}: ${figure(one.value, one.unit)}${one.limit ? `, ${one.limit}` : ""}`) : null;
  const blocked = one.blocked?.length ? h("p", { class: "quiet small" }, `Blocks: ${one.blocked.join(", ")}`) : null;
  more.replaceChildren(...[measured, firing ? remedy(one.remedy) : null, runbook(one.runbook), one.kind === "check" ? h("p", {}, checkLink(one.name)) : null, blocked].filter(Boolean));
}

function actions(one, tell) {
  const acknowledge = async () => {
    await tried(() => post("/api/acknowledgements", { alert: one.name }), `You have acknowledged ${one.name}.`, tell);
  };
  return h("div", { class: "actions" }, h("button", { onclick: acknowledge, data: { test: "acknowledge" }, "aria-label": `Acknowledge ${one.name}` }, "Acknowledge"), silenceForm(one, tell));
}

function silenceForm(one, tell) {
  const pattern = h("input", { name: "pattern", value: one.name, required: true, maxlength: 300 });
  const length = h("select", { name: "seconds" }, [3600, 7200, 28800, 86400, 604800].map((seconds) => h("option", { value: seconds }, duration(seconds))));
  const reason = h("input", { name: "reason", maxlength: 1000, placeholder: "why" });
  const submit = async (event) => {
    event.preventDefault();
    const content = { pattern: pattern.value, seconds: Number(length.value), reason: reason.value };
    if (await tried(() => post("/api/silences", content), `Nobody is notified of ${pattern.value} for ${duration(content.seconds)}.`, tell)) form.closest("details").open = false;
  };
  const form = h("form", { class: "inline", onsubmit: submit }, h("label", {}, "Alerts ", pattern), h("label", {}, "For ", length), h("label", {}, "Reason ", reason), h("button", { type: "submit" }, "Silence"));
  return h("details", {}, h("summary", { "aria-label": `Silence… ${one.name}` }, "Silence…"), form);
}

async function tried(change, done, tell) {
  try {
    await change();
    tell(done);
    return true;
  } catch (error) {
    tell(error.message);
    return false;
  }
}

function silences(place, tell) {
  const every = below("silence:").sort((one, other) => one.ends - other.ends);
  if (!every.length) {
    if (!place.querySelector(".empty")) place.replaceChildren(h("li", { class: "empty quiet" }, "Nothing is silenced."));
    return;
  }
  place.querySelector(":scope > .empty")?.remove();
  keep(place, every, (one) => one.id, (one) => h("li", { data: { test: `silence-${one.pattern}` } }, h("span"), " ", endButton(one, tell)), (item, one) => say(item.firstChild, `${one.pattern} until ${stamp(one.ends)}, by ${one.author || "nobody named"}${one.reason ? `: ${one.reason}` : ""}${one.begins > now() ? `, from ${stamp(one.begins)}` : ""}`));
}

function endButton(one, tell) {
  if (one.id.startsWith("configured-")) return null;
  const end = () => tried(() => remove(`/api/silences/${encodeURIComponent(one.id)}`), `The silence of ${one.pattern} has ended.`, tell);
  return h("button", { onclick: end, "aria-label": `End now: the silence of ${one.pattern}` }, "End now");
}

// What is over is told with what it was.
const OVER = new Set(["resolved", "inactive"]);

async function history(place) {
  try {
    const { events } = await get("/api/events", { since: Math.floor(now() - WEEK), limit: 200 });
    if (!events.length) {
      place.replaceChildren(notice("empty", "Nothing became of any alert."));
      return;
    }
    const rows = events.map((one) => h("tr", {}, h("th", { scope: "row" }, stamp(one.at)), h("td", {}, one.what), h("td", {}, one.alert.name), h("td", {}, one.alert.severity), h("td", { class: "wide" }, (OVER.has(one.what) ? "it was: " : "") + one.alert.summary)));
    const head = ["Time", "What", "Alert", "Severity", "Summary"].map((name) => h("th", { scope: "col" }, name));
    place.replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What became of alerts" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))));
  } catch (error) {
    place.replaceChildren(notice("error", error.message));
  }
}
