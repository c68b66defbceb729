// A metric over time by uPlot, with its limits drawn in; the same figures as a table for who can't see it.
import { get } from "./api.js";
import { h, say } from "./dom.js";
import { figure, number, stamp, stampParts } from "./format.js";
import { choose, range, unzoom } from "./ranges.js";

const POINTS = 600;
const HEIGHT = 220;
let library = null;

function uplot() {
  if (!library) {
    document.head.append(h("link", { rel: "stylesheet", href: "/static/vendor/uPlot.min.css" }));
    library = import("./vendor/uPlot.esm.js").then((module) => module.default);
  }
  return library;
}

// `thresholds`: those of this measurement. Returns the element and what ends it.
export function chart(metric, unit, thresholds = []) {
  const place = h("div", { class: "plot" });
  const said = h("p", { class: "quiet", role: "status" }, "Loading…");
  const table = h("tbody");
  const element = h(
    "figure",
    { class: "chart", data: { test: `chart-${metric}` } },
    h("figcaption", {}, h("strong", {}, metric), unit && unit !== "1" ? ` in ${unit}` : ""),
    place,
    said,
    details(table),
  );
  const limits = thresholds.flatMap((one) => [
    { word: "warn", value: one.warn, name: one.statistic },
    { word: "fail", value: one.fail, name: one.statistic },
  ]);
  const mine = { element, place, said, table, metric, unit, limits: limits.filter((one) => Number.isFinite(one.value)), plot: null, timer: 0, ended: false };
  // A limit of the 95th percentile is held against that, not against the mean.
  mine.tail = mine.limits.some((one) => one.name === "p95");
  const again = () => load(mine);
  document.addEventListener("range", again);
  const watch = new ResizeObserver(() => mine.plot?.setSize({ width: place.clientWidth, height: HEIGHT }));
  watch.observe(place);
  load(mine);
  return {
    element,
    end: () => {
      mine.ended = true;
      clearTimeout(mine.timer);
      watch.disconnect();
      document.removeEventListener("range", again);
      mine.plot?.destroy();
    },
  };
}

function details(table) {
  const head = ["Time", "Mean", "Min", "Max"].map((name) => h("th", { scope: "col" }, name));
  return h("details", {}, h("summary", {}, "Values as a table"), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Values over time" }, h("table", {}, h("thead", {}, h("tr", {}, head)), table)));
}

async function load(mine) {
  clearTimeout(mine.timer);
  const { since, until, live } = range();
  try {
    const found = await get("/api/series", { metric: mine.metric, since, until, points: POINTS });
    if (mine.ended) return;
    await draw(mine, found, since, until);
  } catch (error) {
    mine.plot?.destroy();
    mine.plot = null;
    mine.table.replaceChildren();
    say(mine.said, error.message);
    mine.said.className = "notice error";
  }
  // A range that ends now moves on.
  if (live && !mine.ended) mine.timer = setTimeout(() => load(mine), Math.max(3000, (1000 * (until - since)) / POINTS));
}

async function draw(mine, found, since, until) {
  mine.unit = found.unit ?? mine.unit;
  list(mine, found);
  mine.said.className = "quiet";
  if (!found.at.length) {
    say(mine.said, `Nothing was measured between ${stamp(since)} and ${stamp(until)}.`);
    mine.plot?.destroy();
    mine.plot = null;
    return;
  }
  let Plot;
  try {
    Plot = await uplot();
  } catch {
    say(mine.said, "The charts' library (uPlot) is not there; the table has the figures.");
    return;
  }
  if (mine.ended) return;
  const began = performance.now();
  const data = columns(found, mine.tail);
  const scale = { since, until };
  if (mine.plot && mine.place.firstChild) {
    mine.scale = scale;
    mine.plot.setData(data);
  } else {
    mine.scale = scale;
    mine.plot = new Plot(options(mine), data, mine.place);
    mine.plot.over.addEventListener("dblclick", unzoom);
  }
  requestAnimationFrame(() => {
    mine.element.dataset.drawn = (performance.now() - began).toFixed(1);
    // Only now it is known which limits are in view.
    if (!mine.ended) say(mine.said, summary(found, mine));
  });
}

// A stretch without values is a gap, not a line across it.
function columns(found, tail) {
  const far = gap(found);
  const shown = [found.mean, found.min, found.max, ...(tail ? [found.p95] : [])];
  const data = [[], ...shown.map(() => [])];
  found.at.forEach((at, place) => {
    if (place && at - found.at[place - 1] > far) {
      data[0].push((at + found.at[place - 1]) / 2);
      for (const one of data.slice(1)) one.push(null);
    }
    data[0].push(at);
    shown.forEach((one, column) => data[column + 1].push(one[place]));
  });
  return data;
}

function gap(found) {
  const steps = found.at.slice(1).map((at, place) => at - found.at[place]).sort((one, other) => one - other);
  return 1.6 * Math.max(found.step ?? 0, steps[Math.floor(steps.length / 2)] ?? 0, 2);
}

// Limits that are too far off to be drawn are told.
function beyond(mine) {
  const [bottom, top] = [mine.plot?.scales.y.min, mine.plot?.scales.y.max];
  const away = mine.limits.filter((one) => one.value < bottom || one.value > top);
  return away.length ? ` Out of view: ${away.map((one) => called(one, mine.unit)).join(", ")}.` : "";
}

const called = (one, unit) => [one.word, one.name, figure(one.value, unit)].filter(Boolean).join(" ");

function summary(found, mine) {
  const { unit, tail } = mine;
  const least = Math.min(...found.min);
  const greatest = Math.max(...found.max);
  const last = found.mean[found.mean.length - 1];
  return `Last ${figure(last, unit)}, between ${figure(least, unit)} and ${figure(greatest, unit)}. ${tail ? "Solid line: mean; dotted: 95th percentile" : "Solid line: mean"}; band: min to max.${beyond(mine)} Drag to zoom, double click to go back.`;
}

function list(mine, found) {
  const every = Math.max(1, Math.ceil(found.at.length / 60));
  const rows = [];
  for (let place = 0; place < found.at.length; place += every) {
    rows.push(h("tr", {}, h("th", { scope: "row" }, stamp(found.at[place])), ...[found.mean, found.min, found.max].map((one) => h("td", {}, number(one[place])))));
  }
  mine.table.replaceChildren(...rows);
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(mine) {
  const line = color("--accent");
  const axis = { stroke: color("--quiet"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 } };
  const shape = (label, more) => ({ label, stroke: line, width: 1.5, points: { size: 5, fill: line }, value: (_, value) => (value === null ? "–" : figure(value, mine.unit)), ...more });
  const unseen = { stroke: "transparent", points: { show: false } };
  return {
    width: mine.place.clientWidth || 600,
    height: HEIGHT,
    cursor: { drag: { x: true, y: false, setScale: false } },
    select: { show: true },
    legend: { live: true },
    scales: { x: { range: () => [mine.scale.since, mine.scale.until] }, y: { range: (_, low, high) => bounds(mine, low, high) } },
    axes: [{ ...axis, space: 78, values: (_, ticks, __, ___, step) => ticks.map((at, place) => tick(at, step, ticks[place - 1])) }, { ...axis, size: 64, values: (_, ticks) => ticks.map((one) => number(one)) }],
    series: [{ value: (_, at) => (at === null ? "–" : stamp(at)) }, shape("mean", {}), shape("min", unseen), shape("max", unseen), ...(mine.tail ? [shape("p95", { dash: [3, 3] })] : [])],
    bands: [{ series: [3, 2], fill: color("--band") }],
    hooks: { draw: [(plot) => drawLimits(plot, mine)], setSelect: [(plot) => zoom(plot)] },
  };
}

// The time of day, and the day where it changes.
function tick(at, step, before) {
  const text = stampParts(at);
  const day = before === undefined || stampParts(before).day !== text.day;
  if (step >= 86400) return text.day;
  return (step < 60 ? text.time : text.time.slice(0, 5)) + (day ? `\n${text.day}` : "");
}

// Limits near the figures are always in view; one far off does not flatten them.
function bounds(mine, low, high) {
  const far = 4 * Math.max(Math.abs(high), Math.abs(low), 1e-9);
  const near = mine.limits.map((one) => one.value).filter((one) => Math.abs(one) <= far || mine.limits.length === 1);
  const top = Math.max(0, high, ...near);
  const bottom = Math.min(0, low, ...near);
  return [bottom, top + (top - bottom || 1) * 0.08];
}

function drawLimits(plot, mine) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = devicePixelRatio * 1.5;
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  for (const one of mine.limits) {
    const y = plot.valToPos(one.value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = color(one.word === "warn" ? "--warn" : "--fail");
    ctx.setLineDash(one.word === "warn" ? [8, 5] : [2, 4]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    ctx.fillText(called(one, mine.unit), bbox.left + 6, y - 4);
  }
  ctx.restore();
}

function zoom(plot) {
  if (plot.select.width < 4) return;
  const since = plot.posToVal(plot.select.left, "x");
  const until = plot.posToVal(plot.select.left + plot.select.width, "x");
  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  choose({ since: since.toFixed(0), until: Math.max(until, since + 5).toFixed(0) });
}
