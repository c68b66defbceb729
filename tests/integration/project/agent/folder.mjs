import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/**
 * Return a folder that has these files, and is gone when the process ends.
 * @param {Record<string, string | Buffer>} files contents by path
 */
export function folderWith(files) {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "agent-")));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  return folder;
}
