// The page: who is here, which view the address names, and moving between them.
import { Refused, get, useToken } from "./api.js";
import { account } from "./account.js";
import { h, notice, say } from "./dom.js";
import * as live from "./live.js";
import { listen, value } from "./store.js";

const PAGES = [
  { path: "/", name: "Overview", load: () => import("./views/overview.js") },
  { path: "/fleet", name: "Fleet", load: () => import("./views/fleet.js") },
  { path: "/alerts", name: "Alerts", load: () => import("./views/alerts.js") },
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
  document.title = `${name ?? page.name} · ${document.getElementById("target").textContent}`;
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
  const problem = value("monitor")?.problem;
  if (document.documentElement.dataset.live === "out") return;
  banner.hidden = !problem;
  say(banner, problem ? `The monitor has a problem: ${problem}` : "");
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
