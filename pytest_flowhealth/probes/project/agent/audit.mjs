// Known vulnerabilities of the installed packages, from the registry's bulk endpoint.
import { AgentError, firstLines } from "./errors.mjs";
import { layoutOf } from "./layout.mjs";
import { runManager } from "./managers.mjs";
import { lockTree } from "./lock.mjs";

/**
 * @typedef {object} Vulnerability
 * @property {string} name
 * @property {string} severity
 * @property {string} range the vulnerable versions
 * @property {string[]} titles of the advisories; none where a dependency is vulnerable
 * @property {string | null} fix a command
 * @typedef {{ counts: Record<string, number>, packages: Vulnerability[] }} Audit
 */

const SEVERITIES = ["critical", "high", "moderate", "low", "info"];

/**
 * @param {unknown} _request
 * @param {import("./npm.mjs").Npm} npm
 * @returns {Promise<Audit>}
 */
export async function answer(_request, npm) {
  const layout = await layoutOf(npm);
  if (layout.manager === "pnpm") return readCounts(await runManager(layout, ["pnpm", "audit", "--json"]));
  if (layout.manager === "yarn") {
    return readYarn(await runManager(layout, ["yarn", "npm", "audit", "--all", "--recursive", "--json"]));
  }
  if (layout.manager === "bun") {
    throw new AgentError("unavailable", `${layout.evidence}: bun's lock file can't be audited by npm; bun audit shows what bun knows`);
  }
  const tree = await lockTree(npm);
  if (tree === null) {
    throw new AgentError("unavailable", "an audit needs a lock file", "npm install --package-lock-only");
  }
  return auditTree(npm, tree, layout.root);
}

/**
 * @param {import("./npm.mjs").Npm} npm
 * @param {any} tree
 * @param {string} root
 */
async function auditTree(npm, tree, root) {
  const Arborist = npm.require("@npmcli/arborist");
  /** @type {Record<string, any>} */
  const options = { ...(await npm.config()), path: root, audit: true, offline: false, fetchRetries: 1, fetchTimeout: 20_000 };
  const arborist = new Arborist(options);
  arborist.virtualTree = tree;
  await arborist.audit({ fix: false });
  const report = arborist.auditReport;
  if (report.error) throw unanswered(report.error, options.registry);
  const { vulnerabilities, metadata } = report.toJSON();
  const packages = Object.values(vulnerabilities).map((/** @type {any} */ found) => ({
    name: found.name,
    severity: found.severity,
    range: found.range,
    titles: found.via.filter((/** @type {any} */ via) => typeof via === "object").map((/** @type {any} */ via) => via.title),
    fix: fixCommand(found.fixAvailable),
  }));
  return { counts: countsOf(metadata.vulnerabilities), packages: packages.sort(bySeverity) };
}

/**
 * @param {any} error
 * @param {string} registry
 */
function unanswered(error, registry) {
  const status = error.statusCode ? `status ${error.statusCode}` : firstLines(error);
  const host = new URL(registry).host;
  const absent = [404, 405, 501].includes(error.statusCode);
  const hint = absent ? "; where a registry has none, [dependencies] audit = false in flowhealth.toml switches this off" : "";
  return new AgentError("unavailable", `${host}: the audit endpoint did not answer: ${status}${hint}`);
}

/** @param {any} fix */
function fixCommand(fix) {
  if (fix === true) return "npm audit fix";
  return fix ? `npm install ${fix.name}@${fix.version}` : null;
}

/**
 * @param {Vulnerability} left
 * @param {Vulnerability} right
 */
function bySeverity(left, right) {
  return SEVERITIES.indexOf(left.severity) - SEVERITIES.indexOf(right.severity);
}

/** @param {Record<string, number>} found */
function countsOf(found) {
  return Object.fromEntries(SEVERITIES.map((severity) => [severity, Number(found[severity] ?? 0)]));
}

/**
 * Read `pnpm audit --json`.
 * @param {string} text
 * @returns {Audit}
 */
function readCounts(text) {
  const report = JSON.parse(text);
  if (!report.metadata?.vulnerabilities) {
    throw new AgentError("unavailable", `\`pnpm audit\` gives no figures: ${firstLines(report.error ?? report)}`);
  }
  const packages = Object.values(report.advisories ?? {}).map((/** @type {any} */ found) => ({
    name: found.module_name,
    severity: found.severity,
    range: found.vulnerable_versions,
    titles: [found.title],
    fix: "pnpm audit --fix && pnpm install",
  }));
  return { counts: countsOf(report.metadata.vulnerabilities), packages: packages.sort(bySeverity) };
}

/**
 * Read `yarn npm audit --json`: a JSON line for each advisory, none where there is none.
 * @param {string} text
 * @returns {Audit}
 */
function readYarn(text) {
  const packages = text
    .split("\n")
    .filter((line) => line.trim())
    .map((line) => JSON.parse(line))
    .map((line) => ({
      name: String(line.value),
      severity: String(line.children?.Severity).toLowerCase(),
      range: String(line.children?.["Vulnerable Versions"]),
      titles: [String(line.children?.Issue)],
      fix: null,
    }));
  if (packages.some((found) => !SEVERITIES.includes(found.severity))) {
    throw new AgentError("unavailable", "`yarn npm audit` gives no figures");
  }
  /** @type {Record<string, number>} */
  const counts = {};
  for (const { severity } of packages) counts[severity] = (counts[severity] ?? 0) + 1;
  return { counts: countsOf(counts), packages: packages.sort(bySeverity) };
}
