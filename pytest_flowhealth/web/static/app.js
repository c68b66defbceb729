// The page: who is here, which view the address names, and moving between them.
import { Refused, get, useToken } from "./api.js";
import { account } from "./account.js";
import { h, notice, say } from "./dom.js";
import { stamp, symbol, zone } from "./format.js";
import * as live from "./live.js";
import { isSilentSince, listen, names, value } from "./store.js";

// `applies`: whether the page has something to show for this target; it can be opened by its address in any case.
const PAGES = [
  { path: "/", name: "Overview", load: () => import("./views/overview.js"), applies: () => true },
  { path: "/fleet", name: "Fleet", load: () => import("./views/fleet.js"), applies: (monitor) => monitor.fleet || monitor.fleet_problem },
  { path: "/alerts", name: "Alerts", load: () => import("./views/alerts.js"), applies: () => true },
  { path: "/history", name: "History", load: () => import("./views/history.js"), applies: () => true },
  { path: "/npm", name: "npm package", load: () => import("./views/npm.js"), applies: () => names("component:").includes("npm") },
  { path: "/installs", name: "Installations", load: () => import("./views/installs.js"), applies: (monitor) => monitor.receives_reports },
  { path: "/hosts", name: "Hosts", load: () => import("./views/hosts.js"), applies: (monitor) => monitor.history === "server" },
];
const CHECK = { path: "/check/", name: "Check", load: () => import("./views/check.js") };

// Milliseconds after which a pending navigation is shown.
const PATIENCE = 150;

const root = document.documentElement;
const main = document.getElementById("main");
const nav = document.getElementById("nav");
const banner = document.getElementById("banner");
let view = null;
let turn = 0;
let path = null;
let heading = "";

async function start() {
  let session;
  // Loaded meanwhile; whether it can be is seen when it is shown.
  pageOf(location.pathname)[0].load().catch(() => null);
  try {
    session = await get("/api/session");
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      location.replace(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
      return;
    }
    main.replaceChildren(notice("error", error.message));
    setTimeout(start, 3000);
    return;
  }
  useToken(session.csrf);
  say(document.getElementById("target"), `${session.target} on ${session.host}`);
  account(document.getElementById("account"), session);
  say(document.getElementById("zone"), `Times are in ${zone()}.`);
  nav.replaceChildren(...PAGES.map((page) => h("li", {}, h("a", { href: page.path, "data-link": true }, page.name))));
  root.toggleAttribute("data-kiosk", new URLSearchParams(location.search).has("kiosk"));
  document.addEventListener("logged-out", showLoggedOut);
  document.addEventListener("click", follow);
  document.addEventListener("click", fold);
  document.addEventListener("keydown", (event) => event.key === "Escape" && fold(event));
  document.addEventListener("theme", () => show());
  addEventListener("popstate", () => moved());
  listen(["monitor", "component:"], update);
  live.begin();
  await show();
}

// Pages that do not apply to the target are left out, but for the one that is shown.
function navigate(current) {
  const monitor = value("monitor");
  PAGES.forEach((page, place) => {
    const item = nav.children[place];
    item.hidden = Boolean(monitor) && page !== current && !page.applies(monitor);
    if (page === current) item.firstChild.setAttribute("aria-current", "page");
    else item.firstChild.removeAttribute("aria-current");
  });
}

function pageOf(address) {
  if (address.startsWith(CHECK.path)) return [CHECK, decode(address.slice(CHECK.path.length))];
  return [PAGES.find((page) => page.path === address) ?? PAGES[0], null];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // no check is called so, and the page says it
  }
}

async function show() {
  const mine = ++turn;
  const [page, name] = pageOf(location.pathname);
  navigate(page);
  const pending = setTimeout(() => root.setAttribute("data-loading", ""), PATIENCE);
  main.setAttribute("aria-busy", "true");
  let module;
  try {
    module = await page.load();
  } catch {
    if (mine !== turn) return;
    main.replaceChildren(notice("error", "this page can't be loaded: the monitor does not answer"));
    // A script that failed to load is loaded again only by a new document.
    document.addEventListener("live", () => mine === turn && location.reload(), { once: true });
    return;
  } finally {
    clearTimeout(pending);
    if (mine === turn) {
      root.removeAttribute("data-loading");
      main.removeAttribute("aria-busy");
    }
  }
  if (mine !== turn) return;
  view?.end();
  view = module.make(name);
  path = location.pathname;
  main.replaceChildren(view.element);
  heading = name ?? page.name;
  mark();
}

// The tab's title and icon say the status too: a tab in the background is all that many people see.
const COLORS = { healthy: "#17694f", degraded: "#b87200", unhealthy: "#b3261e", unknown: "#6b7680" };

function mark() {
  const status = value("monitor")?.status ?? null;
  const sign = status ? `${symbol(status)} ${status} · ` : "";
  const title = `${sign}${heading} · ${document.getElementById("target").textContent}`;
  if (document.title !== title) document.title = title;
  const icon = document.querySelector('link[rel="icon"]');
  if (icon.dataset.status === (status ?? "")) return;
  icon.dataset.status = status ?? "";
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="${COLORS[status] ?? COLORS.unknown}"/></svg>`;
  icon.href = `data:image/svg+xml,${encodeURIComponent(drawing)}`;
}

// Within one page only the range moved.
function moved() {
  if (location.pathname === path) document.dispatchEvent(new CustomEvent("range"));
  else show();
}

function follow(event) {
  const link = event.target.closest?.("a[data-link]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  if (link.href !== location.href) history.pushState(null, "", link.href);
  show().then(() => main.focus({ preventScroll: true }));
  scrollTo(0, 0);
}

function update() {
  const monitor = value("monitor");
  const link = nav.querySelector('a[href="/alerts"]');
  say(link, monitor?.firing ? `Alerts (${monitor.firing})` : "Alerts");
  navigate(pageOf(location.pathname)[0]);
  mark();
  if (root.dataset.live === "out") return;
  const silent = isSilentSince();
  const texts = [
    silent === null ? null : `The monitor has not reported since ${stamp(silent)}: nothing is known. Check that it runs and that this browser reaches it.`,
    monitor?.problem ? `The monitor has a problem: ${monitor.problem}` : null,
    silent === null ? undelivered(monitor?.receivers ?? []) : null,
  ].filter(Boolean);
  banner.hidden = !texts.length;
  say(banner, texts.join(" "));
}

// What is only here can always be reached, and notifies nobody who is elsewhere.
function undelivered(receivers) {
  const external = receivers.filter((receiver) => receiver.type !== "console" && receiver.type !== "log");
  if (!external.length || !external.every((receiver) => receiver.error)) return null;
  return `No receiver can be reached: nobody is notified of alerts (${external.map((receiver) => `${receiver.name}: ${receiver.error}`).join(", ")}).`;
}

// The account's list is closed by what happens elsewhere.
function fold(event) {
  const user = document.getElementById("user");
  if (event.type === "click" && user.contains(event.target)) return;
  user.open = false;
}

function showLoggedOut() {
  live.end();
  banner.hidden = false;
  const next = encodeURIComponent(location.pathname + location.search);
  banner.replaceChildren("Your session has ended. ", h("a", { href: `/login?next=${next}` }, "Log in again"));
}

start();
