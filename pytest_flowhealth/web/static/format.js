// Figures, times and durations in words. What was not measured is said so, never shown as 0.

const SYMBOLS = { healthy: "✓", pass: "✓", degraded: "!", warn: "!", unknown: "?", unhealthy: "✕", fail: "✕", skip: "–" };
const PLAIN = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const LARGE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const symbol = (status) => SYMBOLS[status] ?? "?";

export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "not measured";
  return Math.abs(value) >= 1000 ? LARGE.format(value) : PLAIN.format(value);
}

export function figure(value, unit) {
  const text = number(value);
  if (text === "not measured" || !unit || unit === "1") return text;
  if (unit === "B/s") return bytes(value) + "/s";
  return `${text} ${unit}`;
}

export function count(value) {
  return value === null || value === undefined ? "not known" : number(value);
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let power = 0;
  while (Math.abs(value) >= 1024 && power < 3) {
    value /= 1024;
    power += 1;
  }
  return `${PLAIN.format(value)} ${units[power]}`;
}

// The server's time: this machine's clock may be wrong.
let ahead = 0;

export function setClock(at) {
  ahead = at - Date.now() / 1000;
}

export const now = () => Date.now() / 1000 + ahead;

const two = (value) => String(value).padStart(2, "0");

export function clock(at) {
  const time = new Date(at * 1000);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export function stampParts(at) {
  const time = new Date(at * 1000);
  return { day: `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`, time: clock(at) };
}

export function stamp(at) {
  if (at === null || at === undefined) return "never";
  const { day, time } = stampParts(at);
  return day === stampParts(now()).day ? time : `${day} ${time}`;
}

// The name of the time zone and its distance from UTC: a screenshot in a report must say it.
export function zone() {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const parts = Intl.DateTimeFormat("en", { timeZoneName: "longOffset" }).formatToParts(new Date());
  const offset = parts.find((part) => part.type === "timeZoneName")?.value.replace("GMT", "UTC") ?? "";
  return name === "UTC" ? name : `${name} (${offset})`;
}

export function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${PLAIN.format(Math.round(seconds * 10) / 10)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 360) / 10} h`;
  return `${Math.round(seconds / 8640) / 10} d`;
}

// Seconds that clocks and messages may differ by.
const TOLERANCE = 10;

export function ago(at) {
  if (!at) return "never";
  return at > now() + TOLERANCE ? "before the clock was set back" : `${duration(Math.max(1, Math.round(now() - at)))} ago`;
}

export function limit(threshold) {
  const side = threshold.better === "higher" ? "below" : "above";
  const parts = [];
  if (threshold.warn !== null && threshold.warn !== undefined) parts.push(`warns ${side} ${figure(threshold.warn, threshold.unit)}`);
  if (threshold.fail !== null && threshold.fail !== undefined) parts.push(`fails ${side} ${figure(threshold.fail, threshold.unit)}`);
  return parts.join(", ") || "no limit";
}

export const thresholdName = (threshold) => (threshold.statistic ? `${threshold.measurement}.${threshold.statistic}` : threshold.measurement);
