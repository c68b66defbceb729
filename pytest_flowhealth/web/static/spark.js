// A small line of the last minutes or hours with its limits, drawn as SVG.
import { get } from "./api.js";
import { h, say } from "./dom.js";
import { figure, now } from "./format.js";
import { listen, value } from "./store.js";

const SVG = "http://www.w3.org/2000/svg";
const SPAN = 900;
const WIDTH = 200;
const HEIGHT = 40;

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, text] of Object.entries(attributes)) element.setAttribute(key, text);
  element.append(...children);
  return element;
}

function canvas(...children) {
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...children);
}

// What is read each second: it goes on with each one.
export function spark(metric, label) {
  const line = svg("path", {});
  const shown = h("span", { class: "figure" }, "not measured");
  const element = h("div", { class: "spark", data: { test: `spark-${metric}` } }, h("span", {}, label), shown, canvas(line));
  const points = [];
  const draw = () => {
    const unit = value("units")?.[metric];
    const last = points[points.length - 1];
    const fresh = last && now() - last[0] < 10;
    say(shown, fresh ? figure(last[1], unit) : "not measured");
    line.setAttribute("d", shape(points, unit, now(), SPAN));
  };
  get("/api/series", { metric, since: now() - SPAN, until: now(), points: SPAN })
    .then((found) => points.unshift(...found.at.map((at, place) => [at, found.mean[place]]).filter(([at]) => !points.length || at < points[0][0])))
    .catch(() => null)
    .finally(draw);
  const end = listen(["second"], () => {
    const second = value("second");
    const fresh = second?.values[metric];
    if (fresh !== undefined) points.push([second.at, fresh]);
    while (points.length && points[0][0] < now() - SPAN) points.shift();
    draw();
  });
  const timer = setInterval(draw, 2000);
  return {
    element,
    end: () => {
      clearInterval(timer);
      end();
    },
  };
}

// What rounds measured, with the limits of a threshold; `update` draws it anew.
export function limitSpark(span) {
  const line = svg("path", {});
  const limits = { warn: svg("path", { class: "limit warn" }), fail: svg("path", { class: "limit fail" }) };
  const element = h("div", { class: "spark small", hidden: true }, canvas(limits.warn, limits.fail, line));
  const update = async (metric, threshold) => {
    const until = now();
    const found = await get("/api/series", { metric, since: until - span, until, points: 120 }).catch(() => null);
    element.hidden = !found || found.at.length < 2;
    if (element.hidden) return;
    const column = threshold.statistic === "p95" && found.p95.every((each) => each !== null) ? found.p95 : found.mean;
    const points = found.at.map((at, place) => [at, column[place]]);
    const greatest = Math.max(...column);
    // A limit that is far off would flatten the line: the text beside it has it.
    const near = ["warn", "fail"].filter((name) => Number.isFinite(threshold[name]) && threshold[name] <= 4 * greatest);
    const most = scale(points, threshold.unit, near.map((name) => threshold[name]));
    // It may begin long after the span does.
    const began = Math.min(span, 1.02 * (until - points[0][0]));
    line.setAttribute("d", shape(points, threshold.unit, until, began, near.map((name) => threshold[name])));
    for (const name of ["warn", "fail"]) limits[name].setAttribute("d", near.includes(name) ? `M0,${height(threshold[name], most)}H${WIDTH}` : "");
  };
  return { element, update };
}

const scale = (points, unit, limits) => (unit === "%" ? 100 : Math.max(1e-9, ...limits, ...points.map(([, each]) => each)));
const height = (figureOf, most) => (38 - (36 * figureOf) / most).toFixed(1);

// One line for each stretch without a gap; the right edge is now, not the last sample.
export function shape(points, unit, until, span, limits = []) {
  if (!points.length) return "";
  const most = scale(points, unit, limits);
  const far = longestStep(points);
  let path = "";
  points.forEach(([at, each], place) => {
    const x = (WIDTH * (1 - (until - at) / span)).toFixed(1);
    const y = height(each, most);
    const joined = place && at - points[place - 1][0] <= far;
    // A lone point would be invisible as a line of no length.
    path += joined ? `L${x},${y}` : `M${x},${y}h0.1`;
  });
  return path;
}

export function longestStep(points) {
  const steps = points.slice(1).map(([at], place) => at - points[place][0]).sort((before, after) => before - after);
  return 1.6 * Math.max(steps[Math.floor(steps.length / 2)] ?? 0, 2);
}
