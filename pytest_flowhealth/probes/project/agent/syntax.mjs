// Whether files parse; none of them is run. Many files take one process: a script is compiled by
// `vm.compileFunction`, a module by `vm.SourceTextModule`, as Node itself would compile it. Node is
// started for a file only where that fails, for the place of the error.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, promises as fs } from "node:fs";
import nodeModule, { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";
import { Worker } from "node:worker_threads";

import { firstLines } from "./errors.mjs";
import { canLink, findLinkError } from "./link.mjs";
import { readJson } from "./npm.mjs";

/**
 * @typedef {{ path: string, runner: "node" | "tsx" | "either" | "tool" }} File
 *   `runner`: Node runs it as it is, or with tsx, something loads it as a script or a module, or a tool
 *   such as a bundler reads it, which may take more than Node does
 * @typedef {object} Result
 * @property {string | null} problem what is wrong with the file
 * @property {number} line begins at 1; 0 where it is not known
 * @property {number} column
 * @property {string | null} unparsed why the file could not be parsed
 */

const LARGEST = 64 * 2 ** 20;
const SCRIPTS = new Set([".js", ".cjs", ".mjs", ".jsx"]);
const TYPED = new Set([".ts", ".cts", ".mts", ".tsx"]);
const PARAMETERS = ["exports", "require", "module", "__filename", "__dirname"];
/** A call of `require` that begins a line, or that the line's declaration, assignment or call evaluates. */
const REQUIRE = new RegExp(
  [
    String.raw`^(?:(?:const|let|var)\s+(?:[\w$]+|\{[^{}]*\})\s*=\s*|(?:module\.)?exports(?:\.[\w$]+)?\s*=\s*)?`,
    String.raw`(?:[\w$.]+\((?:(?:"[^"\n]*"|'[^'\n]*'|[\w$.]+),\s*)*)*`,
    String.raw`require\(\s*(?:"([^"\n]+)"|'([^'\n]+)')\s*\)`,
  ].join(""),
  "gm",
);
/** What may have Node find a package elsewhere than in node_modules: nothing is said of packages then. */
const REDIRECTION = /NODE_PATH|alias|tsconfig-paths|module-path|--?(?:r|C|require|import|loader|conditions|experimental-[\w-]+)\b/;
const PACKAGE = /^(?:@[\w.~-]+\/)?[a-z0-9][\w.~-]*(?=\/|$)/;
const NODE_PROGRAM = /^#!.*\bnode\b/;
const MOST_IMPORTS = 2_000;
const MODULE_SYNTAX = /^\s*(?:import|export)\b/m;
/** How native add-ons begin: ELF, PE, and Mach-O in both byte orders and universal. */
const NATIVE = ["7f454c46", "4d5a", "feedface", "cefaedfe", "feedfacf", "cffaedfe", "cafebabe"];

const PARSED = { problem: null, line: 0, column: 0, unparsed: null };
const problem = (/** @type {string} */ text, line = 0, column = 0) => ({
  ...PARSED,
  problem: text.slice(0, 300),
  line,
  column,
});
const unparsed = (/** @type {string} */ reason) => ({ ...PARSED, unparsed: reason });

/**
 * @param {{ files: File[] }} request
 * @returns {Promise<{ files: Result[] }>} one result for each file, in order; of one that Node runs,
 *   it includes the files of the project that it imports
 */
export async function answer({ files }) {
  const modules = new ModuleParser();
  const results = [];
  const seen = new Set();
  try {
    for (const file of files) results.push(await parseWithImports(file, modules, seen));
    const linked = [];
    for (const [at, file] of files.entries()) if (results[at].problem === null && (await isLinked(file))) linked.push(at);
    const byNode = linked.filter((at) => files[at].runner === "node").map((at) => files[at].path);
    const areWhole = await canLink(byNode);
    for (const at of linked) {
      if (!areWhole || files[at].runner === "tsx") results[at] = (await findMissingImport(files[at])) ?? results[at];
    }
  } finally {
    modules.close();
  }
  return { files: results };
}

/**
 * Parse a file and, if Node runs it, the files that it imports by a relative path.
 *
 * @param {File} file
 * @param {ModuleParser} modules
 * @param {Set<string>} seen the files whose imports were followed
 * @returns {Promise<Result>}
 */
async function parseWithImports(file, modules, seen) {
  const first = await parse(file, modules);
  if (file.runner !== "node" || first.problem || first.unparsed) return first;
  const folder = path.dirname(file.path);
  const waiting = [file.path];
  for (let current = waiting.pop(); current !== undefined; current = waiting.pop()) {
    if (seen.has(current) || seen.size > MOST_IMPORTS) continue;
    seen.add(current);
    if (current !== file.path) {
      const { problem: found } = await parse({ path: current, runner: "node" }, modules);
      if (found) return problem(`it imports ${path.relative(folder, current)}: ${found}`);
    }
    const importer = path.relative(folder, current);
    for (const { specifier, target } of await importsOf(current, modules)) {
      if (target === undefined) return problem(`${importer} calls require, which no ES module has`);
      if (target === null) return problem(`${importer} imports ${specifier}, which is missing`);
      if (!target.includes(`${path.sep}node_modules${path.sep}`)) waiting.push(target);
    }
  }
  return first;
}

/**
 * Tell whether the imports of a file are linked before it runs: it is a module, or tsx loads it.
 *
 * @param {File} file
 */
async function isLinked(file) {
  if (file.runner === "tsx") return true;
  if (file.runner !== "node" || !SCRIPTS.has(path.extname(file.path))) return false;
  if (!(await kindsOf(file)).includes("module")) return false;
  return path.extname(file.path) === ".mjs" || scriptError(sourceOf(await fs.readFile(file.path, "utf8"))) !== null;
}

/** @param {string} content */
function sourceOf(content) {
  return content.replace(/^\ufeff?(?:#!.*)?/, "");
}

/**
 * Let Node link an ES module: each module that it imports is there, and has the exports that are named.
 *
 * What a package imports is left to the checks of the dependencies.
 * @param {File} file
 * @returns {Promise<Result | null>}
 */
async function findMissingImport(file) {
  if (isRedirected(file.path)) return null;
  const error = await findLinkError(file.path, file.runner === "tsx");
  const importer = error?.importer ?? file.path;
  if (error === null || importer.includes(`${path.sep}node_modules${path.sep}`) || /['/]electron\b/.test(error.message)) return null;
  if (error.missing !== null && !isMissingPackage(createRequire(importer), importer, error.missing)) return null;
  const where = path.relative(path.dirname(file.path), importer) || path.basename(file.path);
  const line = error.line ? `:${error.line}` : "";
  return problem(`${where}${line}: ${error.message.replace("file://", "").replaceAll(`${path.dirname(file.path)}/`, "")}`);
}

/**
 * @typedef {{ specifier: string, target: string | null | undefined }} Import
 *   `target`: a file; null: there is none; undefined: a call of `require` where there is no such function
 */

/**
 * Return what a JavaScript file imports whenever it is run, and of packages those that are missing: the
 * imports of a module, and the calls of `require` in statements that are in no block or function.
 *
 * @param {string} file
 * @param {ModuleParser} modules
 * @returns {Promise<Import[]>}
 */
async function importsOf(file, modules) {
  const extension = path.extname(file);
  if (extension && !SCRIPTS.has(extension)) return [];
  const content = await fs.readFile(file, "utf8");
  if (!extension && !NODE_PROGRAM.test(content)) return [];
  const text = sourceOf(content);
  const require = createRequire(file);
  if (scriptError(text) === null && extension !== ".mjs") {
    const specifiers = await requiredBy(text, modules);
    const isModule = (await kindsOf({ path: file, runner: "node" }))[0] === "module";
    if (isModule && specifiers.length && (await modules.error(`${text}\nlet require;`)) === null) {
      return [{ specifier: "", target: undefined }];
    }
    return specifiers
      .filter((each) => isRelative(each) || (resolve(require, each) === null && isMissingPackage(require, file, each)))
      .map((specifier) => ({ specifier, target: resolve(require, specifier) }));
  }
  return (await modules.imports(text)).filter(isRelative).flatMap((specifier) => {
    const target = fileURLToPath(new URL(specifier, pathToFileURL(file)));
    return existsSync(target) ? [{ specifier, target }] : []; // Node says what is missing
  });
}

/** @param {string} specifier */
function isRelative(specifier) {
  return /^\.\.?\//.test(specifier);
}

/**
 * Return what a script requires in statements at its top level. V8 tells which those are: an import
 * declaration in front of any other one is an error, or a part of a comment or a string.
 *
 * @param {string} text
 * @param {ModuleParser} modules
 * @returns {Promise<string[]>}
 */
async function requiredBy(text, modules) {
  const matches = [...text.matchAll(REQUIRE)];
  const specifierOf = (/** @type {RegExpMatchArray} */ match) => match[1] ?? match[2];
  if (!matches.length) return [];
  if ((await modules.error(text)) !== null) return matches.map(specifierOf).filter(isRelative); // no strict code
  const isAtTop = async (/** @type {RegExpMatchArray[]} */ some) => {
    let marked = text;
    for (const { index = 0 } of [...some].reverse()) marked = `${marked.slice(0, index)}import "at:${index}";${marked.slice(index)}`;
    const imports = await modules.imports(marked);
    return some.every(({ index }) => imports.includes(`at:${index}`));
  };
  if (await isAtTop(matches)) return matches.map(specifierOf);
  const found = [];
  for (const match of matches) if (await isAtTop([match])) found.push(specifierOf(match));
  return found;
}

/**
 * Tell whether a package is in one of the folders in which Node looks for it.
 *
 * @param {NodeJS.Require} require
 * @param {string} specifier
 */
function hasPackage(require, specifier) {
  const name = PACKAGE.exec(specifier)?.[0] ?? "";
  return (require.resolve.paths(specifier) ?? []).some((folder) => existsSync(path.join(folder, name)));
}

/**
 * Tell whether what Node does not find is missing: it is a package's, no check of the dependencies has
 * it as its subject, and nothing makes the application look for it elsewhere.
 *
 * @param {NodeJS.Require} require
 * @param {string} file what imports it
 * @param {string} specifier
 */
function isMissingPackage(require, file, specifier) {
  const name = PACKAGE.exec(specifier)?.[0];
  if (!name || nodeModule.isBuiltin(specifier) || name === "electron" || isRedirected(file)) return false;
  const isThere = hasPackage(require, specifier);
  return foldersAbove(file).every((folder) => {
    const manifest = readJson(path.join(folder, "package.json"));
    // One for development may be left out on purpose, and is no other check's subject then.
    return manifest?.name !== name && (isThere || !manifest?.dependencies?.[name]);
  });
}

/**
 * Tell whether something may have Node find packages elsewhere than in node_modules.
 *
 * @param {string} file
 */
function isRedirected(file) {
  if (REDIRECTION.test(process.env.NODE_OPTIONS ?? "")) return true;
  return foldersAbove(file).some(
    (folder) => existsSync(path.join(folder, ".pnp.cjs")) || REDIRECTION.test(JSON.stringify(readJson(path.join(folder, "package.json")))),
  );
}

/** @param {string} file */
function foldersAbove(file) {
  const folders = [path.dirname(file)];
  for (let at = folders[0]; at !== path.dirname(at); at = path.dirname(at)) folders.push(path.dirname(at));
  return folders;
}

/**
 * @param {NodeJS.Require} require
 * @param {string} specifier
 */
function resolve(require, specifier) {
  try {
    const file = require.resolve(specifier);
    return existsSync(file) ? file : null; // Node remembers what it once found
  } catch {
    return null;
  }
}

/**
 * @param {File} file
 * @param {ModuleParser} modules
 * @returns {Promise<Result>}
 */
async function parse(file, modules) {
  try {
    const { size } = await fs.stat(file.path);
    if (size > LARGEST) return unparsed(`it has more than ${LARGEST / 2 ** 20} MiB`);
    return await parseContent(file, await fs.readFile(file.path), modules);
  } catch (error) {
    return unparsed(firstLines(error));
  }
}

/**
 * @param {File} file what the content is, or was, the file of
 * @param {Buffer} content
 * @param {ModuleParser} modules
 * @returns {Promise<Result>}
 */
export async function parseContent(file, content, modules) {
  const extension = path.extname(file.path);
  if (extension === ".node") return checkStart(content, NATIVE, "a native add-on");
  if (extension === ".wasm") return checkStart(content, ["0061736d"], "WebAssembly");
  const text = content.toString("utf8").replace(/^\ufeff/, "");
  if (extension === ".json") return parseJson(text);
  if (TYPED.has(extension)) return await parseTypeScript(file, text);
  const isScript = extension ? SCRIPTS.has(extension) : NODE_PROGRAM.test(text);
  return isScript ? await parseJavaScript(file, text, modules) : PARSED;
}

/**
 * @param {Buffer} content
 * @param {string[]} starts in hexadecimal
 * @param {string} kind
 */
function checkStart(content, starts, kind) {
  const start = content.subarray(0, 4).toString("hex");
  return starts.some((known) => start.startsWith(known)) ? PARSED : problem(`it is not ${kind}`);
}

/** @param {string} text */
function parseJson(text) {
  try {
    JSON.parse(text);
    return PARSED;
  } catch (error) {
    return problem(`it is not JSON: ${firstLines(error)}`);
  }
}

/**
 * @param {File} file
 * @param {string} text
 * @param {ModuleParser} modules
 * @returns {Promise<Result>}
 */
async function parseJavaScript(file, text, modules) {
  const kinds = await kindsOf(file);
  for (const kind of kinds) {
    const error = kind === "module" ? await modules.error(text) : scriptError(text);
    if (error === null) return PARSED;
  }
  const byTool = file.runner === "tool" || file.runner === "tsx";
  if (byTool) {
    const result = await byCompiler(file.path, file.path.replace(/\.\w+$/, ".jsx"), text);
    if (result) return result;
  }
  const likely = kinds.includes("module") && MODULE_SYNTAX.test(text) ? "module" : kinds[0];
  const found = await checkByNode(likely, text);
  if (byTool && found.problem) {
    return unparsed(`Node does not parse it (${found.problem}), and what else reads it is unknown`);
  }
  return found;
}

/**
 * How Node may read a file (nodejs.org/api/packages.html, "Determining module system"); a tool reads
 * a `.js` as either.
 *
 * @param {File} file
 * @returns {Promise<("commonjs" | "module")[]>}
 */
async function kindsOf(file) {
  const extension = path.extname(file.path);
  if (extension === ".mjs") return ["module"];
  if (extension === ".cjs") return ["commonjs"];
  if (file.runner !== "node") return ["commonjs", "module"];
  const type = await packageType(path.dirname(await fs.realpath(file.path)));
  if (type) return [type];
  return detectsModules() ? ["commonjs", "module"] : ["commonjs"];
}

/** @param {string} folder */
async function packageType(folder) {
  for (; ; folder = path.dirname(folder)) {
    try {
      const { type } = JSON.parse(await fs.readFile(path.join(folder, "package.json"), "utf8"));
      return type === "module" || type === "commonjs" ? type : null;
    } catch (error) {
      if (/** @type {any} */ (error).code !== "ENOENT" || folder === path.dirname(folder)) return null;
    }
  }
}

/** Whether this Node takes a file without a `type` for a module where it has the syntax of one. */
function detectsModules() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 7) || (major === 20 && minor >= 19);
}

/** @param {string} text */
function scriptError(text) {
  try {
    vm.compileFunction(text, PARAMETERS);
    return null;
  } catch (error) {
    return String(error);
  }
}

/** Parses ECMAScript modules in a thread that has Node's flag for `vm.SourceTextModule`. */
export class ModuleParser {
  /** @type {Worker | undefined} */
  #worker;

  /**
   * @param {string} text
   * @returns {Promise<string | null>} the error, if any
   */
  async error(text) {
    return (await this.#ask(text)).error;
  }

  /**
   * @param {string} text
   * @returns {Promise<string[]>} the specifiers of its imports, none where it does not parse
   */
  async imports(text) {
    return (await this.#ask(text)).imports;
  }

  /**
   * @param {string} text
   * @returns {Promise<{ error: string | null, imports: string[] }>}
   */
  async #ask(text) {
    this.#worker ??= new Worker(
      `const vm = require("node:vm");
       const { parentPort } = require("node:worker_threads");
       parentPort.on("message", (text) => {
         let error = null;
         let imports = [];
         try {
           const parsed = new vm.SourceTextModule(text);
           // Node 24 has renamed it.
           const requests = parsed.moduleRequests?.map(({ specifier }) => specifier);
           imports = [...(requests ?? parsed.dependencySpecifiers)];
         } catch (reason) {
           error = String(reason);
         }
         parentPort.postMessage({ error, imports });
       });`,
      { eval: true, execArgv: ["--experimental-vm-modules", "--no-warnings"] },
    );
    const answered = once(this.#worker, "message");
    this.#worker.postMessage(text);
    return (await answered)[0];
  }

  close() {
    this.#worker?.terminate();
  }
}

/**
 * Let Node say what is wrong, and where.
 *
 * @param {"commonjs" | "module"} kind
 * @param {string} text
 * @returns {Promise<Result>}
 */
async function checkByNode(kind, text) {
  const { code, stderr } = await run(["--check", `--input-type=${kind}`, "-"], text);
  if (code === 0) return PARSED;
  const lines = stderr.split("\n");
  const message = lines.find((line) => /^\w*Error\b.*: /.test(line));
  if (!message?.startsWith("SyntaxError: ")) {
    return unparsed(message ?? `\`node --check\` ended with code ${code}`);
  }
  const caret = lines.find((line) => line.includes("^") && !line.trim().replace(/[\^\s]/g, ""));
  const place = lines.map((line) => /^\S+:(\d+)$/.exec(line)).find(Boolean);
  return problem(message, Number(place?.[1] ?? 0), caret ? caret.indexOf("^") + 1 : 0);
}

/**
 * @param {string[]} args
 * @param {string} input
 * @returns {Promise<{ code: number | null, stdout: string, stderr: string }>}
 */
function run(args, input = "") {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: "pipe" });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (data) => (stdout += data));
    child.stderr.setEncoding("utf8").on("data", (data) => (stderr += data));
    child.stdin.on("error", () => {}).end(input);
    child.on("error", reject).on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/**
 * By Node's own reader of types where it has one; where that refuses, and without it, by the
 * project's `typescript`.
 *
 * @param {File} file
 * @param {string} text
 * @returns {Promise<Result>}
 */
async function parseTypeScript(file, text) {
  const strip = /** @type {any} */ (nodeModule).stripTypeScriptTypes;
  let refusal = null;
  if (strip && !file.path.endsWith(".tsx")) {
    process.removeAllListeners("warning");
    try {
      strip(text, { mode: "transform" });
      return PARSED;
    } catch (error) {
      if (error instanceof SyntaxError) refusal = error.message.trim().split("\n").pop() ?? "";
    }
  }
  const result = await byCompiler(file.path, file.path, text);
  if (result) return result;
  if (refusal !== null) return problem(`SyntaxError: ${refusal}`);
  return unparsed("no compiler of TypeScript is installed here, and this Node can't read types");
}

/**
 * Parse with the compiler that the file's package has: `typescript`, which from version 7 on has no
 * API, or esbuild, which Vite and others bring.
 *
 * @param {string} file
 * @param {string} name the file's name to the compiler: its extension allows types, or JSX
 * @param {string} text
 * @returns {Promise<Result | null>} null where there is no compiler
 */
async function byCompiler(file, name, text) {
  const require = createRequire(file);
  const typescript = load(require, "typescript");
  if (typescript?.transpileModule) return byTypeScript(typescript, name, text);
  const esbuild = load(require, "esbuild");
  if (esbuild?.transform) return byEsbuild(esbuild, name, text);
  try {
    const compiler = path.join(path.dirname(require.resolve("typescript/package.json")), "bin/tsc");
    return existsSync(compiler) && file === name ? await byTsc(compiler, file) : null;
  } catch {
    return null;
  }
}

/**
 * @param {NodeJS.Require} require
 * @param {string} name
 * @returns {any} the package, undefined where it can't be loaded
 */
function load(require, name) {
  try {
    return require(name);
  } catch {
    return undefined;
  }
}

/**
 * @param {any} esbuild
 * @param {string} name
 * @param {string} text
 * @returns {Promise<Result>}
 */
async function byEsbuild(esbuild, name, text) {
  const loader = path.extname(name).replace(/^\.[cm]?/, "");
  try {
    await esbuild.transform(text, { loader, logLevel: "silent" });
    return PARSED;
  } catch (error) {
    const first = /** @type {any} */ (error).errors?.[0];
    if (!first?.location) return unparsed(firstLines(error));
    return problem(`SyntaxError: ${first.text}`, first.location.line, first.location.column + 1);
  } finally {
    await esbuild.stop?.(); // its process
  }
}

/**
 * @param {any} ts the `typescript` package
 * @param {string} fileName its extension decides whether JSX and types are allowed
 * @param {string} text
 */
function byTypeScript(ts, fileName, text) {
  const { diagnostics } = ts.transpileModule(text, {
    fileName,
    reportDiagnostics: true,
    compilerOptions: {
      target: ts.ScriptTarget.ESNext,
      module: ts.ModuleKind.ESNext,
      jsx: ts.JsxEmit.Preserve,
      allowJs: true,
    },
  });
  const [first] = diagnostics.filter((/** @type {any} */ diagnostic) => diagnostic.file);
  if (!first) return PARSED;
  const { line, character } = ts.getLineAndCharacterOfPosition(first.file, first.start);
  const message = ts.flattenDiagnosticMessageText(first.messageText, " ");
  return problem(`TS${first.code}: ${message}`, line + 1, character + 1);
}

/**
 * @param {string} compiler
 * @param {string} file
 */
async function byTsc(compiler, file) {
  const options = ["--noEmit", "--noCheck", "--noResolve", "--noLib", "--ignoreConfig"];
  const { code, stdout, stderr } = await run([compiler, ...options, "--pretty", "false", file]);
  // Errors of syntax only: those of types have other numbers.
  const found = /^.+\((\d+),(\d+)\): error (TS(?:1|17|18)\d{3}: .*)$/m.exec(stdout);
  if (found) return problem(found[3], Number(found[1]), Number(found[2]));
  if (code === 0 || /error TS\d/.test(stdout)) return PARSED;
  return unparsed(`\`tsc\` gave no verdict: ${firstLines(stdout || stderr)}`);
}
