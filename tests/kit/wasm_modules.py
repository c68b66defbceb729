"""Small WebAssembly modules, written as text, and their JavaScript counterparts."""

from pathlib import Path

import wasmtime

STEP = """
          (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
          (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
          (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))
"""
"""One step of xorshift32 (G. Marsaglia, Journal of Statistical Software 8, 2003)."""

LOOP = """
  (func (export "run") (param $n i32) (param $seed i32) (result i32)
    (local $x i32)
    (local.set $x (local.get $seed))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        {step}
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next)))
    (local.get $x))
"""

XORSHIFT = f"(module {LOOP.format(step=STEP)})"
GROWS_BY_NOTHING = f'(module (memory (export "memory") 1) {LOOP.format(step=STEP + "(drop (memory.grow (i32.const 0)))")})'
TRAPS = LOOP.format(step="unreachable")
FOR_EVER = (
    '(module (func (export "run") (param i32 i32) (result i32) (loop $l (br $l)) (i32.const 0)))'
)
GROWS = """
(module (memory (export "memory") 1)
  (func (export "run") (param $n i32) (param $seed i32) (result i32)
    (drop (memory.grow (i32.const 1)))
    (local.get $seed)))
"""
DOUBLES = """
(module (memory (export "memory") 1) (global $calls (mut i32) (i32.const 0))
  (func (export "run") (param $n i32) (param $seed i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.ge_u (global.get $calls) (i32.mul (memory.size) (i32.const 8)))
      (then (if (i32.eq (memory.grow (memory.size)) (i32.const -1)) (then unreachable))))
    (local.get $seed)))
"""
"""Leaks an eighth of a page with each call, and doubles its memory when that is full."""
ALLOCATES = """
(module (memory (export "memory") {pages}) (global $calls (mut i32) (i32.const 0))
  (global $used (mut i32) (i32.const 0))
  (func (export "run") (param $n i32) (param $seed i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.le_u (global.get $calls) (i32.const {calls}))
      (then (global.set $used (i32.add (global.get $used) (i32.const {bytes})))))
    (if (i32.gt_u (global.get $used) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.const 1)))))
    (local.get $seed)))
"""
"""Takes some bytes in each of its first calls and grows when its memory is full."""
WASI = XORSHIFT.replace(
    "(module",
    '(module (import "wasi_snapshot_preview1" "fd_write" '
    '(func (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1)',
    1,
)
STARTS_WITH_A_TRAP = XORSHIFT.replace("(module", "(module (func $s unreachable) (start $s)", 1)
BEGINS_LARGE = XORSHIFT.replace("(module", '(module (memory (export "memory") 20000)', 1)
IMPORTED = ('(memory (export "memory") 1)', '(import "env" "memory" (memory 1))')
ADAPTER = """
export const imports = () => ({ env: { memory: new WebAssembly.Memory({ initial: 1 }) } });
export const inputs = (seed, n) => seed;
export const wasm = (exports, input) => exports.run(1, input);
export const js = (input) => input;
"""
GROWS_WITHOUT_END = """
(module (memory (export "memory") 1)
  (func (export "run") (param $n i32) (param $seed i32) (result i32)
    (loop $l
      (drop (memory.grow (i32.const 256)))
      (br $l))
    (i32.const 0)))
"""
SIMD = """
(module
  (func (export "run") (param $n i32) (param $seed i32) (result i32)
    (local $v v128)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $v (i32x4.add (local.get $v) (i32x4.splat (local.get $n))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next)))
    (i32x4.extract_lane 0 (local.get $v)))
  (func $decoy (param v128 v128) (result v128) (i32x4.mul (local.get 0) (local.get 1))))
"""
DECOY = f"""
(module {LOOP.format(step=STEP)}
  (func $decoy (export "decoy") (param v128 v128) (result v128)
    (loop $l (result v128) (i32x4.mul (local.get 0) (local.get 1)))))
"""

BASELINE = """
export function run(n, seed) {
  let x = seed | 0;
  for (let step = 0; step < n; step++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; }
  return x;
}
"""


def write(folder: Path, wat: str, baseline: str = BASELINE) -> tuple[Path, Path]:
    """Write a module and its baseline into `folder`, and return where they are."""
    text = wat if wat.lstrip().startswith("(module") else f"(module {wat})"
    module, script = folder / "engine.wasm", folder / "baseline.mjs"
    module.write_bytes(wasmtime.wat2wasm(text))
    script.write_text(baseline)
    return module, script
