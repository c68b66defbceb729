// Loads the modules of questions that will come, and npm's libraries that they need.
import nodeModule from "node:module";

/** @type {Record<string, string[]>} what takes long to load */
const LIBRARIES = { audit: ["@npmcli/arborist"], outdated: ["pacote", "npm-pick-manifest"], tree: ["@npmcli/arborist"] };

/**
 * @param {{ questions: string[] }} request
 * @param {import("./npm.mjs").Npm} npm
 * @returns {Promise<object>} nothing
 */
export async function answer({ questions }, npm) {
  for (const question of questions) {
    await import(`./${question}.mjs`);
    for (const library of LIBRARIES[question] ?? []) npm.require(library);
  }
  // Not only at the end, which is by a signal. Before Node 22.10 there is none.
  /** @type {any} */ (nodeModule).flushCompileCache?.();
  return {};
}
