// npm's lock file: what it lists, and whether `npm ci` takes it.
import { promises as fs } from "node:fs";
import path from "node:path";

import { AgentError, firstLines } from "./errors.mjs";
import { layoutOf } from "./layout.mjs";

/** For each answer of the registry, where npm must ask it. */
const SECONDS = 10;

/**
 * @typedef {import("./layout.mjs").Layout} Layout
 * @typedef {import("./npm.mjs").Npm} Npm
 * @typedef {import("./inspection.mjs").Fault} Fault
 * @typedef {object} Lock
 * @property {string} file its name
 * @property {number} packages how many packages it lists
 * @property {Fault[]} faults why `npm ci` would refuse it
 * @property {string[]} conflicts peers that disagree: `npm ci` refuses it without --legacy-peer-deps
 * @property {{ name: string, version: string, message: string, direct: boolean }[]} deprecated
 */

/**
 * @param {Npm} npm
 * @returns {Promise<any>} Arborist's tree of npm's lock file, null where there is none
 */
export function lockTree(npm) {
  return npm.remember("lock", async () => {
    const layout = await layoutOf(npm);
    if (!(layout.manager === "npm" || layout.manager === null) || layout.lock === null) return null;
    const text = await fs.readFile(layout.lock, "utf8");
    try {
      const lock = JSON.parse(text);
      if (lock === null || typeof lock !== "object" || !(lock.packages || lock.dependencies || lock.lockfileVersion)) {
        throw new Error("it lists no packages");
      }
    } catch (error) {
      const name = path.basename(layout.lock);
      const conflict = /^<{7} /m.test(text) ? "it has a merge's conflict markers" : firstLines(error);
      throw new AgentError("failed", `${name} can't be read: ${conflict}`, "npm install");
    }
    const Arborist = npm.require("@npmcli/arborist");
    return new Arborist({ ...(await npm.config()), path: layout.root }).loadVirtual();
  });
}

/**
 * @param {Npm} npm
 * @param {any} lock
 * @param {Layout} layout
 * @returns {Promise<Lock>}
 */
export async function inspectLock(npm, lock, layout) {
  const nodes = [...lock.inventory.values()].filter((node) => !node.isRoot && !node.isLink);
  const direct = new Set([...rootsOf(lock)].flatMap((root) => [...root.edgesOut.values()].map((edge) => edge.to)));
  const entries = lock.meta?.data?.packages ?? {};
  return {
    file: path.basename(String(layout.lock)),
    packages: nodes.length,
    faults: await lockFaults(npm, lock, layout),
    conflicts: peerConflicts(lock),
    deprecated: nodes
      .filter((node) => entries[node.location]?.deprecated)
      .map((node) => ({
        name: node.name,
        version: String(node.version),
        message: String(entries[node.location].deprecated),
        direct: direct.has(node),
      })),
  };
}

/** @param {any} lock */
function rootsOf(lock) {
  const workspaces = [...lock.edgesOut.values()].filter((edge) => edge.workspace && edge.to);
  return new Set([lock, ...workspaces.map((edge) => edge.to.target)]);
}

/**
 * Return why `npm ci` would refuse the lock file: what package.json or a package in it needs is not in it.
 *
 * Where an entry seems to be missing, npm itself decides, which needs the registry; without it, the
 * entry counts as missing.
 * @param {Npm} npm
 * @param {any} lock
 * @param {Layout} layout
 * @returns {Promise<Fault[]>}
 */
export function lockFaults(npm, lock, layout) {
  return npm.remember("lock faults", async () => {
    const faults = incompleteEntries(npm, lock, layout);
    return faults.length && (await isAcceptedByNpm(npm, layout).catch(() => false)) ? [] : faults;
  });
}

/**
 * Tell whether `npm ci` can be named as a remedy. Without the registry, what the lock file lists decides.
 * @param {Npm} npm
 * @param {Layout} layout
 * @returns {Promise<boolean>}
 */
export async function suitsCleanInstall(npm, layout) {
  const lock = await lockTree(npm).catch(() => null);
  if (lock === null || (await lockFaults(npm, lock, layout)).length) return false;
  return lock.meta?.ancientLockfile || isAcceptedByNpm(npm, layout).catch(() => true);
}

/**
 * Tell whether `npm ci` takes the lock file: it builds the tree of package.json and the lock file, and
 * refuses one that has other packages than the lock file.
 * @param {Npm} npm
 * @param {Layout} layout
 * @returns {Promise<boolean>}
 */
function isAcceptedByNpm(npm, layout) {
  return npm.remember("accepted", async () => {
    const Arborist = npm.require("@npmcli/arborist");
    const options = { ...(await npm.config()), path: layout.root, fetchRetries: 0, retry: { retries: 0 }, timeout: SECONDS * 1000 };
    const [virtual, ideal] = [new Arborist(options), new Arborist(options)];
    await virtual.loadVirtual();
    await ideal.buildIdealTree();
    const found = npm.require("./utils/validate-lockfile.js");
    const validate = found.validateLockfile ?? found;
    return validate(virtual.virtualTree.inventory, ideal.idealTree.inventory).length === 0;
  });
}

/**
 * @param {Npm} npm
 * @param {any} lock
 * @param {Layout} layout
 * @returns {Fault[]} what seems to be missing in the lock file
 */
function incompleteEntries(npm, lock, layout) {
  const semver = npm.require("semver");
  const roots = rootsOf(lock);
  /** @type {Fault[]} */
  const faults = [];
  if (lock.meta?.ancientLockfile) return faults;
  for (const node of lock.inventory.values()) {
    if (node.isLink || isOutside(node, layout)) continue;
    for (const edge of node.edgesOut.values()) {
      const who = roots.has(node) ? (node.isWorkspace ? node.name : "package.json") : node.pkgid;
      if (!edge.to && edge.missing && !edge.peer && !node.package.bundleDependencies?.includes?.(edge.name)) {
        faults.push({ name: edge.name, kind: "missing", message: `${edge.name} is not in it: ${who} needs ${edge.spec}`, remedy: "npm install" });
      } else if (roots.has(node) && edge.invalid && !edge.peer && !satisfies(semver, edge)) {
        const message = `${edge.name} is ${edge.to.version} in it, and ${who} needs ${edge.spec}`;
        faults.push({ name: edge.name, kind: "invalid", message, remedy: "npm install" });
      } else if (edge.invalid && edge.spec !== edge.rawSpec && isOutOfRange(semver, edge, edge.spec)) {
        const message = `${edge.name} is ${edge.to.version} in it, and the overrides of package.json need ${edge.spec}`;
        faults.push({ name: edge.name, kind: "invalid", message, remedy: "npm install" });
      }
    }
  }
  return faults;
}

/**
 * @param {any} node
 * @param {Layout} layout
 */
function isOutside(node, layout) {
  return path.relative(layout.root, node.realpath).startsWith("..");
}

/**
 * @param {any} semver
 * @param {any} edge
 * @param {string} range
 */
function isOutOfRange(semver, edge, range) {
  return semver.validRange(range) !== null && !semver.satisfies(edge.to.version, range, true);
}

/**
 * @param {any} semver
 * @param {any} edge
 */
function satisfies(semver, edge) {
  return [edge.spec, edge.rawSpec].some((range) => semver.validRange(range) !== null && semver.satisfies(edge.to.version, range, true));
}

/**
 * @param {any} lock
 * @returns {string[]}
 */
export function peerConflicts(lock) {
  const conflicts = [];
  for (const node of lock.inventory.values()) {
    for (const edge of node.edgesOut.values()) {
      if (edge.type === "peer" && edge.error && !edge.overrides) {
        conflicts.push(`${node.pkgid} needs ${edge.name} ${edge.spec}${edge.to ? `, not ${edge.to.version}` : ""}`);
      }
    }
  }
  return conflicts;
}
