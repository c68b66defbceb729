// The last rounds as a strip of bars: color and height say the outcome, the text of the focused bar the rest.
import { h, say } from "./dom.js";
import { duration, figure, stamp } from "./format.js";

const WORDS = { pass: "passed", warn: "warned", fail: "failed", unknown: "unknown", skip: "skipped" };

export function describe(round, unit) {
  const measured = Number.isFinite(round.value) ? `, measured ${figure(round.value, unit)}` : "";
  const cause = round.outcome === "pass" ? "" : `: ${round.cause}${round.message ? `: ${round.message}` : ""}`;
  const maintenance = round.maintenance ? " during maintenance" : "";
  return `${stamp(round.at)}: ${WORDS[round.outcome] ?? round.outcome}${maintenance} in ${duration(round.duration)}${measured}${cause}`;
}

// One stop for the keyboard; the arrow keys go from round to round.
export function strip(label) {
  const bars = h("div", { class: "bars" });
  const text = h("p", { class: "quiet small bartext", "aria-live": "polite" });
  const element = h("div", { class: "strip", tabindex: "0", role: "group", "aria-label": label, hidden: true, data: { test: "strip" } }, bars, text);
  let rounds = [];
  let unit = null;
  let place = null;
  const choose = (at) => {
    place = at === null || !rounds.length ? null : Math.max(0, Math.min(rounds.length - 1, at));
    [...bars.children].forEach((bar, number) => bar.toggleAttribute("data-chosen", number === place));
    say(text, place === null ? span(rounds) : describe(rounds[place], unit));
  };
  bars.addEventListener("pointerover", (event) => {
    const number = [...bars.children].indexOf(event.target);
    if (number >= 0) choose(number);
  });
  bars.addEventListener("pointerleave", () => choose(null));
  element.addEventListener("blur", () => choose(null));
  element.addEventListener("focus", () => choose(rounds.length - 1));
  element.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose((place ?? rounds.length) + step);
  });
  const update = (fresh, freshUnit = null) => {
    if (JSON.stringify(fresh) === JSON.stringify(rounds) && bars.firstChild) return;
    rounds = fresh;
    unit = freshUnit;
    bars.replaceChildren(...rounds.map((round) => h("span", { class: "bar", data: { outcome: round.outcome }, "data-maintenance": round.maintenance })));
    element.hidden = !rounds.length;
    choose(place);
  };
  return { element, update };
}

const span = (rounds) => (rounds.length ? `${rounds.length} ${rounds.length === 1 ? "round" : "rounds"} since ${stamp(rounds[0].at)}` : "");
