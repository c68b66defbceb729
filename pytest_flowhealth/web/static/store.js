// The state that the server sent, by key, and its listeners. While the monitor is silent, every status reads as unknown.

const state = new Map();
const listeners = new Set();
const UNKNOWN = { "monitor": "status", "component:": "status", "check:": "outcome" };
let silentSince = null;

function known(key, content) {
  if (silentSince === null || !content) return content;
  const prefix = Object.keys(UNKNOWN).find((beginning) => key.startsWith(beginning));
  const field = UNKNOWN[prefix];
  return field && content[field] ? { ...content, [field]: "unknown", lastKnown: content[field] } : content;
}

export const value = (key) => known(key, state.get(key));

export function below(prefix) {
  return [...state].filter(([key]) => key.startsWith(prefix)).map(([key, content]) => known(key, content));
}

// `since`: the server's time of the last message, null while messages arrive.
export function setSilentSince(since) {
  if (silentSince === since) return;
  silentSince = since;
  notify(new Set(state.keys()));
}

export const isSilentSince = () => silentSince;

export const names = (prefix) => [...state.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));

export function replace(fresh) {
  const keys = new Set([...state.keys(), ...Object.keys(fresh)]);
  state.clear();
  for (const [key, content] of Object.entries(fresh)) state.set(key, content);
  notify(keys);
}

export function change(set, gone) {
  for (const [key, content] of Object.entries(set)) state.set(key, content);
  for (const key of gone) state.delete(key);
  notify(new Set([...Object.keys(set), ...gone]));
}

// `wanted` are beginnings of keys; returns what ends it.
export function listen(wanted, callback) {
  const listener = (keys) => {
    for (const key of keys) {
      if (wanted.some((begin) => key.startsWith(begin))) {
        callback(keys);
        return;
      }
    }
  };
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function notify(keys) {
  // A copy: a listener may add or end listeners.
  for (const listener of Array.from(listeners)) listener(keys);
}
