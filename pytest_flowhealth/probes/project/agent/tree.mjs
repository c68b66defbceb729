// What is installed, against package.json and the lock file: npm's own trees and their edges.
import { existsSync, promises as fs, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { AgentError, firstLines } from "./errors.mjs";
import { layoutOf } from "./layout.mjs";
import { readJson } from "./npm.mjs";
import { installCommand, repairCommand } from "./remedies.mjs";
import { findPnpFaults } from "./yarn.mjs";

/**
 * @typedef {import("./layout.mjs").Layout} Layout
 * @typedef {import("./npm.mjs").Npm} Npm
 * @typedef {{ name: string, message: string, kind: FaultKind, remedy: string | null }} Fault
 * @typedef {"missing" | "invalid" | "differs" | "link"} FaultKind
 * @typedef {object} Lock
 * @property {string} file its name
 * @property {number} packages how many packages it lists
 * @property {Fault[]} faults why `npm ci` would refuse it
 * @property {string[]} conflicts peers that disagree: `npm ci` refuses it without --legacy-peer-deps
 * @property {{ name: string, version: string, message: string, direct: boolean }[]} deprecated
 */

/** Specs that only one manager understands: what they lead to is there, or not. */
const OTHER_PROTOCOL = /^(workspace|catalog|patch|portal|link|jsr|exec):/;

/**
 * @param {unknown} _request
 * @param {Npm} npm
 */
export async function answer(_request, npm) {
  const layout = await layoutOf(npm);
  const base = { manager: layout.manager, evidence: layout.evidence, lock: null, lock_error: null };
  const empty = { ...base, faults: [], warnings: [], extraneous: [], omitted: [], versions: {}, note: null };
  if (isStandalone(layout)) {
    return { ...empty, note: "this folder is a framework's standalone output, with the packages that its build traced" };
  }
  if (layout.manager === "yarn" && existsSync(path.join(layout.root, ".pnp.cjs"))) {
    return { ...empty, faults: await findPnpFaults(layout) };
  }
  const lock = await lockTree(npm).then((tree) => ({ tree, error: null }), (error) => ({ tree: null, error }));
  const uninstalled = findUninstalled(layout);
  const found = uninstalled.length ? nothingInstalled(layout, uninstalled) : await inspected(npm);
  const own = layout.manager === null || layout.manager === "npm";
  return {
    ...empty,
    ...found,
    lock: lock.tree ? inspectLock(npm, lock.tree, layout) : null,
    lock_error: own && lock.error ? firstLines(lock.error) : null,
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
    if (layout.manager === "pnpm") return Promise.all(layout.packages.map((one) => load(one.folder)));
    const tree = await load(layout.root);
    if (layout.root === layout.folder) return [tree];
    const own = [...tree.inventory.values()].find((node) => !node.isLink && node.realpath === layout.folder);
    return [own ?? (await load(layout.folder))];
  });
}

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

/** @param {Layout} layout */
export function isStandalone(layout) {
  const files = readJson(path.join(layout.folder, ".next/required-server-files.json"));
  return files?.config?.output === "standalone" && existsSync(path.join(layout.folder, "server.js")) && layout.lock === null;
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
      const needing = layout.packages.filter((one) => needs(one.manifest).length);
      return needing.length || layout.unlisted ? [needing[0]?.label ?? "."] : [];
    }
    return layout.packages
      .filter((one) => needs(one.manifest).length && !hoisted && !hasPackages(path.join(one.folder, "node_modules")))
      .map((one) => one.label);
  }
  return layout.packages
    .filter((one) => needs(one.manifest).length && !foldersAbove(one.folder).some((folder) => hasPackages(folder)))
    .map((one) => one.label);
}

/**
 * @param {Layout} layout
 * @param {string[]} labels
 */
function nothingInstalled(layout, labels) {
  const remedy = installCommand(layout);
  const faults = labels.map((label) => ({
    name: label,
    kind: "missing",
    message: label === "." ? "no dependencies are installed" : `${label}: no dependencies are installed`,
    remedy,
  }));
  return { faults, nothing_installed: true };
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
    throw new AgentError("failed", `node_modules can't be read: ${firstLines(error)}`, `ls -ld '${folder}'; whoami`);
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

/**
 * @param {Npm} npm
 * @param {Layout} layout
 * @param {any} lock
 */
async function inspectInstalled(npm, layout, lock) {
  const roots = await installedTrees(npm);
  const flat = await npm.config();
  const inspection = new Inspection(npm, layout, lock, flat, roots);
  for (const node of inspection.nodes) inspection.inspect(node);
  const omitted = inspection.devOmitted ? ["dev"] : [];
  const complete = lock !== null && !lockFaults(npm, lock, layout).length;
  const state = { complete, conflicts: lock ? peerConflicts(lock) : [], omitted };
  const repair = repairCommand(layout, state);
  const versions = Object.fromEntries(
    roots.flatMap((root) => [...root.edgesOut.values()].map((edge) => [edge.name, edge.to?.version ?? ""])),
  );
  return {
    faults: inspection.faults.map((fault) => ({ ...fault, remedy: fault.remedy ?? repair })),
    warnings: inspection.warnings.map((fault) => ({ ...fault, remedy: fault.remedy ?? repair })),
    extraneous: inspection.nodes.filter((node) => node.extraneous && !node.isLink).map((node) => node.pkgid),
    omitted,
    versions,
    state,
  };
}

/**
 * Return the command that mends what is installed.
 * @param {Npm} npm
 * @param {{ files?: boolean }} [what] files: files of a package are damaged, not only versions wrong
 * @returns {Promise<string>}
 */
export async function repair(npm, what = {}) {
  const layout = await layoutOf(npm);
  try {
    const { state } = await inspected(npm);
    return repairCommand(layout, { ...state, ...what });
  } catch {
    return installCommand(layout);
  }
}

/** @param {Npm} npm */
function inspected(npm) {
  return npm.remember("inspected", async () => {
    const layout = await layoutOf(npm);
    return inspectInstalled(npm, layout, await lockTree(npm).catch(() => null));
  });
}

/** Goes over the installed packages that the checked ones reach. */
class Inspection {
  /** @type {Fault[]} */ faults = [];
  /** @type {Fault[]} */ warnings = [];

  /**
   * @param {Npm} npm
   * @param {Layout} layout
   * @param {any} lock
   * @param {any} flat
   * @param {any[]} roots
   */
  constructor(npm, layout, lock, flat, roots) {
    this.npm = npm;
    this.layout = layout;
    this.lock = lock;
    this.omit = new Set(flat.omit ?? []);
    this.linked = flat.installStrategy === "linked" || layout.manager === "pnpm";
    this.foreign = !(layout.manager === "npm" || layout.manager === null);
    this.roots = new Set(roots.flatMap((root) => [root, ...[...root.edgesOut.values()].filter((edge) => edge.workspace && edge.to).map((edge) => edge.to.target)]));
    this.nodes = reach(roots);
    // A production installation leaves out whatever is for development only.
    const wantsDev = [...this.roots].some((root) => [...root.edgesOut.values()].some((edge) => edge.dev));
    const hasDev = this.nodes.some((node) => node.dev && !node.isLink && !node.isWorkspace);
    this.devOmitted = wantsDev && (this.omit.has("dev") || !hasDev);
    this.semver = npm.require("semver");
  }

  /** @param {any} node */
  inspect(node) {
    if (node.isLink && !existsSync(node.realpath)) {
      this.faults.push(fault(node, "link", `${node.name} is a link to ${this.#shorten(node.realpath)}, which is not there`, null));
    }
    const locked = this.lock && !this.linked && !node.isLink && this.lock.inventory.get(node.location);
    if (locked && !locked.isLink && locked.version && node.version && locked.version !== node.version && !this.roots.has(node)) {
      const message = `${node.name} is ${node.version}, and the lock file has ${locked.version} (${node.location})`;
      this.faults.push(fault(node, "differs", message));
    }
    for (const edge of node.edgesOut.values()) this.#inspectEdge(node, edge);
  }

  /**
   * @param {any} node
   * @param {any} edge
   */
  #inspectEdge(node, edge) {
    if (!edge.to) this.#inspectMissing(node, edge);
    else if (edge.invalid && !this.#isInRange(edge)) this.#inspectInvalid(node, edge);
  }

  /**
   * @param {any} node
   * @param {any} edge
   */
  #inspectMissing(node, edge) {
    // Nobody installs what another package needs for its own development.
    if (edge.dev && (this.devOmitted || !this.roots.has(node))) return;
    if (edge.optional) {
      this.#inspectOptional(node, edge);
      return;
    }
    if (edge.peer && (this.foreign || (this.lock && !this.#locked(node, edge)))) return; // as it was installed
    const message = `${edge.name} is missing: ${this.#who(node)} needs ${edge.spec}`;
    this.faults.push(fault(edge, "missing", message, this.#linkedFolderRemedy(node)));
  }

  /**
   * A missing optional package is a fault where the lock file lists it for this platform.
   * @param {any} node
   * @param {any} edge
   */
  #inspectOptional(node, edge) {
    if (edge.type !== "optional" || this.omit.has("optional") || !this.lock) return;
    const locked = this.#locked(node, edge);
    if (locked && (locked.hasInstallScript || !this.#fitsPlatform(locked.package))) return;
    if (!locked && !namesPlatform(edge.name)) return;
    const where = locked ? "the lock file has it for this platform" : "the lock file was made on another platform";
    const message = `${edge.name} is missing, which ${this.#who(node)} uses on this platform; ${where}`;
    const remedy = locked ? undefined : `rm -r node_modules ${path.basename(String(this.layout.lock))} && npm install`;
    (node.dev || node.isRoot || !locked ? this.warnings : this.faults).push(fault(edge, "missing", message, remedy));
  }

  /**
   * @param {any} node
   * @param {any} edge
   */
  #inspectInvalid(node, edge) {
    const message = `${edge.name} is ${edge.to.version}, and ${this.#who(node)} needs ${edge.spec}`;
    const direct = this.roots.has(node) && !edge.peer;
    if (edge.dev && (this.devOmitted || !this.roots.has(node))) return;
    if (this.foreign) {
      if (direct && !hasOverrides(this.layout)) this.faults.push(fault(edge, "invalid", message));
      return;
    }
    const locked = this.#locked(node, edge);
    // What the lock file has as well, to install again does not change.
    const asLocked = this.lock && locked?.version === edge.to.version;
    (direct || !asLocked ? this.faults : this.warnings).push(
      fault(edge, "invalid", message, direct || !asLocked ? undefined : null),
    );
  }

  /**
   * npm 11.2 and later call some overridden packages invalid whose version is within the range.
   * @param {any} edge
   */
  #isInRange(edge) {
    if (OTHER_PROTOCOL.test(edge.spec)) return true;
    const ranges = [edge.spec, edge.rawSpec].filter((range) => this.semver.validRange(range) !== null);
    return ranges.some((range) => this.semver.satisfies(edge.to.version, range, true));
  }

  /**
   * @param {any} node
   * @param {any} edge
   * @returns {any} the lock file's package for this edge
   */
  #locked(node, edge) {
    const own = this.lock?.inventory.get(node.location);
    return own?.edgesOut.get(edge.name)?.to?.target ?? own?.resolve?.(edge.name)?.target ?? byName(this.lock, edge.name);
  }

  /** @param {any} manifest */
  #fitsPlatform(manifest) {
    try {
      this.npm.require("npm-install-checks").checkPlatform(manifest);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * npm links a dependency in another folder, and installs nothing there.
   * @param {any} node
   * @returns {string | undefined}
   */
  #linkedFolderRemedy(node) {
    if (this.foreign || !node.linksIn?.size || this.roots.has(node)) return undefined;
    const outside = path.relative(this.layout.root, node.realpath).startsWith("..");
    return outside ? `npm install --prefix '${path.relative(this.layout.folder, node.realpath)}'` : undefined;
  }

  /** @param {any} node */
  #who(node) {
    return this.roots.has(node) ? (node.isWorkspace ? node.name : "package.json") : node.pkgid;
  }

  /** @param {string} place */
  #shorten(place) {
    return path.relative(this.layout.folder, place);
  }
}

/**
 * @param {any[]} roots
 * @returns {any[]} all nodes that edges lead to, links and their targets
 */
function reach(roots) {
  const seen = new Set(roots);
  for (const node of seen) {
    if (node.isLink && node.target) seen.add(node.target);
    for (const edge of node.edgesOut.values()) if (edge.to) seen.add(edge.to);
  }
  return [...seen];
}

/**
 * @param {any} named a node or an edge
 * @param {FaultKind} kind
 * @param {string} message
 * @param {string | null} [remedy] undefined: what repairs the installation
 * @returns {any}
 */
function fault(named, kind, message, remedy) {
  return { name: named.name, kind, message, remedy };
}

/**
 * @param {any} lock
 * @param {string} name
 */
function byName(lock, name) {
  return lock ? ([...lock.inventory.query("name", name)][0] ?? null) : null;
}

/** @param {string} name */
function namesPlatform(name) {
  const libc = /musl/.test(name) === existsSync("/lib/ld-musl-x86_64.so.1") || !/musl|gnu/.test(name);
  return name.includes(`${process.platform}-${process.arch}`) && libc;
}

/** @param {Layout} layout */
function hasOverrides(layout) {
  const manifest = readJson(path.join(layout.root, "package.json")) ?? {};
  if (manifest.resolutions || manifest.overrides || manifest.pnpm?.overrides) return true;
  try {
    return /^overrides:/m.test(readFileSync(path.join(layout.root, "pnpm-workspace.yaml"), "utf8"));
  } catch {
    return false;
  }
}

/**
 * @param {Npm} npm
 * @param {any} lock
 * @param {Layout} layout
 * @returns {Lock}
 */
function inspectLock(npm, lock, layout) {
  const nodes = [...lock.inventory.values()].filter((node) => !node.isRoot && !node.isLink);
  const direct = new Set([...rootsOf(lock)].flatMap((root) => [...root.edgesOut.values()].map((edge) => edge.to)));
  const entries = lock.meta?.data?.packages ?? {};
  return {
    file: path.basename(String(layout.lock)),
    packages: nodes.length,
    faults: lockFaults(npm, lock, layout),
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
 * @param {Npm} npm
 * @param {any} lock
 * @param {Layout} layout
 * @returns {Fault[]}
 */
function lockFaults(npm, lock, layout) {
  const semver = npm.require("semver");
  const roots = rootsOf(lock);
  /** @type {Fault[]} */
  const faults = [];
  if (lock.meta?.ancientLockfile) return faults;
  for (const node of lock.inventory.values()) {
    if (node.isLink || isOutside(node, layout)) continue;
    for (const edge of node.edgesOut.values()) {
      const who = roots.has(node) ? (node.isWorkspace ? node.name : "package.json") : node.pkgid;
      if (edge.missing && !edge.peer) {
        faults.push({ name: edge.name, kind: "missing", message: `${edge.name} is not in it: ${who} needs ${edge.spec}`, remedy: "npm install" });
      } else if (edge.invalid && roots.has(node) && !edge.peer && !satisfies(semver, edge)) {
        const message = `${edge.name} is ${edge.to.version} in it, and ${who} needs ${edge.spec}`;
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
 */
function satisfies(semver, edge) {
  return [edge.spec, edge.rawSpec].some((range) => semver.validRange(range) !== null && semver.satisfies(edge.to.version, range, true));
}

/**
 * @param {any} lock
 * @returns {string[]}
 */
function peerConflicts(lock) {
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
