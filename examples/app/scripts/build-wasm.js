// Builds wasm/engine.wasm from its source: node scripts/build-wasm.js [OUTPUT]

import { readFileSync, writeFileSync } from "node:fs";
import wabt from "wabt";

const source = new URL("../wasm/engine.wat", import.meta.url);
const output = process.argv[2] ?? new URL("../wasm/engine.wasm", import.meta.url);
const module = (await wabt()).parseWat("engine.wat", readFileSync(source, "utf8"));
writeFileSync(output, module.toBinary({}).buffer);
