// The npm on the PATH: where it is, its libraries, and its configuration for a project.
import { execFile } from "node:child_process";
import { constants, promises as fs, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";

import { AgentError } from "./errors.mjs";

const SHIM_SECONDS = 20;

/**
 * Return the folder of the npm that a shell would run in `project`.
 *
 * The program is npm's own script, or a shim (volta, asdf, mise, corepack) that picks an npm by the
 * folder; npm then says where it is.
 * @param {string} project
 * @returns {Promise<string>}
 */
export async function findNpm(project) {
  const program = await findProgram("npm");
  if (program === null) {
    throw new AgentError("unavailable", "there is no `npm` on the PATH", "install npm; it comes with Node");
  }
  const script = path.join(path.dirname(await fs.realpath(program)), "npm-cli.js");
  return npmFolder(script) ?? npmFolder(await askShim(program, project)) ?? refuse(program);
}

/**
 * @param {string} name
 * @returns {Promise<string | null>} the program's path
 */
export async function findProgram(name) {
  for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
    const file = path.resolve(folder, name);
    try {
      await fs.access(file, constants.X_OK);
      if ((await fs.stat(file)).isFile()) return file;
    } catch {
      continue;
    }
  }
  return null;
}

/** @param {string} script path of npm-cli.js */
function npmFolder(script) {
  const folder = path.dirname(path.dirname(script));
  return readJson(path.join(folder, "package.json"))?.name === "npm" ? folder : null;
}

/**
 * @param {string} program
 * @param {string} project
 */
async function askShim(program, project) {
  // --prefix: nothing of the project may make npm refuse (devEngines), but the shim decides by the folder.
  const line = ["exec", "--offline", "--prefix=/", "--loglevel=error", "-c", 'printf %s "$npm_execpath"'];
  try {
    const options = { cwd: project, timeout: SHIM_SECONDS * 1000 };
    const { stdout } = await promisify(execFile)(program, line, options);
    return await fs.realpath(stdout.trim().split("\n").at(-1) ?? "");
  } catch {
    return "";
  }
}

/**
 * @param {string} program
 * @returns {never}
 */
function refuse(program) {
  throw new AgentError("unavailable", `${program} does not say where npm is: \`npm exec\` gave no path`);
}

/**
 * @param {string} file
 * @returns {any} the JSON, or null where there is none
 */
export function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8").replace(/^\ufeff/, ""));
  } catch {
    return null;
  }
}

/**
 * @param {string} file
 * @returns {string | null} the folder of the package that a file belongs to
 */
export function ownerOf(file) {
  if (!path.isAbsolute(file)) return null;
  for (let at = path.dirname(file); at !== path.dirname(at); at = path.dirname(at)) {
    const parent = path.basename(path.dirname(at));
    if (parent === "node_modules" && !path.basename(at).startsWith("@")) return at;
    if (parent.startsWith("@") && path.basename(path.dirname(path.dirname(at))) === "node_modules") return at;
    if (readJson(path.join(at, "package.json"))?.name && !file.includes("/node_modules/")) return at;
  }
  return null;
}

/** npm's libraries and configuration; what is read of a project is remembered until `forget()`. */
export class Npm {
  /** @type {Map<string, Promise<any>>} */
  #memory = new Map();

  #root;

  /**
   * @param {string | Error} root npm's own folder, or why there is none
   * @param {string} project the folder that is checked
   */
  constructor(root, project) {
    this.#root = root;
    this.project = project;
  }

  /** npm's own folder. Every use of npm throws where there is no npm; the rest works without it. */
  get root() {
    if (this.#root instanceof Error) throw this.#root;
    return this.#root;
  }

  /** @returns {string} npm's version */
  get version() {
    return String(readJson(path.join(this.root, "package.json"))?.version);
  }

  /**
   * Load a library as npm itself does.
   * @param {string} name such as "semver" or "@npmcli/arborist"
   * @returns {any}
   */
  require(name) {
    return createRequire(path.join(this.root, "lib", "npm.js"))(name);
  }

  /**
   * Do `work` once for all questions that are open at the same time.
   * @template Result
   * @param {string} key
   * @param {() => Promise<Result>} work
   * @returns {Promise<Result>}
   */
  remember(key, work) {
    const known = this.#memory.get(key) ?? work();
    this.#memory.set(key, known);
    return known;
  }

  /** Forget what was read. */
  forget() {
    this.#memory.clear();
  }

  /**
   * npm's configuration as its libraries take it: registry, tokens, proxy, CA, omit, ...
   * @returns {Promise<Record<string, any> & { localPrefix: string }>}
   */
  config() {
    return this.remember("config", async () => {
      const Config = this.require("@npmcli/config");
      const { definitions, shorthands, flatten } = this.require("@npmcli/config/lib/definitions");
      const config = new Config({
        npmPath: this.root,
        definitions,
        shorthands,
        flatten,
        argv: [process.execPath, "npm"],
        env: { ...process.env },
        cwd: this.project,
        execPath: process.execPath,
      });
      await config.load();
      const flat = { ...config.flat, npmVersion: this.version, nodeVersion: process.version };
      return { ...flat, localPrefix: config.localPrefix, log: undefined };
    });
  }
}
