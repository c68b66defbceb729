// The build: checks each file of src/ with node --check, then copies it to dist/.
// Everything is checked before dist/ is touched, so a broken source leaves the last build alone.

import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const [source, target] = [join(root, "src"), join(root, "dist")];

const files = readdirSync(source, { recursive: true }).filter((name) => name.endsWith(".js"));
try {
  for (const name of files) {
    execFileSync(process.execPath, ["--check", join(source, name)], { stdio: "inherit" });
  }
} catch {
  console.error("nothing was built: a source does not parse");
  process.exit(1);
}
rmSync(target, { recursive: true, force: true });
for (const name of files) cpSync(join(source, name), join(target, name));
console.log(`${files.length} files in dist/`);
