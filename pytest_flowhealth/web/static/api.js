// Asks the server. A refusal becomes an error with the server's own sentence.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let csrf = "";

export function useToken(token) {
  csrf = token;
}

export async function errorOf(answer) {
  try {
    return (await answer.json()).error ?? answer.statusText;
  } catch {
    return `the monitor answered with status ${answer.status}`;
  }
}

async function ask(path, settings) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...settings });
  } catch {
    throw new Refused(0, "the monitor does not answer");
  }
  if (!answer.ok) {
    if (answer.status === 401) document.dispatchEvent(new CustomEvent("logged-out"));
    throw new Refused(answer.status, await errorOf(answer));
  }
  return answer.status === 204 ? null : answer.json();
}

export const get = (path, query = {}) => {
  const words = new URLSearchParams(query).toString();
  return ask(words ? `${path}?${words}` : path);
};

export const post = (path, content = {}) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(content),
  });

export const remove = (path) => ask(path, { method: "DELETE", headers: { "X-CSRF-Token": csrf } });
