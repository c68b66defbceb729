// Answers questions about an npm project with npm's own libraries: one process for a whole run.
//
// Protocol: JSON lines. Standard input: {id, question, seconds, ...arguments}, any number of times, and
// its end ends the process. Standard output: {id, answer} or {id, error: {kind, message, remedy}} as
// soon as each is available. `kind` is "failed" (something is wrong with the project) or "unavailable"
// (the question could not be answered). Before the first answer comes the line {"ready":true}.
import nodeModule from "node:module";
import { createInterface } from "node:readline";

import { Npm, findNpm } from "./npm.mjs";
import { AgentError, describe } from "./errors.mjs";

/** Modules that answer; each exports `answer(request, npm)`. */
const QUESTIONS = new Set([
  "audit",
  "layout",
  "load",
  "outdated",
  "prepare",
  "published",
  "registry",
  "resolve",
  "syntax",
  "tree",
  "versions",
]);

/** @type {any} */ (nodeModule).enableCompileCache?.(); // as npm does, and from the same folder

const write = process.stdout.write.bind(process.stdout);
// Standard output is the protocol's: what a library prints goes to standard error.
process.stdout.write = process.stderr.write.bind(process.stderr);
write('\n{"ready":true}\n');

/** @type {Promise<Npm> | undefined} */
let npm;

/**
 * @param {{ id: number, question: string, seconds: number }} request
 * @returns {Promise<object>} the answer
 */
async function answer(request) {
  if (!QUESTIONS.has(request.question)) {
    throw new AgentError("unavailable", `there is no question ${JSON.stringify(request.question)}`);
  }
  npm ??= findNpm(process.cwd()).then(
    (root) => new Npm(root, process.cwd()),
    (error) => new Npm(error, process.cwd()),
  );
  const [module, found] = await Promise.all([import(`./${request.question}.mjs`), npm]);
  return module.answer(request, found);
}

/**
 * @param {Promise<object>} work
 * @param {number} seconds
 */
async function limit(work, seconds) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new AgentError("unavailable", `there was no answer within ${seconds} s`));
    }, seconds * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

let pending = 0;

/** @param {string} line */
async function handle(line) {
  const request = JSON.parse(line);
  pending += 1;
  try {
    const result = await limit(answer(request), request.seconds);
    write(`${JSON.stringify({ id: request.id, answer: result })}\n`);
  } catch (error) {
    write(`${JSON.stringify({ id: request.id, error: describe(error) })}\n`);
  }
  pending -= 1;
  if (pending === 0) {
    // What is asked later is read anew: a check is retried because the project may have changed.
    npm?.then((found) => found.forget());
  }
}

process.on("unhandledRejection", () => {}); // a library's own; the question it belongs to has its error
createInterface({ input: process.stdin })
  .on("line", handle)
  .on("close", () => process.exit(0));
