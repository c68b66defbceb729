// Node's and npm's versions against the ranges that the project names, and the platform against its lists.
import os from "node:os";
import path from "node:path";

import { AgentError, firstLines } from "./errors.mjs";
import { layoutOf } from "./layout.mjs";
import { readJson } from "./npm.mjs";

const DEFAULTS = { node: ">=20", npm: ">=9" };

/**
 * @typedef {"node" | "npm"} Program
 * @typedef {object} Requirement one range that a program's version must be in
 * @property {string} range
 * @property {string} origin who names it
 * @property {boolean | null} satisfied null: it is not a range
 * @property {boolean} warning whether a version outside is a warning only (devEngines, onFail: warn)
 * @property {string | null} remedy
 */

/**
 * @param {{ configured: Partial<Record<Program, { range: string, origin: string }>> }} request
 * @param {import("./npm.mjs").Npm} npm
 */
export async function answer(request, npm) {
  const manifest = readJson(path.join(npm.project, "package.json")) ?? {};
  const layout = await layoutOf(npm).catch(() => null);
  const manager = layout?.manager ?? "npm";
  const root = layout === null || layout.root === layout.folder ? {} : readJson(path.join(layout.root, "package.json"));
  const judged = (/** @type {Program} */ program, /** @type {string} */ version) =>
    judge(program, version, npm, manifest, root ?? {}, request.configured, manager);
  const found = { platform: process.platform, architecture: process.arch, release: os.release() };
  try {
    void npm.root;
  } catch (error) {
    // Without npm there is no semver to compare with, and whether npm is needed is the check's to say.
    const node = { version: process.versions.node, manager, requirements: [], problem: null };
    return { ...found, node, npm: { ...node, version: null, problem: firstLines(error) }, excluded: [] };
  }
  return {
    ...found,
    node: judged("node", process.versions.node),
    npm: judged("npm", npm.version),
    excluded: exclusions(npm, manifest),
  };
}

/**
 * @param {Program} program
 * @param {string} version
 * @param {import("./npm.mjs").Npm} npm
 * @param {any} manifest
 * @param {any} root package.json of the workspace's root
 * @param {any} configured
 * @param {string} manager
 */
function judge(program, version, npm, manifest, root, configured, manager) {
  const semver = npm.require("semver");
  /** @type {{ range: string, origin: string, warning?: boolean }[]} */
  let named = [];
  if (configured[program]) named.push(configured[program]);
  else if (program === "node" || manager === "npm") named = declared(program, manifest, root, npm);
  const requirements = named.map(({ range, origin, warning = false }) => {
    const valid = semver.validRange(range) !== null;
    const satisfied = valid ? semver.satisfies(version, range, { includePrerelease: true }) : null;
    return { range, origin, satisfied, warning, remedy: satisfied ? null : remedy(program, range, origin, semver) };
  });
  return { version, manager, requirements, problem: null };
}

/**
 * @param {Program} program
 * @param {any} manifest
 * @param {any} root
 * @param {import("./npm.mjs").Npm} npm
 */
function declared(program, manifest, root, npm) {
  const engines = { ...objectOf(root.engines), ...objectOf(manifest.engines) };
  const named = devEngines(program, root.devEngines ?? manifest.devEngines, npm);
  const range = engines[program];
  if (typeof range === "string") named.push({ range, origin: `engines.${program} in package.json` });
  if (!named.length) named.push({ range: DEFAULTS[program], origin: "the default" });
  return named;
}

/**
 * Return what devEngines demands and npm would refuse; npm's own function decides.
 * @param {Program} program
 * @param {unknown} wanted
 * @param {import("./npm.mjs").Npm} npm
 * @returns {{ range: string, origin: string, warning?: boolean }[]}
 */
function devEngines(program, wanted, npm) {
  const field = program === "node" ? "runtime" : "packageManager";
  const { checkDevEngines, currentEnv } = npm.require("npm-install-checks");
  const entries = [objectOf(wanted)[field] ?? []].flat();
  if (!checkDevEngines || !entries.length) return [];
  const current = currentEnv.devEngines({ nodeVersion: process.version, npmVersion: npm.version });
  try {
    const [problem] = checkDevEngines({ [field]: entries }, current);
    if (!problem || !(problem.isError || problem.isWarn)) return [];
    const own = entries.find((entry) => entry.name === program);
    // Another runtime or manager is demanded: no range of this one's versions would do.
    const range = own?.version ?? `${entries.at(-1).name}@${entries.at(-1).version ?? "*"}`;
    return [{ range, origin: `devEngines.${field} in package.json`, warning: !problem.isError }];
  } catch (error) {
    throw new AgentError("failed", `package.json: ${firstLines(error)}`, "correct devEngines in package.json");
  }
}

/**
 * @param {Program} program
 * @param {string} range
 * @param {string} origin
 * @param {any} semver
 */
function remedy(program, range, origin, semver) {
  if (semver.validRange(range) === null) {
    if (origin.startsWith("devEngines")) return `use ${range}, which ${origin} demands`;
    return origin.startsWith("engines") ? `npm pkg set engines.${program}='${DEFAULTS[program]}'` : null;
  }
  if (program === "npm") return `npm install --global 'npm@${range}'`;
  const least = semver.minVersion(range);
  if (least === null) return `correct ${origin}: no version is in that range`;
  return `nvm install ${semver.satisfies(`${least.major}.999.0`, range) ? least.major : least}`;
}

/**
 * @param {import("./npm.mjs").Npm} npm
 * @param {any} manifest
 */
function exclusions(npm, manifest) {
  try {
    npm.require("npm-install-checks").checkPlatform(manifest, false);
    return [];
  } catch (error) {
    const { current, required } = /** @type {any} */ (error);
    if (!current) throw error;
    return ["os", "cpu", "libc"]
      .filter((field) => required[field] && !isAllowed(npm, field, current[field], required[field]))
      .map((field) => ({ field, name: String(current[field]), allowed: [required[field]].flat().map(String) }));
  }
}

/**
 * @param {import("./npm.mjs").Npm} npm
 * @param {string} field
 * @param {string} name
 * @param {unknown} list
 */
function isAllowed(npm, field, name, list) {
  try {
    npm.require("npm-install-checks").checkPlatform({ [field]: list }, false, { [field]: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {unknown} value
 * @returns {Record<string, any>}
 */
function objectOf(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
}
