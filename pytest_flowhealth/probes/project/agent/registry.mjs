// A package in the registry: its versions, downloads and advisories, asked as npm asks.
import { AgentError, firstLines } from "./errors.mjs";

/**
 * @typedef {import("./npm.mjs").Npm} Npm
 * @typedef {object} Request
 * @property {"release" | "downloads" | "versions" | "advisories" | "npmrc"} what
 * @property {string} name the package
 * @property {string | null} registry instead of npm's
 * @property {string | null} downloads_api instead of the one that belongs to the registry
 * @property {number} seconds
 * @property {string} [path] downloads: the path of the question
 * @property {string[]} [versions] advisories: of which versions
 * @property {string | null} [version] release: to be compared with the published ones
 */

/**
 * @param {Request} request
 * @param {Npm} npm
 * @returns {Promise<object>}
 */
export async function answer(request, npm) {
  const options = await readOptions(request, npm);
  switch (request.what) {
    case "release":
      return readRelease(request, npm, options);
    case "downloads":
      return { answer: await askDownloads(request, npm, options, String(request.path)) };
    case "advisories":
      return { advisories: await readAdvisories(request, npm, options) };
    default:
      return { text: npmrc(options, request), registry: shown(options.registry) };
  }
}

/**
 * @param {Request} request
 * @param {Npm} npm
 * @returns {Promise<any>}
 */
async function readOptions({ name, registry, seconds }, npm) {
  const flat = await npm.config();
  const scope = name.startsWith("@") ? name.split("/")[0] : null;
  const chosen = registry ?? (scope && flat[`${scope}:registry`]) ?? flat.registry;
  return {
    ...flat,
    registry: chosen,
    ...(scope ? { [`${scope}:registry`]: chosen } : {}),
    preferOnline: true,
    fetchRetries: 2,
    fetchRetryMintimeout: 500,
    fetchRetryMaxtimeout: 2_000,
    fetchTimeout: (seconds * 1000) / 2,
    timeout: (seconds * 1000) / 2,
  };
}

/**
 * @param {Request} request
 * @param {Npm} npm
 * @param {any} options
 */
async function readRelease({ name, version }, npm, options) {
  const semver = npm.require("semver");
  const host = shown(options.registry);
  const packument = await npm.require("pacote").packument(name, { ...options, fullMetadata: true }).catch(
    (/** @type {any} */ error) => {
      if (error.statusCode !== 404 && error.code !== "E404") throw unanswered(error, host, options.registry);
      const remedy = 'npm publish; or "private": true in package.json; or npm login, if it is there';
      throw new AgentError("failed", `${name} is not published: ${host} does not have it`, remedy);
    },
  );
  if (packument.name !== undefined && packument.name !== name) {
    throw new AgentError("unavailable", `${host} was asked for ${name}, and answered with ${packument.name}`);
  }
  const versions = Object.keys(packument.versions ?? {});
  if (!versions.length) throw new AgentError("failed", `every version of ${name} was unpublished`, "npm publish");
  const latest = packument["dist-tags"]?.latest;
  if (!versions.includes(latest)) {
    const problem = latest === undefined ? "has no dist-tag `latest`" : `has ${latest} as \`latest\`, which is not there`;
    throw new AgentError("failed", `${name} ${problem}`, `npm dist-tag add ${name}@VERSION latest`);
  }
  const dist = packument.versions[latest].dist ?? {};
  const deprecated = versions.filter((published) => packument.versions[published].deprecated);
  return {
    name,
    registry: host,
    latest,
    tags: packument["dist-tags"],
    versions,
    deprecated: Object.fromEntries(deprecated.map((published) => [published, String(packument.versions[published].deprecated).slice(0, 200)])),
    created: date(packument.time?.created) ?? versions.map((published) => date(packument.time?.[published])).sort()[0] ?? null,
    released: date(packument.time?.[latest]),
    signatures: Array.isArray(dist.signatures) ? dist.signatures.length : 0,
    provenance: Boolean(dist.attestations),
    integrity: Boolean(dist.integrity),
    is_older: Boolean(version && semver.valid(version) && semver.lt(version, latest)),
  };
}

/** @param {unknown} text */
function date(text) {
  const time = Date.parse(String(text));
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}

/**
 * @param {Request} request
 * @param {Npm} npm
 * @param {any} options
 * @param {string} path
 */
async function askDownloads({ name, downloads_api: given }, npm, options, path) {
  const address = given ?? downloadsApi(options.registry);
  if (address === null) {
    const why = `no downloads API is known that belongs to ${shown(options.registry)}`;
    throw new AgentError("unavailable", why, '[npm] downloads = "https://..." in flowhealth.toml');
  }
  try {
    return await npm.require("npm-registry-fetch").json(path, { ...options, registry: address, spec: undefined });
  } catch (error) {
    const { statusCode } = /** @type {any} */ (error);
    if (statusCode === 404) {
      throw new AgentError("unavailable", `${shown(address)} answered with status 404: it has no figures of ${name}`);
    }
    throw unanswered(error, shown(address), options.registry);
  }
}

/**
 * Return the downloads API by the registry's host: its first label `registry` becomes `api`
 * (github.com/npm/registry, docs/download-counts.md).
 * @param {string} registry
 */
function downloadsApi(registry) {
  const url = new URL(registry);
  if (!/^registry\.[^.:]/.test(url.hostname)) return null;
  return `${url.protocol}//${url.host.replace("registry.", "api.")}/`;
}

/**
 * @param {Request} request
 * @param {Npm} npm
 * @param {any} options
 */
async function readAdvisories({ name, versions = [] }, npm, options) {
  const semver = npm.require("semver");
  const host = shown(options.registry);
  const found = await npm
    .require("npm-registry-fetch")
    .json("/-/npm/v1/security/advisories/bulk", { ...options, method: "POST", gzip: true, body: { [name]: versions } })
    .catch((/** @type {unknown} */ error) => {
      throw unanswered(error, host, options.registry, "asked for advisories, ");
    });
  if (found === null || typeof found !== "object") {
    throw new AgentError("unavailable", `asked for advisories, ${host} answers not as documented`);
  }
  return (found[name] ?? []).map((/** @type {any} */ advisory) => ({
    severity: String(advisory.severity),
    title: String(advisory.title ?? ""),
    range: String(advisory.vulnerable_versions),
    // As npm audit compares them.
    versions: versions.filter((candidate) =>
      semver.satisfies(candidate, advisory.vulnerable_versions, { includePrerelease: true, loose: true }),
    ),
  }));
}

/**
 * @param {any} error
 * @param {string} host
 * @param {string} registry
 * @param {string} [before]
 */
function unanswered(error, host, registry, before = "") {
  const status = error.statusCode;
  if (status === 401 || status === 403) {
    const message = `${before}${host} answered with status ${status}: it does not let us in`;
    return new AgentError("unavailable", message, `npm login --registry=${withoutUser(registry)}`);
  }
  const reason = status ? `answered with status ${status}` : `gives no answer: ${firstLines(error)}`;
  return new AgentError("unavailable", `${before}${host} ${reason}`);
}

/**
 * Return an .npmrc with what an installation elsewhere needs: the registries, their credentials, the
 * proxy and the authorities.
 * @param {any} options
 * @param {Request} request
 */
function npmrc(options, { name, registry }) {
  const scope = name.startsWith("@") ? name.split("/")[0] : null;
  const keys = Object.keys(options).filter((key) => key.startsWith("//") || /^@[^/]+:registry$/.test(key));
  /** @type {Record<string, unknown>} */
  const lines = Object.fromEntries(keys.map((key) => [key, options[key]]));
  if (registry !== null || scope === null) lines.registry = options.registry;
  const named = { cafile: "cafile", httpsProxy: "https-proxy", proxy: "proxy", noProxy: "noproxy", strictSSL: "strict-ssl" };
  for (const [key, name_] of Object.entries(named)) {
    if (options[key] !== undefined && options[key] !== null && options[key] !== "") lines[name_] = options[key];
  }
  return Object.entries(lines).map(([key, value]) => `${key}=${value}\n`).join("");
}

/** @param {string} address */
function shown(address) {
  const url = new URL(address);
  return `${url.host}${url.pathname}`.replace(/\/$/, "");
}

/** @param {string} address */
function withoutUser(address) {
  const url = new URL(address);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
