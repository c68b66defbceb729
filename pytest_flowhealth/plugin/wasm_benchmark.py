"""The `wasm_benchmark` fixture: a module measured against JavaScript, from a check of one's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_flowhealth.errors import CheckFailed
from pytest_flowhealth.probes.usercache import user_folder
from pytest_flowhealth.probes.wasm.binary import read_evidence
from pytest_flowhealth.probes.wasm.harness import (
    Benchmark,
    BenchmarkPlan,
    run_benchmark,
)
from pytest_flowhealth.probes.wasm.host import HostBaseline
from pytest_flowhealth.probes.wasm.node_runner import BenchmarkSubject

KEPT: pytest.StashKey[dict[BenchmarkSubject, Benchmark]] = pytest.StashKey()


class WasmBenchmark:
    """Measures modules; paths are relative to the target's folder."""

    def __init__(self, root: Path, benchmarks: dict[BenchmarkSubject, Benchmark]) -> None:
        self._root = root
        self._benchmarks = benchmarks

    def __call__(  # noqa: PLR0913  # each is a word of the user's
        self,
        subject: BenchmarkSubject | None = None,
        *,
        module: str = "",
        export: str = "run",
        baseline: str | None = None,
        adapter: str | None = None,
        against: str = "idiomatic",
        n: int | None = None,
        iterations: int = 1_000_000,
        simd: bool = False,
        optimised: bool = False,
        again: bool = True,
    ) -> Benchmark:
        """Return how many times as fast as its baseline a module's export is.

        Args:
            subject: What to measure, where it is known already.
            module: The binary.
            export: The function, (iterations, seed) -> checksum.
            baseline: A JavaScript module with a function of the same name and result.
            adapter: In place of `export` and `baseline`, see docs/wasm.md.
            against: The kind of baseline, idiomatic or tuned.
            n: Iterations of a call, by default what fits.
            iterations: Iterations over all samples at the least.
            simd: Demand SIMD instructions in a loop that the export reaches.
            optimised: Demand code that is not plainly unoptimised.
            again: Whether to measure anew what this run has measured before.

        Raises:
            CheckFailed: A file is missing, the module traps or does not end, the results
                differ, or what is demanded is not there.
        """
        wanted = subject or self._subject(module, export, baseline, adapter, against, n)
        self._demand(wanted, simd=simd, optimised=optimised)
        if again or wanted not in self._benchmarks:
            host = HostBaseline(user_folder(os.environ, "wasm"))
            self._benchmarks[wanted] = run_benchmark(
                wanted, BenchmarkPlan(iterations=iterations), host=host
            )
        return self._benchmarks[wanted]

    def _subject(
        self,
        module: str,
        export: str,
        baseline: str | None,
        adapter: str | None,
        against: str,
        n: int | None,
    ) -> BenchmarkSubject:
        return BenchmarkSubject(
            module=self._root / module,
            export=None if adapter else export,
            baseline=self._root / baseline if baseline else None,
            adapter=self._root / adapter if adapter else None,
            against=against,
            n=n,
        )

    def _demand(self, subject: BenchmarkSubject, *, simd: bool, optimised: bool) -> None:
        if not (simd or optimised):
            return
        found = read_evidence(subject.module, subject.export)
        if simd and not found.simd_in_loops:
            raise CheckFailed(f"{subject.module.name} computes with no SIMD instruction in a loop")
        if optimised and found.optimisation == "unoptimised":
            raise CheckFailed(f"{subject.module.name} is unoptimised")


def benchmark_of(config: pytest.Config, root: Path) -> WasmBenchmark:
    """Return the fixture's value: what was measured is kept for the run."""
    return WasmBenchmark(root, config.stash.setdefault(KEPT, {}))
