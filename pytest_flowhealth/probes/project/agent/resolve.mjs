// Which file Node loads for a path on its command line, or for a package's `main`. Nothing is run.
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/**
 * @typedef {object} Entry
 * @property {string} folder
 * @property {string | null} path as after `node`; null: the package's main file
 * @property {boolean} tool whether a tool runs the file that takes TypeScript and JSX as well
 */

const TYPED = [".ts", ".tsx", ".mts", ".cts", ".jsx", "/index.ts", "/index.tsx"];

/**
 * @param {{ entries: Entry[] }} request
 * @returns {Promise<{ files: (string | null)[] }>} the file of each entry, null where there is none
 */
export async function answer({ entries }) {
  return { files: entries.map(resolve) };
}

/** @param {Entry} entry */
function resolve({ folder, path: name, tool }) {
  const require = createRequire(path.join(folder, "package.json"));
  for (const specifier of name === null ? mainSpecifiers(folder) : [path.resolve(folder, name)]) {
    for (const ending of tool ? ["", ...TYPED] : [""]) {
      const file = find(require, specifier + ending);
      if (file) return file;
    }
  }
  return null;
}

/**
 * @param {NodeJS.Require} require
 * @param {string} specifier
 */
function find(require, specifier) {
  try {
    const file = require.resolve(specifier);
    return statSync(file).isFile() ? file : null;
  } catch {
    return null;
  }
}

/**
 * `main` may name a file of another package: its framework resolves it so. Without `main`, and where
 * it names nothing, Node takes the folder's index.js.
 *
 * @param {string} folder
 * @returns {string[]}
 */
function mainSpecifiers(folder) {
  try {
    const { main } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    if (typeof main === "string") return [path.resolve(folder, main), main, folder];
  } catch {
    // package.json is another check's subject.
  }
  return [folder];
}
