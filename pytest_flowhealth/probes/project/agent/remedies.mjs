// The commands that repair an installation, chosen by its evidence.

/**
 * @typedef {import("./layout.mjs").Layout} Layout
 */

/**
 * Return what installs the dependencies where none are.
 * @param {Layout} layout
 * @returns {string}
 */
export function installCommand(layout) {
  if (layout.manager && layout.manager !== "npm") return `${layout.manager} install`;
  return layout.lock ? "npm ci" : "npm install";
}

/**
 * Return what mends an installation that is there.
 * @param {Layout} layout
 * @param {object} state
 * @param {boolean} state.complete whether `npm ci` accepts the lock file
 * @param {string[]} state.conflicts peers that disagree, in the lock file
 * @param {string[]} state.omitted what was left out on purpose
 * @param {boolean} [state.files] whether files of a package are damaged: only `npm ci` replaces them
 * @returns {string}
 */
export function repairCommand(layout, { complete, conflicts, omitted, files = false }) {
  if (layout.manager === "pnpm") return "pnpm install --force";
  const clean = files && !complete ? "rm -r node_modules && " : "";
  if (layout.manager === "yarn" || layout.manager === "bun") return `${clean}${layout.manager} install`;
  const options = [
    ...(conflicts.length ? ["--legacy-peer-deps"] : []),
    ...omitted.map((kind) => `--omit=${kind}`),
  ];
  return clean + ["npm", complete ? "ci" : "install", ...options].join(" ");
}
