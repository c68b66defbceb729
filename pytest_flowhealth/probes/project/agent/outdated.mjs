// Direct dependencies that are behind their latest version, or deprecated, by the registry.
import path from "node:path";

import { AgentError, firstLines } from "./errors.mjs";
import { layoutOf } from "./layout.mjs";
import { runManager } from "./managers.mjs";
import { installedTrees } from "./tree.mjs";

/**
 * @typedef {object} Behind
 * @property {string} name
 * @property {string} current
 * @property {string} wanted the newest within the range
 * @property {string} latest
 * @property {boolean} major whether the latest is a major version ahead
 * @typedef {object} Outdated
 * @property {Behind[]} behind
 * @property {{ name: string, version: string, message: string }[]} deprecated
 * @property {string[]} unread what the registry tells nothing of
 * @property {string | null} remedy the command that installs the latest major versions
 */

/**
 * @param {unknown} _request
 * @param {import("./npm.mjs").Npm} npm
 * @returns {Promise<Outdated>}
 */
export async function answer(_request, npm) {
  const layout = await layoutOf(npm);
  if (layout.manager === "pnpm") return readPnpm(npm, await runManager(layout, ["pnpm", "outdated", "--format", "json"]));
  if (layout.manager === "yarn") {
    throw new AgentError("unavailable", `${layout.evidence}: Yarn has no command that lists outdated packages as JSON`);
  }
  if (layout.manager === "bun") {
    throw new AgentError("unavailable", `${layout.evidence}: bun lists outdated packages for reading only: bun outdated`);
  }
  for (const { manifest } of layout.packages) requestPackuments(npm, manifest);
  const edges = (await installedTrees(npm)).flatMap((root) => directEdges(root));
  /** @type {Outdated} */
  const outdated = { behind: [], deprecated: [], unread: [], remedy: null };
  const names = new Map(edges.map((edge) => [`${edge.name} ${edge.spec} ${edge.to.location}`, edge]));
  await Promise.all([...names.values()].map((edge) => compareEdge(npm, edge, outdated)));
  outdated.behind.sort((left, right) => left.name.localeCompare(right.name));
  outdated.remedy = installCommand(layout, [...names.values()], outdated.behind);
  return outdated;
}

/**
 * Return what installs the latest major versions in one of the packages that are behind.
 * @param {import("./layout.mjs").Layout} layout
 * @param {any[]} edges
 * @param {Behind[]} behind
 */
function installCommand(layout, edges, behind) {
  const latest = new Map(behind.filter(({ major }) => major).map(({ name, latest }) => [name, latest]));
  const late = edges.filter((edge) => latest.has(edge.name));
  if (!late.length) return null;
  const { realpath } = late[0].from;
  const specs = late.filter((edge) => edge.from.realpath === realpath).map(({ name }) => `${name}@${latest.get(name)}`);
  const workspace = path.relative(layout.folder, realpath);
  return ["npm install", ...specs, ...(workspace ? [`--workspace=${workspace}`] : [])].join(" ");
}

/**
 * @param {any} root
 * @returns {any[]} edges of the package and its workspaces to installed packages
 */
function directEdges(root) {
  const workspaces = [...root.edgesOut.values()].filter((edge) => edge.workspace && edge.to).map((edge) => edge.to.target);
  return [root, ...workspaces]
    .flatMap((node) => [...node.edgesOut.values()])
    .filter((edge) => edge.to && !edge.to.isLink && !edge.peer);
}

/**
 * @param {import("./npm.mjs").Npm} npm
 * @param {any} edge
 * @param {Outdated} outdated
 */
async function compareEdge(npm, edge, outdated) {
  const pickManifest = npm.require("npm-pick-manifest");
  const semver = npm.require("semver");
  const spec = parseSpec(npm, edge);
  if (spec === null) return;
  const options = await npm.config();
  const current = String(edge.to.version);
  try {
    const packument = await packumentOf(npm, spec.name);
    const deprecated = packument.versions?.[current]?.deprecated;
    if (deprecated) outdated.deprecated.push({ name: edge.name, version: current, message: String(deprecated) });
    const latest = pickManifest(packument, "*", options).version;
    const wanted = pickManifest(packument, spec.fetchSpec, options).version;
    if (semver.lt(current, latest) || current !== wanted) {
      outdated.behind.push({ name: edge.name, current, wanted, latest, major: semver.major(current) < semver.major(latest) });
    }
  } catch (error) {
    const { code } = /** @type {any} */ (error);
    if (!["ETARGET", "E403", "E404"].includes(code)) {
      throw new AgentError("unavailable", `the registry did not answer for ${spec.name}: ${firstLines(error)}`);
    }
    outdated.unread.push(edge.name);
  }
}

/**
 * Ask the registry for all direct dependencies while the installed packages are read.
 * @param {import("./npm.mjs").Npm} npm
 * @param {Record<string, any>} manifest
 */
function requestPackuments(npm, manifest) {
  const wanted = { ...manifest.devDependencies, ...manifest.optionalDependencies, ...manifest.dependencies };
  for (const [name, spec] of Object.entries(wanted)) {
    const found = parseSpec(npm, { name, spec });
    if (found) packumentOf(npm, found.name).catch(() => {}); // compareEdge tells
  }
}

/**
 * @param {import("./npm.mjs").Npm} npm
 * @param {string} name
 * @returns {Promise<any>}
 */
function packumentOf(npm, name) {
  return npm.remember(`packument ${name}`, async () => {
    const options = { ...(await npm.config()), preferOnline: true, fetchRetries: 1, fetchTimeout: 20_000 };
    return npm.require("pacote").packument(name, options);
  });
}

/**
 * @param {import("./npm.mjs").Npm} npm
 * @param {{ name: string, spec: string }} edge
 * @returns {{ name: string, fetchSpec: string } | null} null where it is not from the registry
 */
function parseSpec(npm, edge) {
  try {
    const spec = npm.require("npm-package-arg")(`${edge.name}@${edge.spec}`);
    if (!spec.registry) return null;
    return { name: spec.subSpec?.name ?? spec.name, fetchSpec: (spec.subSpec ?? spec).fetchSpec };
  } catch {
    return null;
  }
}

/**
 * @param {import("./npm.mjs").Npm} npm
 * @param {string} text
 * @returns {Outdated}
 */
function readPnpm(npm, text) {
  const semver = npm.require("semver");
  const rows = Object.entries(JSON.parse(text || "{}")).map(([name, /** @type {any} */ found]) => ({ name, ...found }));
  const isMajor = (/** @type {any} */ row) => row.current && semver.major(row.current) < semver.major(row.latest);
  const late = rows.filter(isMajor).map((row) => row.name);
  return {
    remedy: late.length ? ["pnpm update --latest", ...late].join(" ") : null,
    behind: rows
      .filter((row) => row.current)
      .map(({ name, current, wanted, latest }) => ({
        name,
        current,
        wanted,
        latest,
        major: isMajor({ current, latest }),
      })),
    deprecated: rows.filter((row) => row.isDeprecated).map((row) => ({ name: row.name, version: row.current, message: "deprecated" })),
    unread: [],
  };
}
