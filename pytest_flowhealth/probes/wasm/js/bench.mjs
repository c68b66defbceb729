// Measures a WebAssembly export against JavaScript baselines in one process, and tells all of it as
// one line of JSON. Run by `node ... bench.mjs WORD SPEC`; the line begins with WORD, since what the
// user's code prints goes to standard output too. SPEC is JSON: module, export, adapter, baseline
// (paths or null), n (per call, or null), seeds, rounds, sampleMs, warmUpMs, budgetMs, wide.

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

// What a module may ask for without an adapter: AssemblyScript's abort, and a memory.
function defaultImports(module) {
  const given = {};
  for (const one of WebAssembly.Module.imports(module)) {
    const space = (given[one.module] ??= {});
    if (one.kind === "function" && one.module === "env" && one.name === "abort") {
      space[one.name] = () => {
        throw new Error("the module called abort");
      };
    } else {
      throw new Wrong("module", `it imports ${one.module}.${one.name} (${one.kind}): an adapter must give it`);
    }
  }
  return given;
}

async function sides(adapter) {
  const bytes = readFileSync(spec.module);
  const module = guarded("module", () => new WebAssembly.Module(bytes));
  const imports = adapter?.imports ? await adapter.imports(module) : defaultImports(module);
  const instance = guarded("module", () => new WebAssembly.Instance(module, imports));
  const { exports } = instance;
  if (adapter) {
    const js = typeof adapter.js === "function" ? { idiomatic: adapter.js } : (adapter.js ?? {});
    return { exports, wasm: (input) => adapter.wasm(exports, input), js, inputs: adapter.inputs, load: adapter.load };
  }
  if (typeof exports[spec.export] !== "function") {
    const names = Object.keys(exports).filter((name) => typeof exports[name] === "function");
    throw new Wrong("export", `the module exports no function ${spec.export}; it exports ${names.join(", ") || "none"}`);
  }
  const baseline = await imported(spec.baseline, "baseline");
  return { exports, js: baselines(baseline), ...plain(exports[spec.export]) };
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

// Linear memory over eight blocks of calls: the buffer is read anew, for growing detaches it.
function memory(bench) {
  const memories = Object.values(bench.exports).filter((one) => one instanceof WebAssembly.Memory);
  const bytes = () => memories.reduce((sum, one) => sum + one.buffer.byteLength, 0);
  const input = bench.inputs(spec.seeds[0], Math.max(1, Math.floor(spec.n / 64)));
  const blocks = [bytes()];
  const from = process.hrtime.bigint();
  for (let block = 0; block < 8; block++) {
    const begun = process.hrtime.bigint();
    for (let call = 0; call < 200 && ms(begun) < 25; call++) guarded("wasm", () => consume(bench.wasm(input)));
    blocks.push(bytes());
  }
  return { blocks, exported: memories.length > 0, ms: ms(from) };
}

try {
  for (let time = 0; time < 100; time++) sink ^= sentinelLoop();
  const adapter = spec.adapter ? await imported(spec.adapter, "adapter") : null;
  const rssBefore = rss();
  const bench = await sides(adapter);
  if (!(spec.against in bench.js)) {
    throw new Wrong("baseline", `there is no ${spec.against} baseline; there are ${Object.keys(bench.js).join(", ") || "none"}`);
  }
  spec.n ??= 65_536;
  const result = measure(bench, spec.against);
  tell({
    ...result,
    baselines: Object.keys(bench.js),
    memory: memory(bench),
    rss: [rssBefore, rss()],
    node: process.version,
    sink: sink & 1,
  });
} catch (error) {
  tell({ error: { stage: error?.stage ?? "harness", message: said(error) } });
}
process.exit(0);
