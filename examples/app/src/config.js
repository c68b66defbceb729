// Settings: config/app.json, and above it the environment's PORT, REDIS_URL and PREFIX.

import { readFile } from "node:fs/promises";

const FILE = new URL("../config/app.json", import.meta.url);

/**
 * Read the settings.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{host: string, port: number, prefix: string, updateInterval: number, redisUrl: string}>}
 */
export async function readConfig(env = process.env) {
  const settings = JSON.parse(await readFile(FILE, "utf8"));
  const port = Number(env.PORT ?? settings.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`PORT must be a number from 0 to 65535, not ${env.PORT ?? settings.port}`);
  }
  return {
    ...settings,
    port,
    prefix: env.PREFIX ?? settings.prefix,
    redisUrl: env.REDIS_URL ?? "redis://127.0.0.1:6379",
  };
}
