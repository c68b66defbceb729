// What is wrong with the installed packages: the edges of npm's own trees, and the lock file.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { readJson } from "./npm.mjs";

/**
 * @typedef {import("./layout.mjs").Layout} Layout
 * @typedef {import("./npm.mjs").Npm} Npm
 * @typedef {{ name: string, message: string, kind: FaultKind, remedy: string | null }} Fault
 * @typedef {"missing" | "invalid" | "differs" | "link" | "changed"} FaultKind
 */

/** Specs of only one manager, and of a folder, which npm links or copies: it is there, or not. */
const OTHER_PROTOCOL = /^(workspace|catalog|patch|portal|link|jsr|exec|file):/;

/**
 * What installation scripts leave, of packages whose program they download.
 * @type {Record<string, string>}
 */
const DOWNLOADED = { electron: "path.txt" };

/** Goes over the installed packages that the checked ones reach. */
export class Inspection {
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
    this.omitted = this.devOmitted ? ["dev"] : [];
    this.semver = npm.require("semver");
  }

  /** @returns {Record<string, string>} the versions of the direct dependencies; "" for one that is missing */
  directVersions() {
    const edges = [...this.roots].flatMap((root) => [...root.edgesOut.values()]);
    return Object.fromEntries(edges.map((edge) => [edge.name, edge.to?.version ?? ""]));
  }

  /**
   * A script runs the commands of direct dependencies by links in node_modules/.bin.
   * @param {any} flat npm's configuration
   */
  inspectCommands(flat) {
    if (flat.binLinks === false || this.layout.manager === "yarn") return; // Yarn finds them itself
    for (const root of this.roots) {
      const words = new Set(Object.values(root.package.scripts ?? {}).flatMap((text) => String(text).split(/[\s&|;()"']+/)));
      this.#inspectStartPrograms(root);
      for (const { to } of root.edgesOut.values()) {
        for (const command of commandsOf(to?.package)) {
          if (!words.has(command)) continue;
          this.#inspectDownload(to);
          if (hasCommand(root.realpath, command)) continue;
          const message = `the command ${command} of ${to.pkgid} is not in node_modules/.bin, and a script of package.json runs it`;
          this.faults.push(fault(to, "link", message, this.foreign ? undefined : "npm rebuild --ignore-scripts"));
        }
      }
    }
  }

  /**
   * Dependencies for development may be left out, but not the one that a start script runs.
   * @param {any} root
   */
  #inspectStartPrograms(root) {
    if (!this.devOmitted || this.omit.has("dev")) return;
    const { start = "", serve = "" } = root.package.scripts ?? {};
    const words = `${start} ${serve}`.split(/[\s&|;()"']+/);
    for (const edge of root.edgesOut.values()) {
      if (edge.to || !edge.dev) continue;
      const commands = [edge.name, ...commandsOf(this.#locked(root, edge)?.package)];
      if (!commands.some((command) => words.includes(command))) continue;
      const message = `${edge.name} is missing, and a start script of package.json runs it`;
      const remedy = this.foreign ? `${this.layout.manager} install` : "npm install --include=dev";
      this.warnings.push(fault(edge, "missing", message, remedy));
    }
  }

  /** @param {any} node a package whose command a script runs */
  #inspectDownload(node) {
    const file = DOWNLOADED[node.name];
    if (!file || existsSync(path.join(node.realpath, file))) return;
    const message = `${node.pkgid} has no ${file}: its installation script, which downloads the program, did not run or failed`;
    this.faults.push(fault(node, "missing", message, this.foreign ? undefined : `npm rebuild --ignore-scripts=false ${node.name}`));
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
    else if (!this.#isInRange(edge) && edge.invalid) this.#inspectInvalid(node, edge); // npm's answer takes longer
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
   * npm 11.2 and later call some overridden packages invalid whose version is within the range, and what
   * was installed by a tag where the lock file has no URL (omit-lockfile-registry-resolved).
   * @param {any} edge
   */
  #isInRange(edge) {
    if (OTHER_PROTOCOL.test(edge.spec)) return true;
    if (!edge.to.resolved && this.npm.require("npm-package-arg").resolve(edge.name, edge.spec).type === "tag") return true;
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
 * @param {any} manifest
 * @returns {string[]}
 */
function commandsOf(manifest) {
  if (typeof manifest?.bin === "string") return [String(manifest.name).replace(/^@.*\//, "")];
  return Object.keys(manifest?.bin ?? {});
}

/**
 * @param {string} folder
 * @param {string} command
 */
function hasCommand(folder, command) {
  for (let at = folder; ; at = path.dirname(at)) {
    if (existsSync(path.join(at, "node_modules/.bin", command))) return true;
    if (at === path.dirname(at)) return false;
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

