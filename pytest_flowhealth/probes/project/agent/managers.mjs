// The other package managers' own commands, where they are on the PATH.
import { execFile } from "node:child_process";
import { promisify, stripVTControlCharacters } from "node:util";

import { AgentError, firstLines } from "./errors.mjs";
import { findProgram } from "./npm.mjs";

const SECONDS = 50;
const NO_DOWNLOADS = { COREPACK_ENABLE_DOWNLOAD_PROMPT: "0", COREPACK_ENABLE_NETWORK: "0" };

/**
 * Run a package manager's command in the project and return what it printed.
 *
 * Their exit codes are no errors: 1 means that there is something to tell.
 * @param {import("./layout.mjs").Layout} layout
 * @param {string[]} line the program and its arguments
 * @returns {Promise<string>}
 */
export async function runManager(layout, [program, ...rest]) {
  const command = [program, ...rest].join(" ");
  if ((await findProgram(program)) === null) {
    throw new AgentError("unavailable", `${layout.evidence} names ${program}, which is not on the PATH`, `npm install --global ${program}`);
  }
  const env = { ...process.env, ...NO_DOWNLOADS };
  const options = { cwd: layout.folder, timeout: SECONDS * 1000, maxBuffer: 1 << 27, env };
  const { stdout, stderr } = await promisify(execFile)(program, rest, options).catch((error) => error);
  const text = String(stdout ?? "").trim();
  if (/^[[{]/.test(text) || (text === "" && stderr === "")) return text;
  const output = firstLines(String(stderr || stdout || "nothing").trim());
  throw new AgentError("unavailable", `\`${command}\` gives no answer: ${output}`);
}

/**
 * Commands that compare the lock file with package.json, and change nothing.
 * @type {Record<string, string[]>}
 */
const LOCK_COMMANDS = {
  pnpm: ["pnpm", "install", "--frozen-lockfile", "--lockfile-only", "--ignore-scripts"],
  yarn: ["yarn", "info", "--all", "--recursive", "--name-only", "--json"],
  bun: ["bun", "install", "--frozen-lockfile", "--dry-run", "--ignore-scripts"],
};
/** What they print of a lock file that they refuse; another error says nothing of it. */
const REFUSED = /ERR_PNPM_(?:OUTDATED|BROKEN)_LOCKFILE|doesn't seem to be present in your lockfile|lockfile had changes|parse lockfile/;

/**
 * Return why pnpm, Yarn (from version 2 on) or bun refuses its lock file, null where it does not or does not say.
 * @param {import("./layout.mjs").Layout} layout
 * @returns {Promise<string | null>}
 */
export async function findLockError(layout) {
  const line = LOCK_COMMANDS[layout.manager ?? ""];
  if (!line || layout.lock === null || (await findProgram(line[0])) === null) return null;
  const options = { cwd: layout.root, timeout: SECONDS * 1000, env: { ...process.env, ...NO_DOWNLOADS } };
  try {
    await promisify(execFile)(line[0], line.slice(1), options);
    return null;
  } catch (error) {
    const { stdout, stderr } = /** @type {any} */ (error);
    const refusal = stripVTControlCharacters(`${stdout ?? ""}\n${stderr ?? ""}`).split("\n").find((text) => REFUSED.test(text));
    return refusal ? `${layout.lock.slice(layout.root.length + 1)} is refused by ${line[0]}: ${refusal.trim().slice(0, 300)}` : null;
  }
}
