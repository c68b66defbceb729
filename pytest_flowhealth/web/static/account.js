// Who is logged in, from where else, and the way out.
import { get, post, remove } from "./api.js";
import { h, notice } from "./dom.js";
import { stamp } from "./format.js";

export function account(place, session) {
  const theme = h("select", { onchange: () => choose(theme.value) }, ["system", "light", "dark"].map((name) => h("option", { value: name, selected: name === document.documentElement.dataset.theme }, name)));
  const list = h("ul", { class: "plain" });
  const out = h("button", { onclick: () => leave() }, "Log out");
  place.replaceChildren(
    h("p", {}, `Logged in as ${session.user}`, session.expires ? ` until ${stamp(session.expires)}` : ""),
    out,
    h("p", {}, h("label", {}, "Theme ", theme)),
    h("p", {}, h("a", { href: "/?kiosk" }, "Kiosk view"), ": the overview without navigation, for a screen on the wall"),
    h("h2", { class: "small" }, "Open sessions"),
    list,
    h("p", {}, h("a", { href: "/api/report", download: "report.json" }, "Download the last report")),
  );
  place.closest("details").addEventListener("toggle", (event) => {
    if (event.target.open) sessions(list);
  });
}

function choose(theme) {
  localStorage.setItem("theme", theme);
  document.documentElement.dataset.theme = theme;
  // Charts are drawn with the colors of a theme.
  document.dispatchEvent(new CustomEvent("theme"));
}

async function leave() {
  try {
    await post("/api/logout");
  } finally {
    location.replace("/login");
  }
}

async function sessions(list) {
  try {
    const { sessions: every } = await get("/api/sessions");
    list.replaceChildren(...every.map((session) => item(session, list)));
  } catch (error) {
    list.replaceChildren(h("li", {}, notice("error", error.message)));
  }
}

function item(session, list) {
  const text = `${session.user} from ${session.address}, since ${stamp(session.since)}${session.current ? " (this session)" : ""} `;
  const end = async () => {
    await remove(`/api/sessions/${encodeURIComponent(session.id)}`);
    sessions(list);
  };
  return h("li", {}, text, session.current ? null : h("button", { onclick: end, "aria-label": `End the session from ${session.address}` }, "End"));
}
