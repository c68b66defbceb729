// A small line of the last minutes, drawn as SVG, that goes on each second.
import { get } from "./api.js";
import { h, say } from "./dom.js";
import { figure, now } from "./format.js";
import { listen, value } from "./store.js";

const SVG = "http://www.w3.org/2000/svg";
const SPAN = 900;

export function spark(metric, label) {
  const line = document.createElementNS(SVG, "polyline");
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
    line.setAttribute("points", shape(points, unit));
  };
  get("/api/series", { metric, since: now() - SPAN, until: now(), points: SPAN })
    .then((found) => points.unshift(...found.at.map((at, place) => [at, found.mean[place]]).filter(([at]) => !points.length || at < points[0][0])))
    .catch(() => null)
    .finally(draw);
  const end = listen(["second"], () => {
    const second = value("second");
    const one = second?.values[metric];
    if (one !== undefined) points.push([second.at, one]);
    while (points.length && points[0][0] < second.at - SPAN) points.shift();
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

function shape(points, unit) {
  if (!points.length) return "";
  const until = points[points.length - 1][0];
  const most = unit === "%" ? 100 : Math.max(1e-9, ...points.map(([, one]) => one));
  return points.map(([at, one]) => `${(200 * (1 - (until - at) / SPAN)).toFixed(1)},${(38 - (36 * one) / most).toFixed(1)}`).join(" ");
}
