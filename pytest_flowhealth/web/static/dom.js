// Builds elements. Texts become text nodes: nothing that a target says is ever read as HTML.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Sets a text only where it differs, so that a selection in it survives.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  return element;
}

export function attribute(element, name, value) {
  if (value === null || value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Keeps a list of elements in step with items: those that stay are updated in place, by their key.
export function keep(parent, items, key, make, update) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = before.get(name);
    if (!element) {
      element = make(item);
      element.dataset.key = name;
    }
    before.delete(name);
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of before.values()) gone.remove();
}

// Shows what is asked for in a place, and asks again after so many seconds, after an error sooner.
// An error stands there only as long as it lasts; what is unchanged stays as it is, with what is selected or open in it.
export function keepLoaded(place, ask, show, seconds) {
  let timer = 0;
  let ended = false;
  let turn = 0;
  let before = null;
  const load = async () => {
    const mine = ++turn;
    clearTimeout(timer);
    let content;
    let failed = false;
    try {
      content = [show(await ask())].flat().filter(Boolean);
    } catch (error) {
      failed = true;
      content = [notice("error", error.message)];
    }
    if (ended || mine !== turn) return;
    const text = content.map((element) => element.outerHTML).join("");
    if (text !== before) place.replaceChildren(...content);
    before = text;
    timer = setTimeout(load, 1000 * (failed ? Math.min(5, seconds) : seconds));
  };
  place.replaceChildren(h("p", { class: "quiet" }, "Loading…"));
  load();
  return {
    load,
    end: () => {
      ended = true;
      clearTimeout(timer);
    },
  };
}

// What stands in the place of a part that can't be shown.
export function notice(kind, text) {
  return h("p", { class: `notice ${kind}`, data: { test: kind } }, text);
}
