// A metric over time by uPlot, with its limits drawn in and failures shaded; the same figures as a table.
import { get } from "./api.js";
import { h, say } from "./dom.js";
import { figure, number, stamp, stampParts } from "./format.js";
import { table } from "./parts.js";
import { choose, range, unzoom } from "./ranges.js";
import { longestStep } from "./spark.js";

const POINTS = 600;
const HEIGHT = 220;
const ROWS = 60;
// Milliseconds after which what failed is asked for again.
const AGAIN = 5000;
let library = null;

function uplot() {
  if (!library) {
    document.head.append(h("link", { rel: "stylesheet", href: "/static/vendor/uPlot.min.css" }));
    library = import("./vendor/uPlot.esm.js").then((module) => module.default);
  }
  return library;
}

// `thresholds`: those of this measurement. `check`: the id of the check whose failures are shaded.
export function chart(metric, unit, thresholds = [], check = null) {
  const place = h("div", { class: "plot" });
  const note = h("p", { class: "quiet", role: "status" }, "Loading…");
  const values = h("div");
  const element = h(
    "figure",
    { class: "chart", data: { test: `chart-${metric}` } },
    h("figcaption", {}, h("strong", {}, metric), unit && unit !== "1" ? ` in ${unit}` : ""),
    place,
    note,
    h("details", {}, h("summary", {}, "Values as a table"), values),
  );
  const limits = thresholds
    .flatMap((threshold) => ["warn", "fail"].map((word) => ({ word, value: threshold[word], name: threshold.statistic })))
    .filter((limit) => Number.isFinite(limit.value));
  // A limit of the 95th percentile is held against that, not against the mean.
  const tail = limits.some((limit) => limit.name === "p95");
  const mine = { element, place, note, values, metric, unit, limits, tail, check, failures: [], plot: null, timer: 0, turn: 0, ended: false };
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

async function load(mine) {
  clearTimeout(mine.timer);
  const turn = ++mine.turn;
  const { since, until, live } = range();
  let failed = false;
  try {
    const [found, failures] = await Promise.all([
      get("/api/series", { metric: mine.metric, since, until, points: POINTS }),
      mine.check ? get("/api/failed-periods", { id: mine.check, since, until }) : { periods: [] },
    ]);
    if (mine.ended || turn !== mine.turn) return;
    mine.failures = failures.periods;
    await draw(mine, found, since, until);
  } catch (error) {
    if (mine.ended || turn !== mine.turn) return;
    failed = true;
    clear(mine);
    mine.values.replaceChildren();
    say(mine.note, error.message);
    mine.note.className = "notice error";
  }
  // A range that ends now moves on.
  const pause = failed ? AGAIN : Math.max(3000, (1000 * (until - since)) / POINTS);
  if ((live || failed) && !mine.ended && turn === mine.turn) mine.timer = setTimeout(() => load(mine), pause);
}

function clear(mine) {
  mine.plot?.destroy();
  mine.plot = null;
}

async function draw(mine, found, since, until) {
  mine.unit = found.unit ?? mine.unit;
  mine.values.replaceChildren(valueTable(found));
  mine.note.className = "quiet";
  if (!found.at.length) {
    const failed = mine.failures.length ? ` It failed or was unknown since ${stamp(mine.failures[0].since)}.` : "";
    say(mine.note, `Nothing was measured between ${stamp(since)} and ${stamp(until)}.${failed}`);
    clear(mine);
    return;
  }
  let Plot;
  try {
    Plot = await uplot();
  } catch {
    say(mine.note, "The charts' library (uPlot) is not there; the table has the figures.");
    return;
  }
  if (mine.ended) return;
  const began = performance.now();
  const data = columns(found, mine.tail);
  mine.scale = { since, until };
  mine.cut = robustTop(found);
  if (mine.plot && mine.place.firstChild) {
    mine.plot.setData(data);
  } else {
    mine.plot = new Plot(options(mine), data, mine.place);
    mine.plot.over.addEventListener("dblclick", unzoom);
    mine.plot.over.addEventListener("mouseleave", () => showLast(mine.plot));
  }
  requestAnimationFrame(() => {
    if (mine.ended || !mine.plot) return;
    showLast(mine.plot);
    mine.element.dataset.drawn = (performance.now() - began).toFixed(1);
    // Only now it is known which limits are in view.
    say(mine.note, summary(found, mine));
  });
}

// Without a cursor the legend has the last values.
function showLast(plot) {
  plot.setLegend({ idx: plot.data[0].length - 1 });
}

// A stretch without values is a gap, not a line across it.
function columns(found, tail) {
  const far = Math.max(1.6 * (found.step ?? 0), longestStep(found.at.map((at) => [at])));
  const shown = [found.mean, found.min, found.max, ...(tail ? [found.p95] : [])];
  const data = [[], ...shown.map(() => [])];
  found.at.forEach((at, place) => {
    if (place && at - found.at[place - 1] > far) {
      data[0].push((at + found.at[place - 1]) / 2);
      for (const column of data.slice(1)) column.push(null);
    }
    data[0].push(at);
    shown.forEach((column, number) => data[number + 1].push(column[place]));
  });
  return data;
}

// The top of the scale where a few values are so high that the others would be a flat line, else null.
function robustTop(found) {
  if (found.max.length < 20) return null;
  const sorted = [...found.max].sort((before, after) => before - after);
  const usual = sorted[Math.floor(0.98 * (sorted.length - 1))];
  return usual > 0 && sorted[sorted.length - 1] > 4 * usual ? 1.5 * usual : null;
}

const nameLimit = (limit, unit) => [limit.word, limit.name, figure(limit.value, unit)].filter(Boolean).join(" ");

function summary(found, mine) {
  const { unit, tail, plot } = mine;
  const least = Math.min(...found.min);
  const greatest = Math.max(...found.max);
  const last = found.mean[found.mean.length - 1];
  const [bottom, top] = [plot?.scales.y.min, plot?.scales.y.max];
  const away = mine.limits.filter((limit) => limit.value < bottom || limit.value > top);
  return [
    `Last ${figure(last, unit)}, between ${figure(least, unit)} and ${figure(greatest, unit)}.`,
    `${tail ? "Solid line: mean; dotted: 95th percentile" : "Solid line: mean"}; band: min to max.`,
    mine.failures.length ? "Shaded: failed (red) or unknown (grey)." : "",
    greatest > top ? `Values above ${figure(top, unit)} are cut off.` : "",
    away.length ? `Out of view: ${away.map((limit) => nameLimit(limit, unit)).join(", ")}.` : "",
    "Drag to zoom, double click to go back.",
  ].filter(Boolean).join(" ");
}

function valueTable(found) {
  const every = Math.max(1, Math.ceil(found.at.length / ROWS));
  const rows = found.at.flatMap((at, place) => (place % every ? [] : [h("tr", {}, h("th", { scope: "row" }, stamp(at)), [found.mean, found.min, found.max].map((column) => h("td", {}, number(column[place]))))]));
  return table("Values over time", ["Time", "Mean", "Min", "Max"], rows);
}

// A canvas knows no custom properties, nor light-dark().
function color(name) {
  const probe = h("span", { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function options(mine) {
  const line = color("--accent");
  mine.colors = { warn: color("--warn"), fail: color("--fail"), shade: color("--shade"), unknown: color("--shade-unknown") };
  const grid = { stroke: color("--line"), width: 1 };
  const axis = { stroke: color("--quiet"), grid, ticks: grid };
  const shape = (label, more) => ({ label, stroke: line, width: 1.5, points: { size: 5, fill: line }, value: (_, value) => (value === null ? "–" : figure(value, mine.unit)), ...more });
  const unseen = { stroke: "transparent", points: { show: false } };
  return {
    width: mine.place.clientWidth || 600,
    height: HEIGHT,
    cursor: { drag: { x: true, y: false, setScale: false } },
    select: { show: true },
    legend: { live: true },
    scales: { x: { range: () => [mine.scale.since, mine.scale.until] }, y: { range: (_, low, high) => bounds(mine, low, high) } },
    axes: [{ ...axis, space: 78, values: (_, ticks, __, ___, step) => ticks.map((at, place) => tick(at, step, ticks[place - 1])) }, { ...axis, size: 80, values: (_, ticks) => ticks.map((each) => figure(each, mine.unit)) }],
    series: [{ label: "time", value: (_, at) => (at === null ? "–" : stamp(at)) }, shape("mean", {}), shape("min", unseen), shape("max", unseen), ...(mine.tail ? [shape("p95", { dash: [3, 3] })] : [])],
    bands: [{ series: [3, 2], fill: color("--band") }],
    hooks: { drawClear: [(plot) => shadeFailures(plot, mine)], draw: [(plot) => drawLimits(plot, mine)], setSelect: [(plot) => zoom(plot)] },
  };
}

// The time of day, and the day where it changes.
function tick(at, step, before) {
  const text = stampParts(at);
  const day = before === undefined || stampParts(before).day !== text.day;
  if (step >= 86400) return text.day;
  return (step < 60 ? text.time : text.time.slice(0, 5)) + (day ? `\n${text.day}` : "");
}

// Limits near the figures are always in view; neither a limit that is far off nor a single peak flattens them.
function bounds(mine, low, high) {
  const most = mine.cut ?? high;
  const far = 4 * Math.max(Math.abs(most), Math.abs(low), 1e-9);
  const near = mine.limits.map((limit) => limit.value).filter((value) => Math.abs(value) <= far || mine.limits.length === 1);
  const top = Math.max(0, most, ...near);
  const bottom = Math.min(0, low, ...near);
  return [bottom, top + (top - bottom || 1) * 0.08];
}

function shadeFailures(plot, mine) {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const period of mine.failures) {
    const left = Math.max(bbox.left, plot.valToPos(period.since, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(period.until, "x", true));
    ctx.fillStyle = period.outcome === "fail" ? mine.colors.shade : mine.colors.unknown;
    // A short failure in a long range must not vanish.
    ctx.fillRect(left, bbox.top, Math.max(2 * devicePixelRatio, right - left), bbox.height);
  }
  ctx.restore();
}

function drawLimits(plot, mine) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = devicePixelRatio * 1.5;
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  for (const limit of mine.limits) {
    const y = plot.valToPos(limit.value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = ctx.fillStyle = mine.colors[limit.word];
    ctx.setLineDash(limit.word === "warn" ? [8, 5] : [2, 4]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    ctx.fillText(nameLimit(limit, mine.unit), bbox.left + 6, y - 4);
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
