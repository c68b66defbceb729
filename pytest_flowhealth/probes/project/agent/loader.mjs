// Load packages in child processes, as Node loads them for an application.
import { spawn } from "node:child_process";

/**
 * @typedef {object} Attempt how loading a package went
 * @property {string} name
 * @property {"loaded" | "failed" | "ended" | "late"} state
 * @property {boolean} [hollow] it loaded, and exports nothing
 * @property {string} [kind] the error's name
 * @property {string} [code]
 * @property {string} [message]
 * @property {string} [file] the file that is at fault, where Node says
 * @property {string} [asker] the file that asks for a module that can't be found
 * @property {string | null} [signal]
 */

const BATCH_SECONDS = 20;
export const SINGLE_SECONDS = 8;
const AT_ONCE = 2;

// Run by `node --input-type=module -e` in the package's folder, where import() resolves from.
// Answers go to descriptor 3: the packages may print.
const LOADER = `
import { writeSync } from "node:fs";
const [alone, ...names] = process.argv.slice(1);
const tell = (line) => writeSync(3, JSON.stringify(line) + "\\n");
for (const name of names) {
  try {
    const space = await import(name);
    const values = Object.keys(space).filter((key) => key !== "default" && key !== "module.exports");
    const main = space.default;
    const hollow = !values.length && (main === undefined || (typeof main === "object" && main !== null && !Reflect.ownKeys(main).length));
    tell({ name, state: "loaded", hollow });
  } catch (error) {
    tell({ name, state: "failed", kind: String(error?.name ?? typeof error), code: String(error?.code ?? ""),
      message: String(error?.message ?? error).slice(0, 4000), stack: String(error?.stack ?? "").slice(0, 4000),
      asker: Array.isArray(error?.requireStack) ? error.requireStack[0] : undefined });
    if (alone === "alone") throw error;
  }
}
process.exit(0);
`;

/**
 * Load packages, first all in one process, then those that fail each in one of its own.
 * @param {string} folder
 * @param {string[]} names
 * @returns {Promise<Map<string, Attempt>>}
 */
export async function load(folder, names) {
  if (!names.length) return new Map();
  const attempts = await runLoader(folder, "together", names, BATCH_SECONDS);
  const again = names.filter((name) => {
    const first = attempts.get(name);
    return first?.state !== "loaded" && first?.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED";
  });
  const queue = [...again];
  const work = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const found = await runLoader(folder, "alone", [name], SINGLE_SECONDS);
      attempts.set(name, /** @type {Attempt} */ (found.get(name)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return attempts;
}

/**
 * @param {string} folder
 * @param {"together" | "alone"} how
 * @param {string[]} names
 * @param {number} seconds
 * @returns {Promise<Map<string, Attempt>>} an attempt for each name
 */
function runLoader(folder, how, names, seconds) {
  return new Promise((resolve) => {
    const line = ["--no-warnings", "--input-type=module", "-e", LOADER, "--", how, ...names];
    const child = spawn(process.execPath, line, { cwd: folder, stdio: ["ignore", "ignore", "pipe", "pipe"] });
    let [answers, errors, late] = ["", "", false];
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, seconds * 1000);
    child.stderr?.on("data", (chunk) => (errors = (errors + chunk).slice(-8000)));
    child.stdio[3]?.on("data", (chunk) => (answers += chunk));
    const finish = (/** @type {number | null} */ code, /** @type {string | null} */ signal) => {
      clearTimeout(timer);
      /** @type {Map<string, Attempt>} */
      const attempts = new Map(names.map((name) => [name, { name, state: late ? "late" : "ended", signal }]));
      for (const text of answers.split("\n").filter(Boolean)) {
        const attempt = JSON.parse(text);
        const place = /^(?:file:\/\/)?(\/.*?):\d+$/m.exec(errors)?.[1];
        attempts.set(attempt.name, { ...attempt, file: place && decodeURI(place) });
      }
      resolve(attempts);
    };
    child.on("error", () => finish(null, null));
    // Not "close": what the packages have started may hold the pipes open.
    child.on("exit", (code, signal) => setTimeout(finish, 20, code, signal));
  });
}
