// The log-in form; where it leads is always a path of this site.
import { errorOf } from "./api.js";

const form = document.getElementById("form");
const result = document.getElementById("result");
const asked = new URLSearchParams(location.search);

if (asked.get("link") === "used") {
  result.textContent = "That link was used already, or is not the last one that the monitor printed.";
}

function next() {
  const path = asked.get("next") ?? "/";
  // Not "//host" and not "/\host", which browsers read as another site.
  return /^\/(?![/\\])/.test(path) ? path : "/";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  result.textContent = "";
  try {
    const answer = await fetch("/api/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ user: form.user.value, password: form.password.value }),
    });
    if (answer.ok) {
      location.replace(next());
      return;
    }
    const wait = answer.headers.get("Retry-After");
    result.textContent = (await errorOf(answer)) + (wait ? ` (in ${Math.ceil(wait / 60)} min)` : "");
  } catch {
    result.textContent = "the monitor does not answer";
  }
  button.disabled = false;
  form.password.select();
});
