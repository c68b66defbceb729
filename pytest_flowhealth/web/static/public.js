// Keeps the public status page up to date. When the monitor does not answer, nothing is shown as if it were known.
const INTERVAL = 30000;

async function refresh() {
  const main = document.querySelector("main");
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (fresh.querySelector("main").outerHTML !== main.outerHTML) main.replaceWith(fresh.querySelector("main"));
    document.title = fresh.title;
  } catch {
    const heading = document.createElement("h1");
    heading.textContent = "The status is unknown: the monitor does not answer";
    main.replaceChildren(heading);
    document.title = "unknown";
  }
}

setInterval(refresh, INTERVAL);
