import assert from "node:assert/strict";
import test from "node:test";

import { findPnpFaults } from "../../../../pytest_flowhealth/probes/project/agent/yarn.mjs";
import { folderWith } from "./folder.mjs";

/** As much of Yarn's resolver as is asked. */
const RESOLVER = `
const packages = { app: ["./", ["whole", "cut", "gone", "folder"]], whole: ["./whole.zip/node_modules/whole/", []],
  cut: ["./cut.zip/node_modules/cut/", []], gone: ["./gone.zip/node_modules/gone/", []], folder: ["./folder/", []] };
module.exports = {
  getDependencyTreeRoots: () => [{ name: "app", reference: "workspace:." }],
  getPackageInformation: ({ name }) => ({ packageLocation: require("path").join(__dirname, packages[name][0]),
    packageDependencies: new Map([...packages[name][1].map((each) => [each, "npm:1.0.0"]), ["peer", null]]) }),
};`;
const ARCHIVE = Buffer.concat([Buffer.from("PK\x03\x04, files and a directory, PK\x05\x06"), Buffer.alloc(18)]);

test("an archive that is missing or cut off, and a dependency that was never installed, are faults", async () => {
  const root = folderWith({ ".pnp.cjs": RESOLVER, "whole.zip": ARCHIVE, "cut.zip": ARCHIVE.subarray(0, 20), "folder/a": "", "package.json": '{"dependencies": {"whole": "1", "new": "^2"}}' });
  const faults = await findPnpFaults(/** @type {any} */ ({ root, folder: root }));
  assert.deepEqual(
    faults.map(({ kind, message, remedy }) => [kind, message, remedy]),
    [
      ["changed", "cut (npm:1.0.0): its archive at cut.zip/node_modules/cut is not whole", "yarn install --check-cache"],
      ["missing", "gone (npm:1.0.0) is not at gone.zip/node_modules/gone", "yarn install"],
      ["missing", "new is missing: package.json needs ^2, and .pnp.cjs does not list it", "yarn install"],
    ],
  );
});

test("a resolver that can't be loaded is a fault, which Yarn mends", async () => {
  const root = folderWith({ ".pnp.cjs": "throw new Error('cut off')" });
  await assert.rejects(findPnpFaults(/** @type {any} */ ({ root, folder: root })), {
    kind: "failed",
    message: ".pnp.cjs can't be loaded: Error: cut off",
    remedy: "yarn install",
  });
});
