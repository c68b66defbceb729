// Measures a WebAssembly export against JavaScript baselines in one process, or its memory alone, and
// writes the result as one line of JSON. Run by `node ... bench.mjs WORD SPEC`; the line begins with WORD, since what the
// user's code prints goes to standard output too. SPEC is JSON: module, export, adapter, baseline
// (paths or null), n (per call, or null), seeds, rounds, sampleMs, warmUpMs, budgetMs, memoryMs,
// memoryCalls (0: measure the speed) and memoryLate.

import { readFileSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [word, text] = process.argv.slice(2);
const spec = JSON.parse(text);
const started = process.hrtime.bigint();

function tell(fact) {
  writeSync(1, `\n${word}${JSON.stringify(fact, (_, value) => (typeof value === "bigint" ? value.toString() : value))}\n`);
}

class Wrong extends Error {
  constructor(stage, message) {
    super(message);
    this.stage = stage;
  }
}

const ms = (from) => Number(process.hrtime.bigint() - from) / 1e6;
const said = (error) => String(error?.message ?? error).split("\n")[0].slice(0, 300);

function guarded(stage, work) {
  try {
    return work();
  } catch (error) {
    throw error instanceof Wrong ? error : new Wrong(stage, `${error?.name ?? typeof error}: ${said(error)}`);
  }
}

async function imported(path, what) {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    throw new Wrong(what, `${error?.name ?? typeof error}: ${said(error)}`);
  }
}

// AssemblyScript's abort gets a string: UTF-16 in linear memory, its bytes counted in the four before it.
function readString(place) {
  const memory = memories().find((one) => place > 4 && place < one.buffer.byteLength);
  if (!memory) return "";
  const length = new DataView(memory.buffer).getUint32(place - 4, true);
  if (place + length > memory.buffer.byteLength) return "";
  return new TextDecoder("utf-16le").decode(new Uint8Array(memory.buffer, place, Math.min(length, 1000)));
}

const WASI_MODULE = "wasi_snapshot_preview1";

// Node's own WASI, without any folder, for a module that imports it.
async function makeWasi(module) {
  if (!WebAssembly.Module.imports(module).some((one) => one.module === WASI_MODULE)) return null;
  const { WASI } = await import("node:wasi");
  return new WASI({ version: "preview1" });
}

function instantiated(module, imports) {
  try {
    return new WebAssembly.Instance(module, imports);
  } catch (error) {
    const stages = { RuntimeError: "start", Error: "start", RangeError: "space" };
    throw error instanceof Wrong ? error : new Wrong(stages[error?.name] ?? "module", `${error?.name ?? typeof error}: ${said(error)}`);
  }
}

// What a module may import without an adapter: WASI, and AssemblyScript's abort and seed.
function defaultImports(module, wasi) {
  const given = wasi ? { ...wasi.getImportObject() } : {};
  for (const one of WebAssembly.Module.imports(module)) {
    if (wasi && one.module === WASI_MODULE) continue;
    const space = (given[one.module] ??= {});
    if (one.kind === "function" && one.module === "env" && one.name === "abort") {
      space[one.name] = (message, file, line, column) => {
        const [text, name] = [readString(message >>> 0), readString(file >>> 0)];
        throw new Error(`abort: ${text || "no message"}${name ? ` in ${name}:${line}:${column}` : ""}`);
      };
    } else if (one.kind === "function" && one.module === "env" && one.name === "seed") {
      space[one.name] = () => 1;
    } else {
      throw new Wrong("module", `it imports ${one.module}.${one.name} (${one.kind}): an adapter must give it`);
    }
  }
  return given;
}

const seen = [];
let initialBytes = 0;
const memories = () => seen.filter((one) => one instanceof WebAssembly.Memory);

async function sides(adapter) {
  const bytes = readFileSync(spec.module);
  const module = guarded("module", () => new WebAssembly.Module(bytes));
  const wasi = adapter?.imports ? null : await makeWasi(module);
  const imports = adapter?.imports ? await adapter.imports(module) : defaultImports(module, wasi);
  const instance = instantiated(module, imports);
  const { exports } = instance;
  if (!adapter && typeof exports._initialize === "function") {
    guarded("start", () => (wasi ? wasi.initialize(instance) : exports._initialize()));
  }
  seen.push(...Object.values(exports), ...Object.values(imports).flatMap((space) => Object.values(space)));
  initialBytes = memoryBytes();
  if (adapter) {
    const js = typeof adapter.js === "function" ? { idiomatic: adapter.js } : (adapter.js ?? {});
    return { exports, wasm: (input) => adapter.wasm(exports, input), js, inputs: adapter.inputs, load: adapter.load };
  }
  if (typeof exports[spec.export] !== "function") {
    const names = Object.keys(exports).filter((name) => typeof exports[name] === "function");
    throw new Wrong("export", `the module exports no function ${spec.export}; it exports ${names.join(", ") || "none"}`);
  }
  const js = spec.memoryMs ? {} : baselines(await imported(spec.baseline, "baseline"));
  return { exports, js, ...plain(exports[spec.export]) };
}

// A baseline module exports a function of the same name, and may have `tuned` beside it, or `js` with both.
function baselines(module) {
  const found = { ...(module.js ?? {}) };
  const same = module[spec.export] ?? module.default;
  if (typeof same === "function") found.idiomatic ??= same;
  if (typeof module.tuned === "function") found.tuned ??= module.tuned;
  if (Object.keys(found).length === 0) {
    throw new Wrong("baseline", `it exports no function ${spec.export}`);
  }
  return found;
}

// A plain export takes (iterations, seed); which of them is an i64 only a call can tell.
function plain(run) {
  const big = [[], [1], [0], [0, 1]].find((places) => {
    try {
      run(...[1, 1].map((value, place) => (places.includes(place) ? BigInt(value) : value)));
      return true;
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw new Wrong("wasm", `${error?.name ?? typeof error}: ${said(error)}`);
    }
  });
  if (big === undefined) throw new Wrong("export", `${spec.export} does not take (iterations, seed)`);
  const typed = (values) => values.map((value, place) => (big.includes(place) ? BigInt(value) : value));
  return { inputs: (seed, n) => typed([n, seed]), wasm: (input) => run(...input), spread: true };
}

const integer = (value) => typeof value === "bigint" || Number.isInteger(value);

function same(one, other) {
  if (one === other || Object.is(one, other)) return true;
  if (integer(one) && integer(other)) {
    return BigInt.asUintN(64, BigInt(one)) === BigInt.asUintN(64, BigInt(other)) || sameLow(one, other);
  }
  if (typeof one === "number" && typeof other === "number") {
    return Math.abs(one - other) <= 1e-9 * Math.max(Math.abs(one), Math.abs(other));
  }
  if (one?.length !== undefined && one.length === other?.length && typeof one !== "string") {
    return Array.prototype.every.call(one, (value, index) => same(value, other[index]));
  }
  return false;
}

// An i32 comes out signed, where JavaScript may have it unsigned.
function sameLow(one, other) {
  const small = (value) => BigInt(value) >= -(2n ** 31n) && BigInt(value) < 2n ** 32n;
  return small(one) && small(other) && BigInt.asUintN(32, BigInt(one)) === BigInt.asUintN(32, BigInt(other));
}

const shown = (value) => String(value?.length !== undefined && typeof value !== "string" ? `[${Array.prototype.slice.call(value, 0, 4)}...]` : value).slice(0, 60);

let sink = 0;
function consume(value) {
  sink ^= typeof value === "bigint" ? Number(BigInt.asIntN(31, value)) : Number(value?.length ?? value) | 0;
}

// A short loop that needs the whole core: what else the machine does slows it, which CPU time does not
// show. BigInt work is the most sensitive that was found: a busy neighbour doubles it, where integer
// arithmetic takes a tenth longer.
function sentinelLoop() {
  let state = 1n;
  for (let step = 0; step < 2_000; step++) state = (state * 6364136223846793005n + 1442695040888963407n) & MASK;
  return Number(state & 1n);
}

const MASK = 0xffffffffffffffffn;

function sentinel() {
  let best = Infinity;
  for (let time = 0; time < 3; time++) {
    const from = process.hrtime.bigint();
    sink ^= sentinelLoop();
    best = Math.min(best, ms(from));
  }
  return best;
}

function timed(call, input, least) {
  const from = process.hrtime.bigint();
  let calls = 0;
  let result;
  do {
    result = call(input);
    consume(result);
    calls++;
  } while (ms(from) < least);
  return { ms: ms(from) / calls, calls, result };
}

// Until the last four of at least five chunks agree within 5 %, at most 400 ms.
function warmUp(call, input) {
  const chunks = [];
  const from = process.hrtime.bigint();
  while (ms(from) < 400) {
    chunks.push(timed(call, input, 10).ms);
    const last = chunks.slice(-4);
    if (chunks.length >= 5 && ms(from) >= spec.warmUpMs && Math.max(...last) <= 1.05 * Math.min(...last)) return true;
  }
  return false;
}

function bestOf(call, input) {
  return Math.min(...[0, 1, 2].map(() => timed(call, input, 3).ms));
}

function rss() {
  return process.memoryUsage.rss();
}

function measure(bench, name) {
  const js = bench.spread ? (input) => bench.js[name](...input) : bench.js[name];
  const calls = { js, wasm: bench.wasm };
  const prepared = (seed, n) => {
    const input = bench.inputs(seed, n);
    bench.load?.(bench.exports, input);
    return input;
  };
  const run = (side, input) => guarded(side, () => calls[side](input));
  const inputs = spec.seeds.map((seed) => prepared(seed, spec.n));
  const expected = [];
  inputs.forEach((input, index) => {
    bench.load?.(bench.exports, input);
    const [one, other] = [run("wasm", input), run("js", input)];
    if (!same(one, other)) {
      throw new Wrong("results", `seed ${spec.seeds[index]}: ${shown(one)} from WASM, ${shown(other)} from the ${name} baseline`);
    }
    expected.push(one);
  });
  const first = inputs[0];
  bench.load?.(bench.exports, first);
  const steady = { wasm: warmUp(calls.wasm, first), js: warmUp(calls.js, first) };
  const doubled = prepared(spec.seeds[0], 2 * spec.n);
  const growth = {};
  for (const side of ["wasm", "js"]) growth[side] = bestOf(calls[side], doubled) / bestOf(calls[side], first);
  const samples = { js: [], wasm: [] };
  let iterations = 0;
  let rounds = 0;
  for (; rounds < spec.rounds && ms(started) < spec.budgetMs; rounds++) {
    const index = rounds % inputs.length;
    bench.load?.(bench.exports, inputs[index]);
    for (const side of rounds % 2 ? ["js", "wasm"] : ["wasm", "js"]) {
      const before = sentinel();
      const sample = guarded(side, () => timed(calls[side], inputs[index], spec.sampleMs));
      if (!same(sample.result, expected[index])) {
        throw new Wrong("results", `${side} gave ${shown(sample.result)} where it had given ${shown(expected[index])} before`);
      }
      samples[side].push([sample.ms, Math.max(before, sentinel())]);
      iterations += sample.calls * spec.n;
    }
  }
  return { samples, growth, steady, rounds, iterations };
}

const memoryBytes = () => memories().reduce((sum, one) => sum + one.buffer.byteLength, 0);

const grewLate = (phase) => phase.steps.length > 1 && phase.steps.at(-1)[0] > spec.memoryLate * phase.calls;

// Calls the export until the time is up, and notes each growth of linear memory with the number of the
// call. The buffer is read anew after each call, for growing detaches it. If memory still grew in the
// last three quarters of the calls, it goes on for four times as long: a pool may have been filled.
function watchCalls(bench, n, limits, result) {
  const inputs = spec.seeds.map((seed) => bench.inputs(seed, n));
  const phase = { n, calls: 0, steps: [], external: [] };
  result.phases.push(phase);
  const external = () => process.memoryUsage().external;
  let last = result.last;
  const note = () => {
    const now = memoryBytes();
    if (now !== last) phase.steps.push([phase.calls, now]);
    last = result.last = now;
  };
  const watch = (times) => {
    while (phase.calls < times * limits.calls && ms(from) < times * limits.ms) {
      const input = inputs[phase.calls % inputs.length];
      phase.calls++;
      bench.load?.(bench.exports, input);
      consume(bench.wasm(input));
      note();
      if (phase.external.length === 0 && (ms(from) >= limits.ms / 2 || phase.calls >= limits.calls / 2)) {
        phase.external.push(external());
      }
    }
  };
  note();
  const from = process.hrtime.bigint();
  try {
    watch(1);
    if (grewLate(phase)) watch(4);
  } catch (error) {
    note();
    result.error = `${error?.name ?? typeof error}: ${said(error)}`;
  }
  phase.external.push(external());
}

// A leak that each call has shows in many small calls, where the memory has room for few large ones. What
// an adapter makes of one iteration is not known.
function watchMemory(bench, initial) {
  const result = { initial, last: initial, phases: [], visible: memories().length > 0, rss: [rss()], error: null };
  const limits = { ms: spec.memoryMs, calls: spec.memoryCalls };
  watchCalls(bench, spec.n, limits, result);
  if (bench.spread && !result.error && !grewLate(result.phases[0])) watchCalls(bench, 1, { ms: limits.ms / 2, calls: 10 * limits.calls }, result);
  result.rss.push(rss());
  return result;
}

try {
  for (let time = 0; time < 100; time++) sink ^= sentinelLoop();
  const adapter = spec.adapter ? await imported(spec.adapter, "adapter") : null;
  const bench = await sides(adapter);
  spec.n ??= 65_536;
  if (spec.memoryMs) {
    tell(watchMemory(bench, initialBytes));
    process.exit(0);
  }
  if (!(spec.against in bench.js)) {
    throw new Wrong("baseline", `there is no ${spec.against} baseline; there are ${Object.keys(bench.js).join(", ") || "none"}`);
  }
  tell({ ...measure(bench, spec.against), baselines: Object.keys(bench.js), node: process.version, sink: sink & 1 });
} catch (error) {
  tell({ error: { stage: error?.stage ?? "harness", message: said(error) } });
}
process.exit(0);
