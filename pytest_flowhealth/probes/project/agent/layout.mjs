// Where a project's packages are and which manager installed them.
import { existsSync, promises as fs, readFileSync } from "node:fs";
import path from "node:path";

import { AgentError, firstLines } from "./errors.mjs";
import { readJson } from "./npm.mjs";

/**
 * @typedef {"npm" | "pnpm" | "yarn" | "bun"} Manager
 * @typedef {{ label: string, folder: string, manifest: Record<string, any> }} Package
 *   `label` is the path from the checked folder, "." for itself
 * @typedef {object} Layout
 * @property {string} folder the folder that is checked
 * @property {string} root the workspace's root that it belongs to, or itself
 * @property {Manager | null} manager
 * @property {string | null} evidence the file, or field, that names the manager
 * @property {string | null} lock path of the manager's lock file
 * @property {Package[]} packages the folder's own package, and its workspaces where it is the root
 * @property {boolean} installed whether the folder lies in another project's node_modules
 * @property {string | null} unlisted why the workspaces could not be listed
 * @property {string | null} note why the installed packages are not judged
 */

/** @type {[string, Manager][]} what only an installation leaves, then what is committed */
const EVIDENCE = [
  ["node_modules/.modules.yaml", "pnpm"],
  [".pnp.cjs", "yarn"],
  ["node_modules/.yarn-state.yml", "yarn"],
  ["node_modules/.yarn-integrity", "yarn"],
  ["npm-shrinkwrap.json", "npm"],
  ["package-lock.json", "npm"],
  ["pnpm-lock.yaml", "pnpm"],
  ["pnpm-workspace.yaml", "pnpm"],
  ["yarn.lock", "yarn"],
  ["bun.lock", "bun"],
  ["bun.lockb", "bun"],
];

/** @type {Record<Manager, string[]>} */
const LOCK_FILES = {
  npm: ["npm-shrinkwrap.json", "package-lock.json"],
  pnpm: ["pnpm-lock.yaml"],
  yarn: ["yarn.lock"],
  bun: ["bun.lock", "bun.lockb"],
};

/**
 * @param {unknown} _request
 * @param {import("./npm.mjs").Npm} npm
 * @returns {Promise<Layout>}
 */
export async function answer(_request, npm) {
  return layoutOf(npm);
}

/**
 * @param {import("./npm.mjs").Npm} npm
 * @returns {Promise<Layout>}
 */
export function layoutOf(npm) {
  return npm.remember("layout", () => readLayout(npm));
}

/** @param {import("./npm.mjs").Npm} npm */
async function readLayout(npm) {
  const folder = await fs.realpath(npm.project);
  const own = { label: ".", folder, manifest: await readManifest(path.join(folder, "package.json")) };
  const root = await findRoot(folder, npm);
  const { manager, evidence } = findManager(root, folder);
  const lock = LOCK_FILES[manager ?? "npm"].map((name) => path.join(root, name)).find(existsSync) ?? null;
  /** @type {Layout} */
  const layout = { folder, root, manager, evidence, lock, packages: [own], installed: isInstalled(folder), unlisted: null, note: null };
  if (lock === null && isStandalone(folder)) {
    layout.note = "this folder is a framework's standalone output, with the packages that its build traced";
  }
  if (root !== folder) return layout;
  try {
    const folders = manager === "pnpm" ? pnpmPackages(root) : await workspaces(root, own.manifest, npm);
    for (const place of folders.sort()) {
      const manifest = await readManifest(path.join(place, "package.json"), path.relative(root, place));
      layout.packages.push({ label: path.relative(root, place), folder: place, manifest });
    }
  } catch (error) {
    if (error instanceof AgentError && error.kind === "failed") throw error;
    layout.unlisted = firstLines(error);
  }
  return layout;
}

/**
 * @param {string} file
 * @param {string} [label]
 * @returns {Promise<Record<string, any>>}
 */
export async function readManifest(file, label) {
  const where = label ? `workspace ${label}: package.json` : "package.json";
  let text;
  try {
    text = await fs.readFile(file, "utf8");
  } catch (error) {
    const absent = /** @type {any} */ (error).code === "ENOENT";
    const words = absent ? "there is no package.json" : `${where} can't be read: ${firstLines(error)}`;
    throw new AgentError("failed", label && absent ? `${where} is missing` : words, absent ? "npm init" : undefined);
  }
  try {
    const manifest = JSON.parse(text.replace(/^\ufeff/, ""));
    if (!isObject(manifest)) throw new Error("it is not a JSON object");
    const wrong = wrongFields(manifest);
    if (!wrong.length) return manifest;
    throw new AgentError("failed", `${where}: ${wrong.join("; ")}`, "correct package.json, or: npm pkg fix");
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw new AgentError("failed", `${where} can't be read: ${firstLines(error)}`, "correct package.json");
  }
}

/** @param {unknown} value */
function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/**
 * Return the fields that do not have the type that npm documents.
 * @param {Record<string, any>} manifest
 */
function wrongFields(manifest) {
  /** @type {[string[], string, (value: any) => boolean][]} */
  const types = [
    [["name", "version", "main"], "a string", (value) => typeof value === "string"],
    [
      ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "scripts"],
      "an object of strings",
      (value) => isObject(value) && Object.values(value).every((text) => typeof text === "string"),
    ],
    [["bin"], "a string or an object", (value) => typeof value === "string" || isObject(value)],
    [["engines"], "an object", (value) => typeof value === "object"],
    [["workspaces"], "a list", (value) => Array.isArray(value) || Array.isArray(value.packages)],
  ];
  return types.flatMap(([fields, wanted, fits]) =>
    fields
      .filter((field) => manifest[field] !== undefined && manifest[field] !== null && !fits(manifest[field]))
      .map((field) => `"${field}" must be ${wanted}`),
  );
}

/**
 * Return the root of the workspaces that `folder` is one of, or `folder`.
 * @param {string} folder
 * @param {import("./npm.mjs").Npm} npm
 */
async function findRoot(folder, npm) {
  for (let above = path.dirname(folder); above !== path.dirname(above); above = path.dirname(above)) {
    if (path.basename(above) === "node_modules") return folder; // installed in somebody's project
    const manifest = readJson(path.join(above, "package.json"));
    const importers = pnpmImporters(above);
    if (existsSync(path.join(above, "pnpm-workspace.yaml"))) {
      const label = path.relative(above, folder).split(path.sep).join("/");
      if (importers === null || importers.includes(label)) return above;
    }
    if (manifest?.workspaces && (await workspaces(above, manifest, npm)).includes(folder)) return above;
  }
  return folder;
}

/** @param {string} folder */
function isStandalone(folder) {
  const files = readJson(path.join(folder, ".next/required-server-files.json"));
  return files?.config?.output === "standalone" && existsSync(path.join(folder, "server.js"));
}

/** @param {string} folder */
function isInstalled(folder) {
  const holder = path.basename(path.dirname(folder)).startsWith("@") ? path.dirname(path.dirname(folder)) : path.dirname(folder);
  return path.basename(holder) === "node_modules";
}

/**
 * @param {string} root
 * @param {string} folder
 * @returns {{ manager: Manager | null, evidence: string | null }}
 */
function findManager(root, folder) {
  const declared = readJson(path.join(root, "package.json"))?.packageManager;
  const name = typeof declared === "string" ? declared.split("@")[0] : "";
  if (name in LOCK_FILES) return { manager: /** @type {Manager} */ (name), evidence: "packageManager in package.json" };
  for (const place of new Set([folder, root])) {
    const found = EVIDENCE.find(([file]) => existsSync(path.join(place, file)));
    if (found) return { manager: found[1], evidence: found[0] };
  }
  return { manager: null, evidence: null };
}

/**
 * @param {string} root
 * @param {Record<string, any>} manifest
 * @param {import("./npm.mjs").Npm} npm
 * @returns {Promise<string[]>} the folders of npm's and Yarn's workspaces
 */
async function workspaces(root, manifest, npm) {
  if (!manifest.workspaces) return [];
  const mapWorkspaces = npm.require("@npmcli/map-workspaces");
  try {
    return [...(await mapWorkspaces({ cwd: root, pkg: manifest })).values()];
  } catch (error) {
    throw new AgentError("failed", `package.json's workspaces: ${firstLines(error)}`);
  }
}

/**
 * @param {string} root
 * @returns {string[]} the folders of pnpm's workspace
 */
function pnpmPackages(root) {
  if (!existsSync(path.join(root, "pnpm-workspace.yaml"))) return [];
  const importers = pnpmImporters(root);
  if (importers === null) throw new Error("pnpm's workspace has no pnpm-lock.yaml that lists its packages");
  const folders = importers.filter((name) => name !== ".").map((name) => path.resolve(root, name));
  return folders.filter((folder) => existsSync(path.join(folder, "package.json")));
}

/**
 * Return the names of the packages that pnpm-lock.yaml was written for, as paths from `root`.
 *
 * pnpm writes this file: its importers are the keys at the second level, on a line each.
 * @param {string} root
 * @returns {string[] | null}
 */
function pnpmImporters(root) {
  try {
    const text = readFileSync(path.join(root, "pnpm-lock.yaml"), "utf8");
    const section = /^importers:\n((?:[ ].*\n|\n)*)/m.exec(text)?.[1];
    if (section === undefined) return ["."];
    return [...section.matchAll(/^ {2}(\S.*?):(?: \{\})?$/gm)].map((found) => found[1].replace(/^'(.*)'$/, "$1"));
  } catch {
    return null;
  }
}
