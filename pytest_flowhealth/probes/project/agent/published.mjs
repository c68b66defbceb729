// Whether an installed package's files are those of its published archive.
import { promises as fs } from "node:fs";
import path from "node:path";

import { readJson } from "./npm.mjs";
import { installedTrees } from "./tree.mjs";

/**
 * @typedef {import("./npm.mjs").Npm} Npm
 * @typedef {object} Comparison
 * @property {string | null} unread why there is nothing to compare with, otherwise null
 * @property {string[]} missing published files that are not there
 * @property {string[]} changed files whose content is not the published one
 */

/**
 * @param {{ folder: string }} request the package's folder
 * @param {Npm} npm
 * @returns {Promise<Comparison>}
 */
export async function answer(request, npm) {
  return compare(npm, path.resolve(npm.project, request.folder));
}

/**
 * @param {Npm} npm
 * @param {string} folder
 * @returns {Promise<Comparison>}
 */
export function compare(npm, folder) {
  return npm.remember(`published ${folder}`, () => compareFiles(npm, folder));
}

/**
 * @param {Npm} npm
 * @param {string} folder
 * @returns {Promise<Comparison>}
 */
async function compareFiles(npm, folder) {
  const manifest = readJson(path.join(folder, "package.json"));
  if (manifest === null) return { unread: null, missing: ["package.json"], changed: [] };
  const { files, unread } = await readPublished(npm, folder);
  return files ? compareWith(files, folder) : { unread, missing: [], changed: [] };
}

/**
 * Return the published files of an installed package, from npm's cache or the registry.
 * @param {Npm} npm
 * @param {string} folder
 * @returns {Promise<{ files: Map<string, Buffer> | null, unread: string | null }>} files by path
 */
export async function readPublished(npm, folder) {
  const manifest = readJson(path.join(folder, "package.json"));
  if (!manifest?.name || !manifest?.version) return { files: new Map(), unread: null };
  if (!(await isFromRegistry(npm, folder))) return { files: null, unread: `${manifest.name} is not from the registry` };
  const pacote = npm.require("pacote");
  const options = { ...(await npm.config()), preferOffline: true, fullMetadata: false };
  try {
    const archive = await pacote.tarball(`${manifest.name}@${manifest.version}`, options);
    return { files: await readArchive(npm, archive), unread: null };
  } catch (error) {
    const { code } = /** @type {any} */ (error);
    return { files: null, unread: `the registry does not give ${manifest.name}@${manifest.version} (${code ?? error})` };
  }
}

/**
 * @param {Npm} npm
 * @param {string} folder
 */
async function isFromRegistry(npm, folder) {
  if (!folder.split(path.sep).includes("node_modules")) return false;
  const parse = npm.require("npm-package-arg");
  const roots = await installedTrees(npm).catch(() => []);
  const nodes = roots.flatMap((root) => [...root.root.inventory.values()]);
  const node = nodes.find((candidate) => !candidate.isLink && candidate.realpath === folder);
  return [...(node?.edgesIn ?? [])].every((edge) => {
    try {
      return parse(`${edge.name}@${edge.spec}`).registry ?? false;
    } catch {
      return true; // another manager's protocol, such as catalog:
    }
  });
}

/**
 * @param {Npm} npm
 * @param {Buffer} archive
 * @returns {Promise<Map<string, Buffer>>} files by path
 */
async function readArchive(npm, archive) {
  const tar = npm.require("tar");
  /** @type {Map<string, Buffer>} */
  const files = new Map();
  await new Promise((resolve, reject) => {
    const parser = tar.t({
      strict: true,
      onReadEntry: collect,
      onentry: collect, // tar 6 (npm 9 and 10)
    });
    /** @param {any} entry */
    function collect(entry) {
      const name = entry.path.split("/").slice(1).join("/");
      if (!entry.type.endsWith("File") || files.has(name)) return;
      /** @type {Buffer[]} */
      const chunks = [];
      files.set(name, Buffer.alloc(0));
      entry.on("data", (/** @type {Buffer} */ chunk) => chunks.push(chunk));
      entry.on("end", () => files.set(name, Buffer.concat(chunks)));
    }
    parser.on("end", resolve).on("error", reject).end(archive);
  });
  return files;
}

/**
 * @param {Map<string, Buffer>} files
 * @param {string} folder
 * @returns {Promise<Comparison>}
 */
async function compareWith(files, folder) {
  /** @type {Comparison} */
  const comparison = { unread: null, missing: [], changed: [] };
  for (const [name, published] of files) {
    if (name === ".npmignore" || name === ".gitignore") continue; // renamed where it is unpacked
    try {
      const content = await fs.readFile(path.join(folder, name));
      // npm rewrites the first line of scripts that end it with CRLF.
      if (!content.equals(published) && !content.subarray(0, 2).equals(Buffer.from("#!"))) comparison.changed.push(name);
    } catch {
      comparison.missing.push(name);
    }
  }
  return comparison;
}
