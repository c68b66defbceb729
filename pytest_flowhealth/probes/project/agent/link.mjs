// Whether Node links an ES module with all that it imports. Nothing of it is run: its graph is loaded and
// linked as a whole before the first module runs, which here is one that ends the process.
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

const SECONDS = 20;
const LINKER = `
const imports = ["data:text/javascript,process.exit(0)", ...process.argv.slice(1)];
const text = imports.map((url) => "import " + JSON.stringify(url) + ";").join("");
import("data:text/javascript," + encodeURIComponent(text)).catch(({ name, code, message, stack }) => {
  console.log("\\n" + JSON.stringify({ name, code, message: String(message), stack: String(stack) }));
  process.exit(1);
});
`;
/** What Node says of an import that fails wherever the application runs. */
const CODES = /^ERR_(?:MODULE_NOT_FOUND|PACKAGE_PATH_NOT_EXPORTED|PACKAGE_IMPORT_NOT_DEFINED|UNSUPPORTED_DIR_IMPORT|UNKNOWN_BUILTIN_MODULE|IMPORT_(?:ASSERTION|ATTRIBUTE)_(?:TYPE_)?MISSING|INVALID_MODULE_SPECIFIER)$/;

/**
 * @typedef {object} LinkError
 * @property {string} message as Node says it, on one line
 * @property {string | null} importer the file with the import that fails
 * @property {number} line of it; 0 where it is not known
 * @property {string | null} missing the package that is not there, if it is that
 */

/**
 * Tell whether Node links all of some modules: one process finds no fault in many.
 * @param {string[]} files
 * @returns {Promise<boolean>}
 */
export async function canLink(files) {
  return files.length > 1 && (await runLinker(files, [])) === null;
}

/**
 * @param {string} file
 * @param {boolean} byTsx whether tsx loads it; nothing is said where that is not installed
 * @returns {Promise<LinkError | null>} null where it links, or where something else went wrong
 */
export async function findLinkError(file, byTsx = false) {
  if (!byTsx) return runLinker([file], []);
  try {
    const tsx = createRequire(file).resolve("tsx");
    const esbuild = createRequire(tsx)("esbuild");
    return (await runLinker([file], ["--import", pathToFileURL(tsx).href])) ?? (await resolveImports(file, esbuild));
  } catch {
    return null;
  }
}

/**
 * @param {string[]} files
 * @param {string[]} loader options of Node
 * @returns {Promise<LinkError | null>} the first error
 */
async function runLinker(files, loader) {
  const options = [...loader, "--no-warnings", "--input-type=module", "-e", LINKER];
  const run = promisify(execFile);
  const urls = files.map((file) => pathToFileURL(file).href);
  const { stdout } = await run(process.execPath, [...options, "--", ...urls], {
    cwd: path.dirname(files[0]),
    timeout: SECONDS * 1000,
  }).catch((error) => error);
  const printed = String(stdout ?? "").split("\n").filter((text) => text.startsWith('{"name":')).at(-1);
  return printed === undefined ? null : readError(JSON.parse(printed));
}

/**
 * tsx makes scripts of a package's files that are no modules: its compiler then says which of the
 * project's own files an import statement does not find.
 * @param {string} file
 * @param {any} esbuild
 * @returns {Promise<LinkError | null>}
 */
async function resolveImports(file, esbuild) {
  const plugin = {
    name: "import statements of own files only",
    setup(/** @type {any} */ build) {
      build.onResolve({ filter: /.*/ }, (/** @type {any} */ { kind, path: specifier }) => {
        const isCode = /^\.\.?\//.test(specifier) && /^(?:\.[cm]?[jt]sx?)?$/.test(path.extname(specifier));
        const isFollowed = kind === "entry-point" || (kind === "import-statement" && isCode);
        return isFollowed ? undefined : { path: specifier, external: true };
      });
    },
  };
  const options = { entryPoints: [file], bundle: true, write: false, platform: "node", format: "cjs", logLevel: "silent" };
  const building = esbuild.build({ ...options, absWorkingDir: path.dirname(file), plugins: [plugin] });
  const { errors } = await building.catch((/** @type {any} */ error) => error);
  await esbuild.stop?.();
  const found = (errors ?? []).find((/** @type {any} */ error) => error.text.startsWith("Could not resolve"));
  if (!found?.location) return null;
  return { message: found.text, importer: path.resolve(path.dirname(file), found.location.file), line: found.location.line, missing: null };
}

/**
 * @param {{ name: string, code?: string, message: string, stack: string }} error
 * @returns {LinkError | null}
 */
function readError({ name, code, message, stack }) {
  const place = /^(file:\/\/\S+):(\d+)$/m.exec(stack);
  const isExport = name === "SyntaxError" && / export (?:named )?'/i.test(message);
  if (!isExport && !CODES.test(String(code))) return null;
  const importer = / imported from (\/.+|file:\/\/\S+)/.exec(message)?.[1] ?? place?.[1] ?? null;
  return {
    message: message.split("\n")[0].replace(/ imported from .*/, ""),
    importer: importer?.startsWith("file:") ? fileURLToPath(importer) : importer,
    line: isExport ? Number(place?.[2] ?? 0) : 0,
    missing: /^Cannot find package '((?:@[^/']+\/)?[^/']+)/.exec(message)?.[1] ?? null,
  };
}
