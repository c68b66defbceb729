// Yarn without node_modules (Plug'n'Play): Yarn's own resolver tells where each package is.
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

import { AgentError, firstLines } from "./errors.mjs";

/** Run in a process of its own: .pnp.cjs changes how Node loads modules. */
const READ = `
const fs = require("fs");
const api = require(process.argv[1]);
const faults = [];
const seen = new Set();
const problemOf = (place) => {
  const archive = /^(.*?\\.zip)(?:\\/|$)/.exec(place)?.[1];
  if (!fs.existsSync(archive ?? place)) return "missing";
  return archive && !isWhole(archive) ? "changed" : null;
};
// An archive ends with its directory, whose signature this is; Yarn adds no comment.
const isWhole = (archive) => {
  const file = fs.openSync(archive);
  const { size } = fs.fstatSync(file);
  const end = Buffer.alloc(Math.min(size, 1024));
  fs.readSync(file, end, 0, end.length, size - end.length);
  fs.closeSync(file);
  return end.includes("PK\\x05\\x06");
};
const visit = (locator) => {
  const key = JSON.stringify([locator.name, locator.reference]);
  if (seen.has(key)) return;
  seen.add(key);
  const information = api.getPackageInformation(locator);
  if (!information) return;
  const place = api.resolveVirtual?.(information.packageLocation) ?? information.packageLocation;
  const problem = problemOf(place);
  if (problem) faults.push([locator.name, String(locator.reference), place, problem]);
  for (const [name, reference] of information.packageDependencies) {
    if (reference !== null) visit(Array.isArray(reference) ? { name: reference[0], reference: reference[1] } : { name, reference });
  }
};
for (const locator of api.getDependencyTreeRoots()) {
  visit(locator);
  const { packageLocation, packageDependencies } = api.getPackageInformation(locator);
  const manifest = JSON.parse(fs.readFileSync(packageLocation + "/package.json", "utf8"));
  for (const [name, range] of Object.entries({ ...manifest.devDependencies, ...manifest.dependencies })) {
    if (!packageDependencies.has(name)) faults.push([name, String(range), packageLocation, "unlisted"]);
  }
}
console.log(JSON.stringify(faults));
`;

/**
 * @param {import("./layout.mjs").Layout} layout
 * @returns {Promise<import("./inspection.mjs").Fault[]>} the packages whose archive or folder is not there
 */
export async function findPnpFaults(layout) {
  const file = path.join(layout.root, ".pnp.cjs");
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", READ, file], { maxBuffer: 1 << 26, timeout: 30_000 });
    const faults = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    return faults.map((/** @type {string[]} */ found) => describeFault(layout, found));
  } catch (error) {
    const { stderr } = /** @type {any} */ (error);
    const why = /^\w*Error\b.*/m.exec(String(stderr ?? ""))?.[0] ?? firstLines(error);
    throw new AgentError("failed", `.pnp.cjs can't be loaded: ${why.slice(0, 300)}`, "yarn install");
  }
}

/**
 * @param {import("./layout.mjs").Layout} layout
 * @param {string[]} found as READ prints it
 * @returns {import("./inspection.mjs").Fault}
 */
function describeFault(layout, [name, reference, place, kind]) {
  const where = path.relative(layout.folder, place);
  const shown = `${name} (${reference.split("#").at(-1)})`;
  if (kind === "missing") return { name, kind, message: `${shown} is not at ${where}`, remedy: "yarn install" };
  if (kind === "changed") {
    const message = `${shown}: its archive at ${where} is not whole`;
    return { name, kind, message, remedy: "yarn install --check-cache" };
  }
  const message = `${name} is missing: ${path.join(where, "package.json")} needs ${reference}, and .pnp.cjs does not list it`;
  return { name, kind: "missing", message, remedy: "yarn install" };
}
