// The npm package: its checks, and how its figures went.
import { get } from "../api.js";
import { chart } from "../chart.js";
import { h, keep, notice, say } from "../dom.js";
import { badge, checkLink, paint } from "../parts.js";
import { buttons } from "../ranges.js";
import { below, listen } from "../store.js";

export function make() {
  const list = h("ul", { class: "plain checks" });
  const empty = notice("empty", "The component npm is not monitored: add it with --health-component npm or --health-all.");
  const charts = h("div", { class: "charts" });
  const ranges = buttons();
  const element = h("div", {}, h("h1", {}, "npm package"), empty, list, h("section", { "aria-labelledby": "went" }, h("h2", { id: "went" }, "History"), ranges.element, charts));
  const made = [];
  let ended = false;
  const update = () => {
    const every = below("check:").filter((one) => one.component === "npm");
    empty.hidden = every.length > 0;
    keep(list, every, (one) => one.id, (one) => h("li", { data: { test: `check-${one.id}` } }, badge(one.outcome), " ", checkLink(one.id), " ", h("span", { class: "quiet" })), (item, one) => {
      paint(item.firstChild, one.outcome);
      say(item.lastChild, one.message ?? "");
    });
  };
  update();
  get("/api/metrics", { prefix: "npm." })
    .then(({ metrics }) => {
      if (ended) return;
      if (!metrics.length) charts.append(notice("empty", "The history has no measurements of the package yet."));
      for (const one of metrics) {
        const drawn = chart(one.name, one.unit);
        made.push(drawn);
        charts.append(drawn.element);
      }
    })
    .catch((error) => charts.replaceChildren(notice("error", error.message)));
  const end = listen(["check:npm"], update);
  return {
    element,
    end: () => {
      ended = true;
      end();
      ranges.end();
      for (const one of made) one.end();
    },
  };
}
