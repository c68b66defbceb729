// The npm package: its checks, and how its figures went.
import { get } from "../api.js";
import { chart } from "../chart.js";
import { h, keep, keepLoaded, notice, say } from "../dom.js";
import { badge, checkLink, paint } from "../parts.js";
import { buttons } from "../ranges.js";
import { below, listen } from "../store.js";

export function make() {
  const list = h("ul", { class: "plain checks" });
  const empty = notice("empty", "The component npm is not monitored: add it with --health-component npm or --health-all.");
  const charts = h("div", { class: "charts" });
  const ranges = buttons();
  const element = h("div", {}, h("h1", {}, "npm package"), empty, list, h("section", { "aria-labelledby": "went" }, h("h2", { id: "went" }, "History"), ranges.element, charts));
  const made = new Map();
  const update = () => {
    const every = below("check:").filter((check) => check.component === "npm");
    empty.hidden = every.length > 0;
    keep(list, every, (check) => check.id, (check) => h("li", { data: { test: `check-${check.id}` } }, badge(check.outcome), " ", checkLink(check.id), " ", h("span", { class: "quiet" })), (item, check) => {
      paint(item.firstChild, check.outcome);
      say(item.lastChild, check.message ?? "");
    });
  };
  update();
  const show = ({ metrics }) => {
    for (const metric of metrics) if (!made.has(metric.name)) made.set(metric.name, chart(metric.name, metric.unit));
    return made.size ? [...made.values()].map((drawn) => drawn.element) : notice("empty", "The history has no measurements of the package yet.");
  };
  const kept = keepLoaded(charts, () => get("/api/metrics", { prefix: "npm." }), show, 3600);
  const end = listen(["check:npm"], update);
  return {
    element,
    end: () => {
      kept.end();
      end();
      ranges.end();
      for (const drawn of made.values()) drawn.end();
    },
  };
}
