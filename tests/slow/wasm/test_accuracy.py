"""The multiplier of a pair of functions whose factor is known."""

import shutil
from pathlib import Path

import pytest

from pytest_flowhealth.probes.wasm.harness import BenchmarkPlan, run_benchmark
from pytest_flowhealth.probes.wasm.node_runner import BenchmarkSubject
from tests.kit import wasm_modules as modules

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")

EFFORT = BenchmarkPlan(iterations=1, hard=15.0, process=8.0, rounds=9, sample=2.0, warm_up=20.0)

# The baseline runs the module's own code too: only so the factor is known.
ADAPTER = """
import { readFileSync } from "node:fs";
const code = readFileSync(new URL("./engine.wasm", import.meta.url));
const { exports: { run } } = new WebAssembly.Instance(new WebAssembly.Module(code));
export const inputs = (seed, n) => [n, seed];
export const wasm = (exports, [n, seed]) => exports.run(n, seed);
export const js = {
  idiomatic: ([n, seed]) => { let last; for (let time = 0; time < TIMES; time++) last = run(n, seed); return last; },
};
"""


@pytest.mark.accuracy
@pytest.mark.parametrize("times", [1, 4])
def test_a_known_factor_lies_in_the_interval(tmp_path: Path, times: int) -> None:
    module, _ = modules.write(tmp_path, modules.XORSHIFT)
    adapter = tmp_path / "adapter.mjs"
    adapter.write_text(ADAPTER.replace("TIMES", str(times)))
    found = None
    for _ in range(4):  # the interval holds the truth in 19 of 20 runs, not in all
        found = run_benchmark(BenchmarkSubject(module, adapter=adapter), EFFORT)
        if found.interval is None:
            continue  # other load: inconclusive, which the check tells
        slack = 0.03 * times  # the call itself is not free, and differs by a side
        if found.interval.low - slack <= times <= found.interval.high + slack:
            return
    pytest.fail(f"{times} is not in {found and found.interval}")
