import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { AgentError, describe, firstLines } from "../../../../pytest_flowhealth/probes/project/agent/errors.mjs";
import { ownerOf, readJson } from "../../../../pytest_flowhealth/probes/project/agent/npm.mjs";
import { answer as resolve } from "../../../../pytest_flowhealth/probes/project/agent/resolve.mjs";
import { load } from "../../../../pytest_flowhealth/probes/project/agent/loader.mjs";
import { folderWith } from "./folder.mjs";

const AGENT = fileURLToPath(new URL("../../../../pytest_flowhealth/probes/project/agent/agent.mjs", import.meta.url));

test("each question has its answer on a line, and the end of the input ends the process", () => {
  const folder = folderWith({ "package.json": "{}", "a.json": "{" });
  const questions = [
    { id: 1, question: "weather", seconds: 9 },
    { id: 2, question: "syntax", seconds: 9, files: [{ path: `${folder}/a.json`, runner: "node" }] },
  ];
  // The process ends with its input: the shell keeps that open until four lines are there, two to say it is ready.
  const input = questions.map((question) => `${JSON.stringify(question)}\n`).join("");
  const script = `{ printf '%s' "$1"; while [ "$(wc -l <answers)" -lt 4 ]; do sleep 0.1; done; } | node "$0" >answers`;
  spawnSync("sh", ["-c", `: >answers; ${script}`, AGENT, input], { cwd: folder, timeout: 60_000 });
  const lines = spawnSync("cat", ["answers"], { cwd: folder, encoding: "utf8" }).stdout.trim().split("\n");
  const answers = Object.fromEntries(lines.map((line) => [JSON.parse(line).id, JSON.parse(line)]));
  assert.equal(answers[1].error.kind, "unavailable");
  assert.match(answers[2].answer.files[0].problem, /^it is not JSON/);
});

test("an error is told in one line", () => {
  assert.deepEqual(describe(new AgentError("failed", "broken", "mend it")), { kind: "failed", message: "broken", remedy: "mend it" });
  assert.deepEqual(describe(new Error("a\nb\nc\nd")), { kind: "unavailable", message: "a b c", remedy: null });
  assert.equal(firstLines({ code: "ENOENT" }), "ENOENT");
});

test("a file belongs to the package below the last node_modules, else to the nearest package.json", () => {
  const folder = folderWith({ "package.json": '{"name": "app"}', "node_modules/@a/b/c/d.js": "", "src/e.js": "" });
  assert.equal(ownerOf(`${folder}/node_modules/@a/b/c/d.js`), `${folder}/node_modules/@a/b`);
  assert.equal(ownerOf(`${folder}/src/e.js`), folder);
  assert.equal(ownerOf("relative.js"), null);
  assert.equal(readJson(`${folder}/absent.json`), null);
});

test("a start script's file is found as Node finds it", async () => {
  const folder = folderWith({ "package.json": '{"main": "lib"}', "lib/index.js": "", "a.ts": "" });
  const entry = (/** @type {string | null} */ path, tool = false) => ({ folder, path, tool });
  const { files } = await resolve({ entries: [entry("lib"), entry(null), entry("a"), entry("a", true), entry("b")] });
  assert.deepEqual(files, [`${folder}/lib/index.js`, `${folder}/lib/index.js`, null, `${folder}/a.ts`, null]);
});

test("packages load in a process of their own, whatever they do to it", async () => {
  const module = (/** @type {string} */ name, /** @type {string} */ text) => ({
    [`node_modules/${name}/package.json`]: `{"name": "${name}"}`,
    [`node_modules/${name}/index.js`]: text,
  });
  const folder = folderWith({ ...module("fine", "exports.a = 1"), ...module("throws", "window.a"), ...module("ends", "process.exit(3)"), ...module("hollow", "") });
  const attempts = await load(folder, ["fine", "throws", "ends", "hollow"]);
  const states = [...attempts.values()].map(({ name, state, hollow }) => [name, state, hollow ?? null]);
  assert.deepEqual(states, [["fine", "loaded", false], ["throws", "failed", null], ["ends", "ended", null], ["hollow", "loaded", true]]);
});
