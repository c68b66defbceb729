import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import test from "node:test";

import { answer } from "../../../../pytest_flowhealth/probes/project/agent/syntax.mjs";
import { folderWith } from "./folder.mjs";

const tsx = installTsx();

/** @returns {string | null} a folder with tsx */
function installTsx() {
  const folder = folderWith({ "a.ts": "export type T = number; export const a: T = 1;", "style.css": "" });
  const { status } = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "tsx@4"], { cwd: folder });
  return status === 0 ? folder : null;
}

const parse = async (/** @type {string} */ name, /** @type {string} */ text, runner = /** @type {"node" | "tool"} */ ("node")) => {
  const folder = folderWith({ [name]: text });
  return (await answer({ files: [{ path: `${folder}/${name}`, runner }] })).files[0];
};

test("a file is read as Node reads it: by its ending, and the `type` of its package", async () => {
  const module = "import fs from 'node:fs';\nawait fs";
  assert.equal((await parse("a.mjs", module)).problem, null);
  assert.match(String((await parse("a.cjs", module)).problem), /^SyntaxError/);
  const folder = folderWith({ "package.json": '{"type": "module"}', "a.js": module, "b.js": "with (a) {}" });
  const files = ["a.js", "b.js"].map((name) => ({ path: `${folder}/${name}`, runner: /** @type {const} */ ("node") }));
  const [first, second] = (await answer({ files })).files;
  assert.equal(first.problem, null);
  assert.match(String(second.problem), /strict mode/i);
});

test("the place of an error is its line and column", async () => {
  const { problem, line, column } = await parse("a.cjs", "let a = 1;\nlet b = = 2;");
  assert.match(String(problem), /Unexpected token/);
  assert.deepEqual([line, column], [2, 9]);
});

test("what a file imports by a relative path must be there, and parse", async () => {
  const folder = folderWith({ "a.cjs": "const b = require('./b');", "b.js": "const c = require('./gone');" });
  const { files } = await answer({ files: [{ path: `${folder}/a.cjs`, runner: "node" }] });
  assert.match(String(files[0].problem), /b\.js imports \.\/gone, which is missing/);
});

test("JSON, WebAssembly and add-ons are told by how they begin", async () => {
  assert.match(String((await parse("a.json", "{")).problem), /^it is not JSON/);
  assert.match(String((await parse("a.wasm", "text")).problem), /not WebAssembly/);
  assert.match(String((await parse("a.node", "text")).problem), /not a native add-on/);
  assert.equal((await parse("a.node", "\x7fELF....")).problem, null);
});

test("what only a tool reads is unparsed where Node and no compiler parses it", async () => {
  const found = await parse("a.js", "export default <div/>", "tool");
  assert.equal(found.problem, null);
  assert.match(String(found.unparsed), /what else reads it is unknown/);
});

test("Node links a module with all that it imports, and runs none of it", async () => {
  const folder = folderWith({
    "package.json": '{"name": "app", "type": "module"}',
    "other.js": "export const there = 1; throw new Error('it ran')",
    "node_modules/script/package.json": "{}",
    "node_modules/script/index.js": "exports.there = 1; throw new Error('it ran')",
    "node_modules/esm/package.json": '{"type": "module", "exports": {".": "./index.js"}}',
    "node_modules/esm/index.js": "export const there = 1",
    "node_modules/broken/package.json": '{"type": "module", "exports": "./index.js"}',
    "node_modules/broken/index.js": "import { gone } from 'esm'; export const there = 1",
  });
  const find = async (/** @type {string} */ text) => {
    writeFileSync(`${folder}/a.js`, text);
    return (await answer({ files: [{ path: `${folder}/a.js`, runner: "node" }] })).files[0].problem;
  };
  const good = ["./other.js", "script", "esm", "broken"].map((name, at) => `import { there as a${at} } from "${name}";`);
  assert.equal(await find(`${good.slice(0, 3).join("\n")}\nawait 1; throw new Error("it ran")`), null);
  assert.equal(await find(good[3]), null); // a fault of a package is another check's
  assert.equal(await find("import { app } from 'electron'"), null);
  for (const [text, says] of [
    ['import { gone } from "./other.js"', /^a\.js:1: .* does not provide an export named 'gone'/],
    ['import { gone } from "esm"', /^a\.js:1: .* does not provide an export named 'gone'/],
    ['import { gone } from "script"', /^a\.js:1: Named export 'gone' not found/],
    ['import a from "esm/part"', /^a\.js: Package subpath '\.\/part' is not defined by "exports"/],
    ['import a from "./other"', /^a\.js: Cannot find module 'other'/],
    ['import a from "./package.json"', /^a\.js: .*needs an import attribute/],
    ['import a from "absent"', /^a\.js: Cannot find package 'absent'/],
  ]) {
    assert.match(String(await find(String(text))), /** @type {RegExp} */ (says));
  }
});

test("what tsx loads is linked with tsx, or resolved by its compiler", { skip: !tsx && "tsx can't be installed" }, async () => {
  for (const type of ["module", "commonjs"]) {
    writeFileSync(`${tsx}/package.json`, JSON.stringify({ name: "app", type }));
    for (const [text, isFault] of /** @type {[string, boolean][]} */ ([
      ['import { a, type T } from "./a"; import "./style.css"; const t: T = a;', false],
      ['import { a } from "./a.js"; if (a) require("./gone");', false],
      ['import { gone } from "./a"; console.log(gone);', type === "module"],
      ['import { gone } from "./gone"; console.log(gone);', true],
    ]).slice(type === "module" ? 1 : 0)) {
      writeFileSync(`${tsx}/b.ts`, text);
      const { files } = await answer({ files: [{ path: `${tsx}/b.ts`, runner: "tsx" }] });
      assert.equal(files[0].problem !== null, isFault, `${type}: ${text}: ${files[0].problem}`);
    }
  }
});
