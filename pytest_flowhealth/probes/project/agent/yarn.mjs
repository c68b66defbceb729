// Yarn without node_modules (Plug'n'Play): Yarn's own resolver tells where each package is.
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

import { AgentError, firstLines } from "./errors.mjs";

/** Run in a process of its own: .pnp.cjs changes how Node loads modules. */
const READ = `
const fs = require("fs");
const api = require(process.argv[1]);
const missing = [];
const seen = new Set();
const exists = (place) => {
  const archive = /^(.*?\\.zip)(?:\\/|$)/.exec(place);
  return fs.existsSync(archive ? archive[1] : place);
};
const visit = (locator) => {
  const key = JSON.stringify([locator.name, locator.reference]);
  if (seen.has(key)) return;
  seen.add(key);
  const information = api.getPackageInformation(locator);
  if (!information) return;
  const place = api.resolveVirtual?.(information.packageLocation) ?? information.packageLocation;
  if (!exists(place)) missing.push([locator.name, String(locator.reference), place]);
  for (const [name, reference] of information.packageDependencies) {
    if (reference !== null) visit(Array.isArray(reference) ? { name: reference[0], reference: reference[1] } : { name, reference });
  }
};
for (const locator of api.getDependencyTreeRoots()) visit(locator);
console.log(JSON.stringify(missing));
`;

/**
 * @param {import("./layout.mjs").Layout} layout
 * @returns {Promise<import("./tree.mjs").Fault[]>} the packages whose archive or folder is not there
 */
export async function findPnpFaults(layout) {
  const file = path.join(layout.root, ".pnp.cjs");
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", READ, file], { maxBuffer: 1 << 26, timeout: 30_000 });
    const missing = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    return missing.map((/** @type {string[]} */ [name, reference, place]) => ({
      name,
      kind: "missing",
      message: `${name} (${reference.split("#").at(-1)}) is not at ${path.relative(layout.folder, place)}`,
      remedy: "yarn install",
    }));
  } catch (error) {
    throw new AgentError("unavailable", `.pnp.cjs can't be loaded: ${firstLines(error)}`);
  }
}
