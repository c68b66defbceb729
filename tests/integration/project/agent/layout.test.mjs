import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";

import { layoutOf, readManifest } from "../../../../pytest_flowhealth/probes/project/agent/layout.mjs";
import { Npm, findNpm } from "../../../../pytest_flowhealth/probes/project/agent/npm.mjs";
import { folderWith } from "./folder.mjs";

const layout = async (/** @type {string} */ folder) => layoutOf(new Npm(await findNpm(folder), folder));

test("the manager is the one that has installed, then packageManager, then the lock file", async () => {
  /** @type {[Record<string, string>, string | null][]} */
  const cases = [
    [{}, null],
    [{ "yarn.lock": "" }, "yarn"],
    [{ "bun.lock": "" }, "bun"],
    [{ "pnpm-lock.yaml": "" }, "pnpm"],
    [{ "package-lock.json": "{}", "yarn.lock": "" }, "npm"],
    [{ "yarn.lock": "", "node_modules/.modules.yaml": "" }, "pnpm"],
    [{ "package.json": '{"packageManager": "pnpm@9.0.0"}', "yarn.lock": "" }, "pnpm"],
  ];
  for (const [files, manager] of cases) {
    const folder = folderWith({ "package.json": "{}", ...files });
    assert.equal((await layout(folder)).manager, manager, JSON.stringify(files));
  }
});

test("a workspace finds its root, and the root lists its workspaces", async () => {
  const manifest = '{"workspaces": ["packages/*"]}';
  const root = folderWith({ "package.json": manifest, "packages/a/package.json": "{}", "package-lock.json": "{}" });
  const inside = await layout(path.join(root, "packages/a"));
  assert.deepEqual([inside.root, inside.manager, inside.packages.length], [root, "npm", 1]);
  assert.deepEqual((await layout(root)).packages.map(({ label }) => label), [".", "packages/a"]);
});

test("pnpm's packages are those that its lock file was written for", async () => {
  const lock = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/a:\n    dependencies:\n      ms:\n        specifier: ^2\n\npackages:\n";
  const files = { "pnpm-lock.yaml": lock, "pnpm-workspace.yaml": "packages:\n  - apps/*\n" };
  const root = folderWith({ "package.json": "{}", "apps/a/package.json": "{}", "apps/b/package.json": "{}", ...files });
  assert.deepEqual((await layout(root)).packages.map(({ label }) => label), [".", "apps/a"]);
});

test("fields of package.json that npm documents otherwise are named", async () => {
  const folder = folderWith({ "package.json": '{"name": 1, "scripts": {"a": 1}}' });
  await assert.rejects(readManifest(path.join(folder, "package.json")), {
    kind: "failed",
    message: 'package.json: "name" must be a string; "scripts" must be an object of strings',
  });
});
