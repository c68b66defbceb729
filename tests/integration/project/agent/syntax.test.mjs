import assert from "node:assert/strict";
import test from "node:test";

import { answer } from "../../../../pytest_flowhealth/probes/project/agent/syntax.mjs";
import { folderWith } from "./folder.mjs";

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
