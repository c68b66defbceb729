// Files of installed packages that were changed or removed after the installation, and broke by it.
import { execFile } from "node:child_process";
import { promises as fs, statSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

import { ownerOf, readJson } from "./npm.mjs";
import { readPublished } from "./published.mjs";
import { ModuleParser, parseContent } from "./syntax.mjs";

/**
 * @typedef {import("./inspection.mjs").Fault} Fault
 * @typedef {import("./layout.mjs").Layout} Layout
 * @typedef {import("./npm.mjs").Npm} Npm
 */

/** What a package manager writes last, in node_modules. */
const MARKERS = [".package-lock.json", ".modules.yaml", ".yarn-state.yml", ".yarn-integrity"];
const CODE = ["js", "cjs", "mjs", "json", "node", "wasm"];
/** Where more is newer, the folder was copied, and no date in it tells of the installation. */
const MOST_CHANGES = 200;
const MOST_PACKAGES = 10;
/** Folders of a package that tools remove to save space. */
const UNUSED = /(^|\/)(\.\w+|__tests__|docs?|examples?|fixtures?|tests?)\//i;

/**
 * @param {Npm} npm
 * @param {Layout} layout
 * @param {any[]} nodes the packages that count
 * @param {string[]} changes from `findChanges`
 * @returns {Promise<Fault[]>} "changed": a file no longer parses; "missing": published files are not there
 */
export async function findDamage(npm, layout, nodes, changes) {
  const folders = new Set(nodes.map((node) => node.realpath));
  const files = changes.filter((place) => isCode(place) && folders.has(ownerOf(place)));
  const emptied = changes.filter((place) => !isCode(place)).map((place) => ownerOf(path.join(place, "file")));
  const faults = [];
  const parser = new ModuleParser();
  try {
    for (const file of files) faults.push(await inspectFile(npm, layout, file, parser));
  } finally {
    parser.close();
  }
  const suspects = [...new Set(emptied)].filter((owner) => owner !== null && folders.has(owner));
  for (const owner of suspects.slice(0, MOST_PACKAGES)) faults.push(await findRemoved(npm, String(owner)));
  return faults.filter((fault) => fault !== null);
}

/** @param {string} place */
function isCode(place) {
  return CODE.includes(path.extname(place).slice(1)) && (statSync(place, { throwIfNoEntry: false })?.isFile() ?? false);
}

/**
 * Return the files and folders in node_modules that are newer than the installation.
 * @param {Layout} layout
 * @returns {Promise<string[]>}
 */
export async function findChanges(layout) {
  const modules = await fs.realpath(path.join(layout.root, "node_modules")).catch(() => "");
  const marker = MARKERS.map((name) => path.join(modules, name)).find((file) => statSync(file, { throwIfNoEntry: false }));
  if (marker === undefined || process.platform === "win32") return [];
  const names = CODE.flatMap((ending) => ["-o", "-name", `*.${ending}`]);
  const caches = ["-path", `${modules}/.*`, "-not", "-path", `${modules}/.pnpm`, "-not", "-path", `${modules}/.pnpm/*`];
  // Many thousand files: `find` takes a third of the time that Node does.
  const line = [modules, "(", ...caches, ")", "-prune", "-o", "-newer", marker, "(", "-type", "d", ...names, ")", "-print"];
  const { stdout } = await promisify(execFile)("find", line, { maxBuffer: 1 << 26 }).catch(() => ({ stdout: "" }));
  const changes = stdout.split("\n").filter((place) => place && place !== modules);
  return changes.length > MOST_CHANGES ? [] : changes;
}

/**
 * @param {Npm} npm
 * @param {Layout} layout
 * @param {string} file
 * @param {ModuleParser} parser
 * @returns {Promise<Fault | null>}
 */
async function inspectFile(npm, layout, file, parser) {
  const parse = async (/** @type {Buffer} */ content) => (await parseContent({ path: file, runner: "either" }, content, parser)).problem;
  const found = await fs.readFile(file);
  const problem = found.length ? await parse(found) : "it is empty";
  if (problem === null) return null;
  const owner = String(ownerOf(file));
  const { files } = await readPublished(npm, owner);
  const published = files?.get(path.relative(owner, file));
  // Some packages ship files that only their own tools read.
  if (files && (!published?.length || found.equals(published) || (await parse(published)))) return null;
  if (!files && !found.length) return null;
  const name = readJson(path.join(owner, "package.json"))?.name ?? path.basename(owner);
  const message = `${name}: ${path.relative(layout.folder, file)} was changed after the installation: ${problem}`;
  return /** @type {any} */ ({ name, kind: "changed", message });
}

/**
 * @param {Npm} npm
 * @param {string} owner
 * @returns {Promise<Fault | null>}
 */
async function findRemoved(npm, owner) {
  const { files } = await readPublished(npm, owner);
  const removed = [...(files?.keys() ?? [])].filter(
    (name) => CODE.includes(path.extname(name).slice(1)) && !UNUSED.test(name) && !statSync(path.join(owner, name), { throwIfNoEntry: false }),
  );
  if (!removed.length) return null;
  const name = readJson(path.join(owner, "package.json"))?.name ?? path.basename(owner);
  const more = removed.length > 1 ? ` and ${removed.length - 1} more` : "";
  return /** @type {any} */ ({ name, kind: "missing", message: `${name}: ${removed[0]}${more} was removed after the installation` });
}
