// Alerts that fire, silences and maintenance windows, receivers and their messages, and what happened in the last days.
import { get, post, remove } from "../api.js";
import { h, keep, keepLoaded, notice, say } from "../dom.js";
import { ago, duration, figure, now, stamp } from "../format.js";
import { badge, checkLink, liveTable, paint, remedy, runbook, table } from "../parts.js";
import { around, upToNow } from "../ranges.js";
import { below, listen, value } from "../store.js";

const SEVERITY = { critical: 0, warning: 1, info: 2 };
const SIGN = { critical: "✕", warning: "!", info: "i" };
const WEEK = 604800;
const LENGTHS = [3600, 7200, 28800, 86400, 604800];
const REPEATS = { once: 1, daily: 14, weekly: 26 };

export function make() {
  const firing = h("div", { class: "alerts" });
  const silenceList = h("ul", { class: "plain" });
  const receiverList = h("ul", { class: "plain", data: { test: "receivers" } });
  const deliveries = liveTable("Messages", ["Made", "Receiver", "Message", "State", "Attempts", "Error"], (message) => message.id, describeDelivery);
  const events = h("div");
  const result = h("p", { role: "status", class: "small", data: { test: "result" } });
  const report = (text) => say(result, text);
  const section = (id, title, ...content) => h("section", { "aria-labelledby": id, data: { test: id } }, h("h2", { id }, title), content);
  const noDelivery = notice("quiet", "No message has been sent since the monitor began.");
  const element = h(
    "div",
    {},
    h("h1", {}, "Alerts"),
    result,
    firing,
    section("silences", "Silences and maintenance", silenceList, maintenanceForm(report)),
    section("receivers-title", "Receivers", receiverList),
    section("deliveries", "Messages", noDelivery, deliveries.element),
    section("events", "The last 7 days", events),
  );
  const kept = keepLoaded(events, () => get("/api/events", { since: Math.floor(now() - WEEK), limit: 200 }), eventTable, 60);
  let known = "";
  const update = () => {
    current(firing, report);
    silences(silenceList, report);
    receivers(receiverList, report);
    const messages = value("deliveries") ?? [];
    deliveries.update(messages);
    deliveries.element.hidden = !messages.length;
    noDelivery.hidden = messages.length > 0;
    const phases = below("alert:").map((alert) => `${alert.name}${alert.phase}`).join();
    if (phases !== known) kept.load();
    known = phases;
  };
  update();
  const end = listen(["alert:", "silence:", "deliveries", "monitor"], update);
  return {
    element,
    end: () => {
      end();
      kept.end();
    },
  };
}

function current(place, report) {
  const every = below("alert:").sort((first, second) => SEVERITY[first.severity] - SEVERITY[second.severity] || first.since - second.since);
  if (!every.length) {
    if (!place.querySelector(".empty")) place.replaceChildren(notice("empty", "No alert is firing."));
    return;
  }
  place.querySelector(":scope > .empty")?.remove();
  keep(place, every, (alert) => alert.name, (alert) => card(alert, report), refresh);
}

function card(alert, report) {
  return h(
    "article",
    { class: "card alert", data: { test: `alert-${alert.name}` } },
    h("h2", {}, h("span", { class: "badge" }, h("span", { "aria-hidden": "true" }), h("span")), " ", h("span", { class: "name" }, alert.name), " ", h("span", { class: "since quiet small" })),
    h("p", { class: "message" }),
    h("p", { class: "quiet small marks" }),
    h("div", { class: "more" }),
    actions(alert, report),
  );
}

function refresh(element, alert) {
  const mark = element.querySelector(".badge");
  const firing = alert.phase === "firing";
  element.dataset.phase = alert.phase;
  const status = firing ? { critical: "fail", warning: "warn", info: "none" }[alert.severity] : "none";
  element.dataset.status = mark.dataset.status = status;
  say(mark.firstChild, firing ? SIGN[alert.severity] : alert.phase === "resolved" ? "✓" : "…");
  say(mark.lastChild, firing ? alert.severity : alert.phase);
  say(element.querySelector(".since"), `${alert.phase} since ${stamp(alert.since)} (${ago(alert.since)})`);
  say(element.querySelector(".message"), (alert.phase === "resolved" ? "It was: " : "") + alert.summary);
  const marks = [alert.flapping ? "flapping: it changes too often, so messages are held back" : "", alert.acknowledged ? `acknowledged by ${alert.acknowledged}` : "", alert.silenced ? `silenced until ${stamp(alert.silenced)}` : "", alert.notified?.length ? `notified: ${alert.notified.join(", ")}` : ""];
  say(element.querySelector(".marks"), marks.filter(Boolean).join(" · "));
  element.querySelector("[data-test=acknowledge]").hidden = Boolean(alert.acknowledged) || !firing;
  element.querySelector("[data-test=withdraw]").hidden = !alert.acknowledged;
  const more = element.querySelector(".more");
  const range = alert.phase === "resolved" ? around(alert.fired ?? alert.since, alert.since) : upToNow(alert.since);
  const text = JSON.stringify([alert.value, alert.limit, alert.remedy, alert.blocked, alert.runbook, firing, range]);
  if (more.dataset.text === text) return;
  more.dataset.text = text;
  const measured = alert.metric ? h("p", { class: "small" }, `${alert.metric}: ${figure(alert.value, alert.unit)}${alert.limit ? `, ${alert.limit}` : ""}`) : null;
  const blocked = alert.blocked?.length ? h("p", { class: "quiet small" }, `Blocks: ${alert.blocked.join(", ")}`) : null;
  const check = alert.kind === "check" ? h("p", {}, "Check and chart at that time: ", checkLink(alert.name, range)) : null;
  more.replaceChildren(...[firing ? remedy(alert.remedy) : null, measured, check, runbook(alert.runbook), blocked].filter(Boolean));
}

function actions(alert, report) {
  const acknowledge = () => attempt(() => post("/api/acknowledgements", { alert: alert.name }), `You have acknowledged ${alert.name}.`, report);
  const withdraw = () => attempt(() => remove(`/api/acknowledgements?${new URLSearchParams({ alert: alert.name })}`), `${alert.name} is no longer acknowledged.`, report);
  return h(
    "div",
    { class: "actions" },
    h("button", { onclick: acknowledge, data: { test: "acknowledge" }, "aria-label": `Acknowledge ${alert.name}` }, "Acknowledge"),
    h("button", { onclick: withdraw, data: { test: "withdraw" }, "aria-label": `Withdraw the acknowledgement of ${alert.name}` }, "Withdraw acknowledgement"),
    silenceForm(alert, report),
  );
}

const lengthSelect = () => h("select", { name: "seconds" }, LENGTHS.map((seconds) => h("option", { value: seconds }, duration(seconds))));

function silenceForm(alert, report) {
  const pattern = h("input", { name: "pattern", value: alert.name, required: true, maxlength: 300 });
  const length = lengthSelect();
  const reason = h("input", { name: "reason", maxlength: 1000, placeholder: "why" });
  const submit = async (event) => {
    event.preventDefault();
    const content = { pattern: pattern.value, seconds: Number(length.value), reason: reason.value };
    if (await attempt(() => post("/api/silences", content), `Nobody is notified of ${pattern.value} for ${duration(content.seconds)}.`, report)) form.closest("details").open = false;
  };
  const form = h("form", { class: "inline", onsubmit: submit }, h("label", {}, "Alerts ", pattern), h("label", {}, "For ", length), h("label", {}, "Reason ", reason), h("button", { type: "submit" }, "Silence"));
  return h("details", {}, h("summary", { "aria-label": `Silence… ${alert.name}` }, "Silence…"), form);
}

// Silences with a begin: time in them counts neither as available nor as an outage.
function maintenanceForm(report) {
  const pattern = h("input", { name: "pattern", placeholder: "redis.*", required: true, maxlength: 300 });
  const begin = h("input", { name: "begin", type: "datetime-local", required: true });
  const length = lengthSelect();
  const repeat = h("select", { name: "repeat" }, Object.keys(REPEATS).map((name) => h("option", { value: name }, name === "once" ? name : `${name}, ${REPEATS[name]} times`)));
  const reason = h("input", { name: "reason", maxlength: 1000, placeholder: "why" });
  const submit = async (event) => {
    event.preventDefault();
    const content = { pattern: pattern.value, seconds: Number(length.value), reason: reason.value, begins: repeated(begin.value, repeat.value) };
    if (await attempt(() => post("/api/silences", content), `Maintenance of ${pattern.value} is planned from ${stamp(content.begins[0])} on.`, report)) form.closest("details").open = false;
  };
  const form = h("form", { class: "inline", onsubmit: submit }, h("label", {}, "Alerts ", pattern), h("label", {}, "From ", begin), h("label", {}, "For ", length), h("label", {}, "Repeat ", repeat), h("label", {}, "Reason ", reason), h("button", { type: "submit" }, "Plan"));
  return h("details", { data: { test: "maintenance" } }, h("summary", {}, "Plan maintenance…"), form);
}

// By the calendar: at the same time of the day also where the clocks are changed between.
function repeated(text, name) {
  const days = name === "weekly" ? 7 : 1;
  return Array.from({ length: REPEATS[name] }, (_, number) => {
    const time = new Date(text);
    time.setDate(time.getDate() + number * days);
    return time.getTime() / 1000;
  });
}

async function attempt(change, done, report) {
  try {
    const found = await change();
    report(typeof done === "function" ? done(found) : done);
    return true;
  } catch (error) {
    report(error.message);
    return false;
  }
}

function silences(place, report) {
  const every = below("silence:").sort((first, second) => first.begins - second.begins || first.ends - second.ends);
  if (!every.length) {
    if (!place.querySelector(".none")) place.replaceChildren(h("li", { class: "none quiet" }, "Nothing is silenced."));
    return;
  }
  place.querySelector(":scope > .none")?.remove();
  keep(
    place,
    every,
    (silence) => silence.id,
    (silence) => h("li", { data: { test: `silence-${silence.pattern}` } }, h("span"), " ", endButton(silence, report)),
    (item, silence) => {
      const begin = silence.begins > now() ? `from ${stamp(silence.begins)} ` : "";
      say(item.firstChild, `${silence.maintenance ? "Maintenance: " : ""}${silence.pattern} ${begin}until ${stamp(silence.ends)}, by ${silence.author || "somebody"}${silence.reason ? `: ${silence.reason}` : ""}`);
    },
  );
}

function endButton(silence, report) {
  if (silence.id.startsWith("configured-")) return null;
  const end = () => attempt(() => remove(`/api/silences/${encodeURIComponent(silence.id)}`), `The silence of ${silence.pattern} has ended.`, report);
  return h("button", { onclick: end, "aria-label": `End now: the silence of ${silence.pattern}` }, "End now");
}

function receivers(place, report) {
  keep(
    place,
    value("monitor")?.receivers ?? [],
    (receiver) => receiver.name,
    (receiver) => h("li", { data: { test: `receiver-${receiver.name}` } }, badge("pass"), " ", h("span"), " ", testButton(receiver, report)),
    (item, receiver) => {
      paint(item.firstChild, receiver.error ? "fail" : "pass");
      say(item.firstChild.lastChild, receiver.error ? "failing" : "no error");
      say(item.children[1], `${receiver.name} (${receiver.type})${receiver.error ? `: ${receiver.error}` : ""}`);
    },
  );
}

// What is written here needs no test: it can't get lost on the way.
function testButton(receiver, report) {
  if (receiver.type === "console" || receiver.type === "log") return null;
  const send = async () => {
    button.disabled = true;
    report(`Sending a short and a long test message to ${receiver.name}…`);
    await attempt(() => post(`/api/receivers/${encodeURIComponent(receiver.name)}/test`), describeTest, report);
    button.disabled = false;
  };
  const button = h("button", { onclick: send, "aria-label": `Send a test message to ${receiver.name}` }, "Send a test message");
  return button;
}

function describeTest(found) {
  const describe = (name, failure) => `the ${name} message ${failure === null ? "was accepted" : `was not accepted: ${failure}`}`;
  return `${found.receiver}: ${describe("short", found.short)}; ${describe("long", found.long)}.`;
}

function describeDelivery(message) {
  const about = message.alerts.length > 3 ? `${message.alerts.slice(0, 3).join(", ")} and ${message.alerts.length - 3} more` : message.alerts.join(", ");
  return [stamp(Date.parse(message.at) / 1000), message.receiver, `${message.kind}: ${about}`, message.state, String(message.attempts), message.error ?? ""];
}

// What is over is shown with what it was.
const OVER = new Set(["resolved", "inactive"]);

function eventTable({ events }) {
  if (!events.length) return notice("empty", "No alert has changed.");
  const rows = events.map((event) => {
    const { alert } = event;
    const name = alert.kind === "check" ? checkLink(alert.name, around(Date.parse(alert.since) / 1000, event.at)) : alert.name;
    return h("tr", {}, h("th", { scope: "row" }, stamp(event.at)), h("td", {}, event.what), h("td", {}, name), h("td", {}, alert.severity), h("td", { class: "wide" }, (OVER.has(event.what) ? "it was: " : "") + alert.summary));
  });
  return table("Changes of alerts", ["Time", "State", "Alert", "Severity", "Summary"], rows);
}
