// Loads packages as the application would, one after the other, and tells what came of each.
// Run by `node --input-type=module -e` in the folder of the package that asks for them, so that
// names are resolved from there. Arguments: a word that only we know, then the names.
// Standard output is theirs too, so each of our lines begins with that word.

import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [word, ...names] = process.argv.slice(1);
const require = createRequire(join(process.cwd(), "package.json"));

function tell(fact) {
  writeSync(1, `\n${word}${JSON.stringify(fact)}\n`);
}

function entry(name) {
  try {
    return require.resolve(name);
  } catch {
    return null;
  }
}

function isBlank(file) {
  try {
    return readFileSync(file, "utf8").trim() === "";
  } catch {
    return false;
  }
}

function keys(value) {
  return Reflect.ownKeys(value).filter((key) => typeof key === "string" && key !== "__esModule");
}

// Whether a loaded module exports nothing at all, by name or by default.
function exportsNothing(space) {
  const named = keys(space).filter((key) => key !== "default" && key !== "module.exports");
  if (named.length > 0) return false;
  const value = space.default;
  return value === null || value === undefined || (typeof value === "object" && keys(value).length === 0);
}

// The error's words, without the stack that require() adds to them, of which the first is who asked.
function said(error) {
  const message = String(error?.message ?? error).split("\nRequire stack:")[0].split("\n").slice(0, 4).join(" ");
  const asker = Array.isArray(error?.requireStack) ? error.requireStack[0] : undefined;
  return asker === undefined ? message : `${message}, asked for by ${asker}`;
}

for (const name of names) {
  tell({ name, state: "begun" });
  try {
    const space = await import(name);
    const file = entry(name);
    tell({ name, state: "loaded", empty: exportsNothing(space), blank: file !== null && isBlank(file) });
  } catch (error) {
    tell({
      name,
      state: "failed",
      kind: String(error?.name ?? typeof error),
      code: String(error?.code ?? ""),
      message: said(error).slice(0, 600),
    });
  }
}
process.exit(0);
