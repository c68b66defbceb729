// The page: who is here, which view the address names, and moving between them.
import { Refused, get, useToken } from "./api.js";
import { account } from "./account.js";
import { h, notice, say } from "./dom.js";
import { stamp, symbol } from "./format.js";
import * as live from "./live.js";
import { isSilentSince, listen, value } from "./store.js";

const PAGES = [
  { path: "/", name: "Overview", load: () => import("./views/overview.js") },
  { path: "/fleet", name: "Fleet", load: () => import("./views/fleet.js") },
  { path: "/alerts", name: "Alerts", load: () => import("./views/alerts.js") },
  { path: "/history", name: "History", load: () => import("./views/history.js") },
  { path: "/npm", name: "npm package", load: () => import("./views/npm.js") },
  { path: "/installs", name: "Installations", load: () => import("./views/installs.js") },
  { path: "/hosts", name: "Hosts", load: () => import("./views/hosts.js") },
];
const CHECK = { path: "/check/", name: "Check", load: () => import("./views/check.js") };

const main = document.getElementById("main");
const banner = document.getElementById("banner");
let shown = null;
let turn = 0;
let path = null;
let heading = "";
let deliveryProblem = null;

async function start() {
  let session;
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
  navigation();
  document.addEventListener("logged-out", loggedOut);
  document.addEventListener("click", follow);
  document.addEventListener("click", fold);
  document.addEventListener("keydown", (event) => event.key === "Escape" && fold(event));
  addEventListener("popstate", () => moved());
  listen(["monitor"], monitor);
  watchDelivery();
  live.begin();
  await show();
}

function navigation() {
  const items = PAGES.map((one) => h("li", {}, h("a", { href: one.path, "data-link": true }, one.name)));
  document.getElementById("nav").replaceChildren(...items);
}

function pageOf(path) {
  if (path.startsWith(CHECK.path)) return [CHECK, decoded(path.slice(CHECK.path.length))];
  return [PAGES.find((one) => one.path === path) ?? PAGES[0], null];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // no check is called so, and the page says it
  }
}

async function show() {
  const mine = ++turn;
  const [page, name] = pageOf(location.pathname);
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("href") === page.path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  let view;
  try {
    view = await page.load();
  } catch {
    main.replaceChildren(notice("error", "this page can't be loaded: the monitor does not answer"));
    return;
  }
  if (mine !== turn) return;
  shown?.end();
  shown = view.make(name);
  path = location.pathname;
  main.replaceChildren(shown.element);
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

// Which receivers take no messages is asked for now and then: it is not part of the state.
async function watchDelivery() {
  try {
    const { receivers } = await get("/api/deliveries");
    const failing = receivers.filter((receiver) => receiver.failing);
    const external = receivers.filter((receiver) => receiver.external);
    const nobody = external.length && external.every((receiver) => receiver.failing);
    deliveryProblem = nobody ? `No receiver can be reached: nobody is notified of alerts (${failing.map((receiver) => `${receiver.name} since ${stamp(receiver.since)}`).join(", ")}).` : null;
  } catch {
    deliveryProblem = null;
  }
  monitor();
  setTimeout(watchDelivery, 10000);
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

function monitor() {
  const firing = value("monitor")?.firing ?? 0;
  const link = document.querySelector('#nav a[href="/alerts"]');
  if (link) say(link, firing ? `Alerts (${firing})` : "Alerts");
  mark();
  if (document.documentElement.dataset.live === "out") return;
  const silent = isSilentSince();
  const problem = value("monitor")?.problem;
  const texts = [
    silent === null ? null : `The monitor has not reported since ${stamp(silent)}: nothing is known. Check that it runs and that this browser reaches it.`,
    problem ? `The monitor has a problem: ${problem}` : null,
    silent === null ? deliveryProblem : null,
  ].filter(Boolean);
  banner.hidden = !texts.length;
  say(banner, texts.join(" "));
}

// The account's list is closed by what happens elsewhere.
function fold(event) {
  const user = document.getElementById("user");
  if (event.type === "click" && user.contains(event.target)) return;
  user.open = false;
}

function loggedOut() {
  live.end();
  banner.hidden = false;
  const next = encodeURIComponent(location.pathname + location.search);
  banner.replaceChildren("Your session has ended. ", h("a", { href: `/login?next=${next}` }, "Log in again"));
}

start();
