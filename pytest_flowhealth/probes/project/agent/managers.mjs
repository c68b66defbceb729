// The other package managers' own commands, where they are on the PATH.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { AgentError, firstLines } from "./errors.mjs";
import { findProgram } from "./npm.mjs";

const SECONDS = 50;

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
    throw new AgentError("unavailable", `${layout.evidence} names ${program}, which is not on the PATH`, command);
  }
  const env = { ...process.env, COREPACK_ENABLE_DOWNLOAD_PROMPT: "0", COREPACK_ENABLE_NETWORK: "0" };
  const options = { cwd: layout.folder, timeout: SECONDS * 1000, maxBuffer: 1 << 27, env };
  const { stdout, stderr } = await promisify(execFile)(program, rest, options).catch((error) => error);
  const text = String(stdout ?? "").trim();
  if (/^[[{]/.test(text) || (text === "" && stderr === "")) return text;
  const said = firstLines(String(stderr || stdout || "nothing").trim());
  throw new AgentError("unavailable", `\`${command}\` gives no answer: ${said}`, command);
}
