// Whether the packages that the project depends on load; a failure is judged by evidence.
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";

import { layoutOf } from "./layout.mjs";
import { SINGLE_SECONDS, load } from "./loader.mjs";
import { ownerOf, readJson } from "./npm.mjs";
import { compare } from "./published.mjs";
import { repair } from "./tree.mjs";
import { findPnpFaults } from "./yarn.mjs";

/**
 * @typedef {import("./loader.mjs").Attempt} Attempt
 * @typedef {import("./npm.mjs").Npm} Npm
 * @typedef {object} Judgement
 * @property {string} name
 * @property {string} package the label of the package that depends on it
 * @property {"works" | "faulty" | "unjudged" | "unknown"} state unjudged: it throws, which proves no fault
 * @property {string | null} version
 * @property {string | null} message
 * @property {string | null} remedy
 */

const BARE_IMPORT = /(?:\brequire\(|\bfrom |\bimport )\s*["']([^"'./][^"']*)["']/g;

/**
 * @param {{ critical: string[] | null }} request the names to load of the checked package; null: all of
 *   its `dependencies`. Those of workspaces are always all.
 * @param {Npm} npm
 */
export async function answer(request, npm) {
  const layout = await layoutOf(npm);
  if (layout.note) return { packages: await judgeStandalone(npm, layout) };
  if (existsSync(path.join(layout.root, ".pnp.cjs"))) return { packages: await judgeArchives(layout) };
  const packages = [];
  for (const asking of layout.packages) {
    const own = asking.label === "." && request.critical !== null ? request.critical : dependenciesOf(asking.manifest);
    packages.push(...(await judgeAll(npm, asking, /** @type {string[]} */ (own))));
  }
  return { packages };
}

/**
 * Judge the packages that a standalone output's server asks for: its other dependencies may be in the
 * bundle. No package manager mends them: the output is copied from where it was built.
 * @param {Npm} npm
 * @param {import("./layout.mjs").Layout} layout
 * @returns {Promise<Judgement[]>}
 */
async function judgeStandalone(npm, layout) {
  const text = readFileSync(path.join(layout.folder, "server.js"), "utf8");
  const specifiers = [...text.matchAll(BARE_IMPORT)].map((match) => match[1]).filter((name) => !isBuiltin(name));
  const judgements = await judgeAll(npm, layout.packages[0], [...new Set(specifiers.map(packageName))]);
  return judgements.map((found) => ({ ...found, remedy: null }));
}

/** @param {string} specifier such as "@scope/name/file" */
function packageName(specifier) {
  return specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

/**
 * Judge packages in archives (Plug'n'Play): whether each is there.
 * @param {import("./layout.mjs").Layout} layout
 * @returns {Promise<Judgement[]>}
 */
async function judgeArchives(layout) {
  const faults = new Map((await findPnpFaults(layout)).map((fault) => [fault.name, fault]));
  const names = new Set([...faults.keys(), ...layout.packages.flatMap((member) => dependenciesOf(member.manifest))]);
  return [...names].map((name) => ({
    name,
    package: ".",
    state: faults.has(name) ? "faulty" : "works",
    version: null,
    message: faults.get(name)?.message ?? null,
    remedy: faults.get(name)?.remedy ?? null,
  }));
}

/** @param {Record<string, any>} manifest */
function dependenciesOf(manifest) {
  const optional = manifest.optionalDependencies ?? {};
  return Object.keys(manifest.dependencies ?? {}).filter((name) => !(name in optional));
}

/**
 * @param {Npm} npm
 * @param {import("./layout.mjs").Package} asking
 * @param {string[]} names
 * @returns {Promise<Judgement[]>}
 */
async function judgeAll(npm, asking, names) {
  /** @type {Judgement[]} */
  const judgements = [];
  const loadable = [];
  for (const name of names) {
    const folder = locate(asking.folder, name);
    const manifest = folder && readJson(path.join(folder, "package.json"));
    const base = { name, package: asking.label, version: manifest?.version ?? null, message: null, remedy: null };
    if (folder === null) judgements.push({ ...base, state: "faulty", ...(await missing(npm, asking, name)) });
    else if (manifest && !hasEntry(folder, manifest)) judgements.push({ ...base, state: "works", message: `${name} has nothing to load` });
    else loadable.push({ base, folder });
  }
  const attempts = await load(asking.folder, loadable.map(({ base }) => base.name));
  for (const { base, folder } of loadable) {
    const attempt = /** @type {Attempt} */ (attempts.get(base.name));
    judgements.push({ ...base, ...(await judge(npm, attempt, folder)) });
  }
  return judgements;
}

/**
 * @param {Npm} npm
 * @param {import("./layout.mjs").Package} asking
 * @param {string} name
 */
async function missing(npm, asking, name) {
  const { manifest } = asking;
  const spec = manifest.dependencies?.[name] ?? manifest.devDependencies?.[name] ?? manifest.optionalDependencies?.[name];
  if (!/^(@[\w.~-]+\/)?[\w~-][\w.~-]*$/.test(name)) {
    const where = spec === undefined ? "[package] critical" : "package.json";
    return { message: `${JSON.stringify(name)} is not a package's name`, remedy: `correct the name in ${where}` };
  }
  const layout = await layoutOf(npm);
  return { message: `${name} is missing`, remedy: spec === undefined ? addCommand(layout, name) : await repair(npm) };
}

/**
 * @param {import("./layout.mjs").Layout} layout
 * @param {string} name
 */
function addCommand({ manager }, name) {
  return manager === null || manager === "npm" ? `npm install ${name}` : `${manager} add ${name}`;
}

/**
 * Return the folder of a package as Node finds it from `folder`.
 * @param {string} folder
 * @param {string} name
 */
function locate(folder, name) {
  for (let at = folder; ; at = path.dirname(at)) {
    const candidate = path.join(at, "node_modules", name);
    if (path.basename(at) !== "node_modules" && isFolder(candidate)) return realpathSync(candidate);
    if (at === path.dirname(at)) return null;
  }
}

/** @param {string} place */
function isFolder(place) {
  return statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/**
 * Tell whether a package has a file for its bare name: types, assets and commands have none.
 * @param {string} folder
 * @param {Record<string, any>} manifest
 */
function hasEntry(folder, manifest) {
  if (manifest.exports !== undefined && manifest.exports !== null) return true;
  if (typeof manifest.main === "string" && manifest.main !== "") return true;
  if (["js", "json", "node"].some((end) => existsSync(path.join(folder, `index.${end}`)))) return true;
  if (Array.isArray(manifest.files) && manifest.files.some((name) => /^(\.?\/)?index\.js$/.test(name))) return true;
  return !(manifest.bin || manifest.types || manifest.typings || manifest.module || manifest.style || manifest.files);
}

/**
 * @param {Npm} npm
 * @param {Attempt} attempt
 * @param {string} folder the package's
 * @returns {Promise<Pick<Judgement, "state" | "message" | "remedy">>}
 */
async function judge(npm, attempt, folder) {
  if (attempt.state === "loaded") {
    if (!attempt.hollow) return { state: "works", message: null, remedy: null };
    return judgeFiles(npm, [folder], `${attempt.name} exports nothing`, false);
  }
  const failure = `${attempt.name} can't be loaded: ${await relative(npm, reason(attempt))}`;
  const evidence = binaryFault(attempt) ?? (await moduleFault(npm, attempt, folder));
  if (evidence !== null) return { state: "faulty", message: `${failure}${evidence.why}`, remedy: await remedyFor(npm, evidence) };
  const syntax = attempt.kind === "SyntaxError" || attempt.code === "ERR_INVALID_PACKAGE_CONFIG";
  const owners = [attempt.file && ownerOf(attempt.file), folder].filter((owner) => typeof owner === "string");
  return judgeFiles(npm, [...new Set(owners)], failure, syntax || isOwnFile(attempt));
}

/** @param {Attempt} attempt */
function reason(attempt) {
  if (attempt.state === "late") return `it was not done within ${SINGLE_SECONDS} s`;
  if (attempt.state === "ended") return attempt.signal ? `Node was ended by ${attempt.signal}` : "it ended the process";
  const message = String(attempt.message).split("\nRequire stack:")[0].split("\n").slice(0, 3).join(" ");
  const where = attempt.kind === "SyntaxError" && attempt.file ? ` in ${attempt.file}` : "";
  return `${attempt.kind}: ${message.slice(0, 500)}${where}`;
}

/**
 * @param {Npm} npm
 * @param {string} text
 */
async function relative(npm, text) {
  const { folder } = await layoutOf(npm);
  return text.replaceAll("file://", "").replaceAll(`${folder}/`, "");
}

/**
 * @typedef {{ why: string, remedy: "add" | "repair" | "rebuild" | null, owner: string }} Evidence
 *   `owner`: the folder, or the name, of the package that the remedy is about
 */

/**
 * A binary that is for another platform, another Node, or needs a library that is missing.
 * @param {Attempt} attempt
 * @returns {Evidence | null}
 */
function binaryFault(attempt) {
  const text = String(attempt.message);
  const owner = ownerOf(/(\/\S+?\.node)\b/.exec(text)?.[1] ?? "") ?? "";
  if (/NODE_MODULE_VERSION|compiled against a different Node/.test(text)) return { why: "", remedy: "rebuild", owner };
  if (/could not locate the bindings file/i.test(text)) return { why: "", remedy: "rebuild", owner: attempt.name };
  if (/invalid ELF header|wrong ELF class|file too short|mach-o|Exec format error|incompatible architecture|not a valid Win32/.test(text)) {
    return { why: "", remedy: "repair", owner };
  }
  if (attempt.code === "ERR_DLOPEN_FAILED" && /cannot open shared object file|Library not loaded/.test(text)) {
    return { why: "", remedy: null, owner };
  }
  if (attempt.signal && ["SIGSEGV", "SIGBUS", "SIGILL"].includes(attempt.signal)) return { why: "", remedy: "rebuild", owner: attempt.name };
  return null;
}

/**
 * A module that can't be found is a fault if the package that asks for it declares it, or an
 * installation script would have made it.
 * @param {Npm} npm
 * @param {Attempt} attempt
 * @param {string} folder
 * @returns {Promise<Evidence | null>}
 */
async function moduleFault(npm, attempt, folder) {
  const found = missingModule(attempt);
  if (found === null) return null;
  const owner = ownerOf(found.asker ?? "") ?? folder;
  const manifest = readJson(path.join(owner, "package.json")) ?? {};
  const name = packageName(found.specifier);
  const isFile = found.specifier.startsWith("/") || /^\.\.?\//.test(found.specifier);
  if (!isFile && name in (manifest.dependencies ?? {}) && !(name in (manifest.optionalDependencies ?? {}))) {
    const there = locate(owner, name);
    if (there === null) return { why: `; ${manifest.name ?? "it"} depends on ${name}`, remedy: "repair", owner };
    return (await differs(npm, there)) ? { why: `; files of ${name} are missing`, remedy: "repair", owner: there } : null;
  }
  const peer = !isFile && !manifest.peerDependenciesMeta?.[name]?.optional && manifest.peerDependencies?.[name];
  if (peer && locate(owner, name) === null) {
    return { why: `; ${manifest.name} needs ${name} ${peer} beside it (peerDependencies)`, remedy: "add", owner: name };
  }
  const generated = isFile ? !(await compare(npm, owner)).missing.length : name.startsWith(".");
  const scripts = ["preinstall", "install", "postinstall"].some((event) => manifest.scripts?.[event]);
  if (generated && scripts) return { why: `; the installation script of ${manifest.name} makes it`, remedy: "rebuild", owner };
  return null;
}

/**
 * @param {Attempt} attempt
 * @returns {{ specifier: string, asker: string | undefined } | null}
 */
function missingModule(attempt) {
  if (!["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"].includes(String(attempt.code))) return null;
  const found = /Cannot find (?:module|package) '(.+?)'(?: imported from (.+?))?(?:\n|$)/.exec(String(attempt.message));
  if (found === null) return null;
  return { specifier: found[1].replace("file://", ""), asker: attempt.asker ?? found[2]?.replace("file://", "") };
}

/** @param {Attempt} attempt */
function isOwnFile(attempt) {
  const found = missingModule(attempt);
  return found !== null && (found.specifier.startsWith("/") || found.specifier.startsWith("."));
}

/**
 * @param {Npm} npm
 * @param {string} folder
 */
async function differs(npm, folder) {
  const { missing, changed } = await compare(npm, folder);
  return missing.length + changed.length > 0;
}

/**
 * A package that fails is faulty where its files are not the published ones.
 * @param {Npm} npm
 * @param {string[]} folders
 * @param {string} failure
 * @param {boolean} suspect whether nothing but its files can explain the failure
 * @returns {Promise<Pick<Judgement, "state" | "message" | "remedy">>}
 */
async function judgeFiles(npm, folders, failure, suspect) {
  let unread = null;
  for (const folder of folders) {
    const { missing, changed, unread: why } = await compare(npm, folder);
    const name = readJson(path.join(folder, "package.json"))?.name ?? path.basename(folder);
    const files = [...missing.map((file) => `${file} is missing`), ...changed.map((file) => `${file} is not as published`)];
    if (files.length) {
      const more = files.length > 3 ? ` and ${files.length - 3} more` : "";
      const message = `${failure}; ${name}: ${files.slice(0, 3).join(", ")}${more}`;
      return { state: "faulty", message, remedy: await repair(npm, { files: true }) };
    }
    unread ??= why;
  }
  if (suspect && unread) return { state: "unknown", message: `${failure}; ${unread}`, remedy: null };
  return { state: "unjudged", message: failure, remedy: null };
}

/**
 * @param {Npm} npm
 * @param {Evidence} evidence
 * @returns {Promise<string | null>}
 */
async function remedyFor(npm, { remedy, owner }) {
  if (remedy === null) return null;
  const layout = await layoutOf(npm);
  if (remedy === "add") return addCommand(layout, owner);
  if (remedy === "repair") {
    const outside = path.isAbsolute(owner) && path.relative(layout.root, owner).startsWith("..");
    if (outside && layout.manager === "npm") return `npm install --prefix '${path.relative(layout.folder, owner)}'`;
    return repair(npm);
  }
  const name = readJson(path.join(owner, "package.json"))?.name ?? owner;
  if (layout.manager === "pnpm") return `pnpm rebuild ${name}`;
  if (layout.manager === "yarn") return `yarn rebuild ${name}`;
  if (layout.manager === "bun") return "bun install --force";
  const config = await npm.config();
  return `npm rebuild${config.ignoreScripts ? " --ignore-scripts=false" : ""} ${name}`;
}
