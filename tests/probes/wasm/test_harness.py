"""The benchmark on modules whose truth is known, and on those that misbehave."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.wasm.harness import Benchmark, Effort, Subject, benchmark
from tests.kit import wasm_modules as modules

QUICK = Effort(iterations=1, hard=15.0, process=8.0, rounds=9, sample=2.0, warm_up=20.0)


def measure(folder: Path, wat: str, baseline: str = modules.BASELINE) -> Benchmark:
    module, script = modules.write(folder, wat, baseline)
    return benchmark(Subject(module, "run", script), QUICK)


ADAPTER = """
const work = (n, seed) => {
  let x = seed | 0;
  for (let step = 0; step < n; step++) { x ^= x << 13; x ^= x >>> 17; x ^= x << 5; }
  return x;
};
export const inputs = (seed, n) => [n, seed];
export const wasm = (exports, [n, seed]) => exports.run(n, seed);
export const js = {
  idiomatic: ([n, seed]) => { let last; for (let time = 0; time < TIMES; time++) last = PART; return last; },
};
"""


def known_factor(folder: Path, times: int) -> Benchmark:
    """Measure where both sides are the same function, the baseline's called `times` as often."""
    module, _ = modules.write(folder, modules.XORSHIFT)
    # The baseline runs the module's own code too: only so the factor is known.
    text = ADAPTER.replace("TIMES", str(times)).replace("PART", "instance.exports.run(n, seed)")
    head = (
        'import { readFileSync } from "node:fs";\n'
        'const code = readFileSync(new URL("./engine.wasm", import.meta.url));\n'
        "const instance = new WebAssembly.Instance(new WebAssembly.Module(code));\n"
    )
    adapter = folder / "adapter.mjs"
    adapter.write_text(head + text)
    return benchmark(Subject(module, adapter=adapter), QUICK)


@pytest.mark.accuracy
@pytest.mark.parametrize("times", [1, 4])
def test_a_known_factor_lies_in_the_interval(tmp_path: Path, times: int) -> None:
    found = None
    for _ in range(4):  # the interval holds the truth in 19 of 20 runs, not in all
        found = known_factor(tmp_path, times)
        if found.interval is None:
            continue  # other load: inconclusive, which the check tells
        slack = 0.03 * times  # the call itself is not free, and differs by a side
        if found.interval.low - slack <= times <= found.interval.high + slack:
            return
    pytest.fail(f"{times} is not in {found and found.interval}")


def test_a_module_against_a_baseline(tmp_path: Path) -> None:
    found = measure(tmp_path, modules.XORSHIFT)
    assert found.js > 0
    assert found.wasm > 0
    assert found.baselines == ("idiomatic",)
    assert found.iterations >= 1_000_000
    assert found.doubt is None or "inconclusive" in found.doubt


@pytest.mark.parametrize(
    ("wat", "baseline", "said"),
    [
        (modules.XORSHIFT, "export function run() { return 7; }", "gives other results"),
        (modules.TRAPS, modules.BASELINE, "unreachable"),
        (modules.FOR_EVER, modules.BASELINE, "did not end within"),
        (modules.XORSHIFT, "export const other = 1;", "exports no function run"),
        (modules.XORSHIFT, "export function run( {", "SyntaxError"),
        (modules.XORSHIFT, "export function run() { throw new Error('no'); }", "Error: no"),
        ('(module (func (export "walk")))', modules.BASELINE, "it exports walk"),
        (
            '(module (import "env" "thing" (func)) (func (export "run")))',
            modules.BASELINE,
            "imports env.thing",
        ),
    ],
)
def test_what_misbehaves_is_told(tmp_path: Path, wat: str, baseline: str, said: str) -> None:
    with pytest.raises(CheckFailed, match=said):
        measure(tmp_path, wat, baseline)
    assert not [one for one in psutil.process_iter(["cmdline"]) if "bench.mjs" in str(one.cmdline)]


def test_a_module_that_grows_without_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"engine\.wasm"):
        measure(tmp_path, modules.GROWS_WITHOUT_END)


def test_a_leak_is_seen(tmp_path: Path) -> None:
    baseline = "export const run = (n, seed) => seed;"
    found = measure(tmp_path, modules.GROWS, baseline)
    assert found.leaks
    assert not measure(tmp_path, modules.LEAKING).leaks


@pytest.mark.parametrize("content", [b"", b"\0asm\1\0\0\0", b"\0asm\2\0\0\0", b"garbage" * 50])
def test_what_is_no_module(tmp_path: Path, content: bytes) -> None:
    module, script = modules.write(tmp_path, modules.XORSHIFT)
    module.write_bytes(content)
    with pytest.raises(CheckFailed, match=r"engine\.wasm"):
        benchmark(Subject(module, "run", script), QUICK)


def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"absent\.wasm is not there"):
        benchmark(Subject(tmp_path / "absent.wasm", "run", tmp_path / "b.mjs"))
