// What the server told, by key, and who wants to know of it.

const state = new Map();
const listeners = new Set();

export const value = (key) => state.get(key);

export function below(prefix) {
  return [...state].filter(([key]) => key.startsWith(prefix)).map(([, one]) => one);
}

export const names = (prefix) => [...state.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));

export function replace(fresh) {
  const keys = new Set([...state.keys(), ...Object.keys(fresh)]);
  state.clear();
  for (const [key, one] of Object.entries(fresh)) state.set(key, one);
  tell(keys);
}

export function change(set, gone) {
  for (const [key, one] of Object.entries(set)) state.set(key, one);
  for (const key of gone) state.delete(key);
  tell(new Set([...Object.keys(set), ...gone]));
}

// `wanted` are beginnings of keys; returns what ends it.
export function listen(wanted, told) {
  const one = (keys) => {
    for (const key of keys) {
      if (wanted.some((begin) => key.startsWith(begin))) {
        told(keys);
        return;
      }
    }
  };
  listeners.add(one);
  return () => listeners.delete(one);
}

function tell(keys) {
  // A copy: who is told may add or end listeners.
  for (const one of Array.from(listeners)) one(keys);
}
