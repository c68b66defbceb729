// What is installed, against package.json and the lock file: npm's own trees and their edges.
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

import { findChanges, findDamage } from "./damage.mjs";
import { AgentError, firstLines } from "./errors.mjs";
import { Inspection } from "./inspection.mjs";
import { layoutOf } from "./layout.mjs";
import { inspectLock, lockTree, peerConflicts, suitsCleanInstall } from "./lock.mjs";
import { findLockError } from "./managers.mjs";
import { readJson } from "./npm.mjs";
import { findUnapplied } from "./patches.mjs";
import { findPnpFaults } from "./yarn.mjs";

/**
 * @typedef {import("./inspection.mjs").Fault} Fault
 * @typedef {import("./layout.mjs").Layout} Layout
 * @typedef {import("./npm.mjs").Npm} Npm
 */

/**
 * @param {unknown} _request
 * @param {Npm} npm
 */
export function answer(_request, npm) {
  return npm.remember("tree", () => describeTree(npm)); // several checks ask
}

/** @param {Npm} npm */
async function describeTree(npm) {
  const layout = await layoutOf(npm);
  const base = { manager: layout.manager, evidence: layout.evidence, lock: null, lock_error: null };
  const empty = { ...base, faults: [], warnings: [], extraneous: [], omitted: [], versions: {} };
  if (layout.note) return empty;
  if (layout.manager === "yarn" && existsSync(path.join(layout.root, ".pnp.cjs"))) {
    const [faults, error] = await Promise.all([findPnpFaults(layout), findLockError(layout)]);
    return { ...empty, faults, lock_error: error };
  }
  const changes = findChanges(layout); // a process of its own
  const lock = await lockTree(npm).then((tree) => ({ tree, error: null }), (error) => ({ tree: null, error }));
  const uninstalled = findUninstalled(layout);
  const found = uninstalled.length ? await nothingInstalled(npm, layout, uninstalled) : await describeInstalled(npm, layout, changes);
  const own = layout.manager === null || layout.manager === "npm";
  return {
    ...empty,
    ...found,
    lock: lock.tree ? await inspectLock(npm, lock.tree, layout) : null,
    lock_error: own ? lock.error && firstLines(lock.error) : await findLockError(layout),
  };
}

/**
 * Load the installed packages: for npm and Yarn the whole project, for pnpm each of its packages.
 * @param {Npm} npm
 * @returns {Promise<any[]>} Arborist's nodes of the packages that are checked
 */
export function installedTrees(npm) {
  return npm.remember("installed", async () => {
    const layout = await layoutOf(npm);
    const Arborist = npm.require("@npmcli/arborist");
    const flat = await npm.config();
    const load = (/** @type {string} */ folder) =>
      new Arborist({ ...flat, path: folder }).loadActual({ forceActual: true });
    if (layout.manager === "pnpm") return Promise.all(layout.packages.map((member) => load(member.folder)));
    const tree = await load(layout.root);
    if (layout.root === layout.folder) return [tree];
    const own = [...tree.inventory.values()].find((node) => !node.isLink && node.realpath === layout.folder);
    return [own ?? (await load(layout.folder))];
  });
}

/**
 * Return the labels of the packages that need something and have no node_modules at all.
 * @param {Layout} layout
 * @returns {string[]}
 */
function findUninstalled(layout) {
  if (layout.manager === "pnpm") {
    const state = readJson(path.join(layout.root, "node_modules/.modules.yaml"));
    const hoisted = state?.nodeLinker === "hoisted";
    if (!existsSync(path.join(layout.root, "node_modules/.modules.yaml"))) {
      const needing = layout.packages.filter((member) => needs(member.manifest).length);
      return needing.length || layout.unlisted ? [needing[0]?.label ?? "."] : [];
    }
    return layout.packages
      .filter((member) => needs(member.manifest).length && !hoisted && !hasPackages(path.join(member.folder, "node_modules")))
      .map((member) => member.label);
  }
  return layout.packages
    .filter((member) => needs(member.manifest).length && !foldersAbove(member.folder).some((folder) => hasPackages(folder)))
    .map((member) => member.label);
}

/**
 * @param {Npm} npm
 * @param {Layout} layout
 * @param {string[]} labels
 */
async function nothingInstalled(npm, layout, labels) {
  const remedy = await installCommand(npm, layout);
  const faults = labels.map((label) => ({
    name: label,
    kind: "missing",
    message: label === "." ? "no dependencies are installed" : `${label}: no dependencies are installed`,
    remedy,
  }));
  return { faults, nothing_installed: true };
}

/**
 * Return what installs the dependencies where none are.
 * @param {Npm} npm
 * @param {Layout} layout
 */
async function installCommand(npm, layout) {
  if (layout.manager && layout.manager !== "npm") return `${layout.manager} install`;
  return (await suitsCleanInstall(npm, layout)) ? "npm ci" : "npm install";
}

/** @param {Record<string, any>} manifest */
function needs(manifest) {
  const optional = manifest.optionalDependencies ?? {};
  return Object.keys(manifest.dependencies ?? {}).filter((name) => !(name in optional));
}

/** @param {string} folder */
function hasPackages(folder) {
  try {
    return readdirSync(folder).some((name) => !name.startsWith("."));
  } catch (error) {
    const { code } = /** @type {any} */ (error);
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw new AgentError("failed", `node_modules can't be read: ${firstLines(error)}`);
  }
}

/** @param {string} folder */
function foldersAbove(folder) {
  const folders = [];
  for (let at = folder; ; at = path.dirname(at)) {
    folders.push(path.join(at, "node_modules"));
    if (at === path.dirname(at)) return folders;
  }
}

/** @param {Npm} npm */
function inspected(npm) {
  return npm.remember("inspected", async () => {
    const layout = await layoutOf(npm);
    const [lock, roots, flat] = await Promise.all([lockTree(npm).catch(() => null), installedTrees(npm), npm.config()]);
    const inspection = new Inspection(npm, layout, lock, flat, roots);
    for (const node of inspection.nodes) inspection.inspect(node);
    inspection.inspectCommands(flat);
    return inspection;
  });
}

/**
 * @param {Npm} npm
 * @param {Layout} layout
 * @param {Promise<string[]>} changing
 */
async function describeInstalled(npm, layout, changing) {
  const [inspection, changes] = await Promise.all([inspected(npm), changing]);
  const damage = await findDamage(npm, layout, inspection.nodes, changes);
  const unapplied = (await Promise.all(layout.packages.map(findUnapplied))).flat();
  const faults = [...inspection.faults, ...damage.filter(({ kind }) => kind === "changed"), ...unapplied];
  const warnings = [...inspection.warnings, ...damage.filter(({ kind }) => kind !== "changed")];
  const found = [...faults, ...warnings].filter((fault) => fault.remedy === undefined);
  const command = found.length ? await repair(npm, { files: found.some((fault) => damage.includes(fault)) }) : null;
  const repaired = (/** @type {Fault} */ fault) => ({ ...fault, remedy: fault.remedy === undefined ? command : fault.remedy });
  return {
    faults: faults.map(repaired),
    warnings: warnings.map(repaired),
    extraneous: inspection.nodes.filter((node) => node.extraneous && !node.isLink).map((node) => node.pkgid),
    omitted: inspection.omitted,
    versions: inspection.directVersions(),
  };
}

/**
 * Return the command that mends what is installed.
 * @param {Npm} npm
 * @param {{ files?: boolean }} [what] files: files of a package are damaged, not only versions wrong
 * @returns {Promise<string>}
 */
export async function repair(npm, { files = false } = {}) {
  const layout = await layoutOf(npm);
  try {
    const { lock, omitted } = await inspected(npm);
    const complete = await suitsCleanInstall(npm, layout);
    return repairCommand(layout, { complete, conflicts: lock ? peerConflicts(lock) : [], omitted, files });
  } catch {
    return installCommand(npm, layout);
  }
}

/**
 * Return what mends an installation that is there.
 * @param {Layout} layout
 * @param {object} state
 * @param {boolean} state.complete whether `npm ci` accepts the lock file
 * @param {string[]} state.conflicts peers that disagree, in the lock file
 * @param {string[]} state.omitted what was left out on purpose
 * @param {boolean} [state.files] whether files of a package are damaged: only `npm ci` replaces them
 * @returns {string}
 */
function repairCommand(layout, { complete, conflicts, omitted, files = false }) {
  if (layout.manager === "pnpm") return "pnpm install --force";
  const clean = files && !complete ? "rm -r node_modules && " : "";
  if (layout.manager === "yarn" || layout.manager === "bun") return `${clean}${layout.manager} install`;
  const options = [
    ...(conflicts.length ? ["--legacy-peer-deps"] : []),
    ...omitted.map((kind) => `--omit=${kind}`),
  ];
  return clean + ["npm", complete ? "ci" : "install", ...options].join(" ");
}
