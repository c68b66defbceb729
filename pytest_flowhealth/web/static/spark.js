// A small line of the last minutes, drawn as SVG, that goes on each second.
import { get } from "./api.js";
import { h, say } from "./dom.js";
import { figure, now } from "./format.js";
import { listen, value } from "./store.js";

const SVG = "http://www.w3.org/2000/svg";
const SPAN = 900;

export function spark(metric, label) {
  const line = document.createElementNS(SVG, "path");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 200 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(line);
  const shown = h("span", { class: "figure" }, "not measured");
  const element = h("div", { class: "spark", data: { test: `spark-${metric}` } }, h("span", {}, label), shown, svg);
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
    const one = second?.values[metric];
    if (one !== undefined) points.push([second.at, one]);
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

// One line for each stretch without a gap; the right edge is now, not the last sample.
export function shape(points, unit, until, span, limits = []) {
  if (!points.length) return "";
  const most = unit === "%" ? 100 : Math.max(1e-9, ...limits, ...points.map(([, one]) => one));
  const far = longestStep(points);
  let path = "";
  points.forEach(([at, one], place) => {
    const x = (200 * (1 - (until - at) / span)).toFixed(1);
    const y = (38 - (36 * one) / most).toFixed(1);
    const joined = place && at - points[place - 1][0] <= far;
    // A lone point would be invisible as a line of no length.
    path += joined ? `L${x},${y}` : `M${x},${y}h0.1`;
  });
  return path;
}

export function longestStep(points) {
  const steps = points.slice(1).map(([at], place) => at - points[place][0]).sort((one, other) => one - other);
  return 1.6 * Math.max(steps[Math.floor(steps.length / 2)] ?? 0, 2);
}
