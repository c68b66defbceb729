// Patches that patch-package applies when the packages are installed.
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";

const SECONDS = 10;

/**
 * Return a fault for each patch that could be applied: what is applied can't be once more.
 *
 * Git tells, which reads the same files; what it can say nothing of counts as applied.
 * @param {import("./layout.mjs").Package} member
 * @returns {Promise<import("./inspection.mjs").Fault[]>}
 */
export async function findUnapplied({ folder, label, manifest }) {
  const scripts = Object.values(manifest.scripts ?? {}).join("\n");
  const names = /\bpatch-package\b/.test(scripts) ? listPatches(path.join(folder, "patches")) : [];
  const faults = await Promise.all(names.map(async (name) => {
    if (!(await canApply(folder, `patches/${name}`, [])) || (await canApply(folder, `patches/${name}`, ["--reverse"]))) return [];
    const where = label === "." ? "" : `${label}/`;
    const remedy = `${where ? `cd '${label}' && ` : ""}npx patch-package`;
    return [/** @type {const} */ ({ name, kind: "changed", message: `${where}patches/${name} is not applied`, remedy })];
  }));
  return faults.flat();
}

/** @param {string} folder */
function listPatches(folder) {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".patch") && !name.endsWith(".dev.patch")) : [];
}

/**
 * @param {string} folder
 * @param {string} patch
 * @param {string[]} options
 */
async function canApply(folder, patch, options) {
  // As outside of a repository, whose subfolder would be what the paths begin at.
  const env = { ...process.env, GIT_DIR: path.join(folder, "node_modules", ".no-repository"), GIT_WORK_TREE: folder };
  const line = ["apply", "--check", "--ignore-whitespace", ...options, patch];
  return promisify(execFile)("git", line, { cwd: folder, env, timeout: SECONDS * 1000 }).then(() => true, () => false);
}
