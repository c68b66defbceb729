"""How well the multiplier repeats: the sample measured several times, the truth taken as the grand median.

python benchmarks/wasm_multiplier.py [--runs 20] [--against idiomatic]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from pytest_flowhealth.probes.wasm.harness import run_benchmark
from pytest_flowhealth.probes.wasm.host import HostBaseline
from pytest_flowhealth.probes.wasm.node_runner import BenchmarkSubject
from pytest_flowhealth.probes.wasm.subject import sample_folder


def main() -> None:
    """Print each run, and how often the interval held the median of all ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--against", default="idiomatic", choices=["idiomatic", "tuned"])
    options = parser.parse_args()
    folder = sample_folder()
    subject = BenchmarkSubject(
        folder / "engine.wasm", "run", folder / "baseline.mjs", against=options.against
    )
    # As a user's runs do: from one to the next it is known how long the sentinel takes here.
    with tempfile.TemporaryDirectory() as folder_of_host:
        host = HostBaseline(Path(folder_of_host))
        found = [run_benchmark(subject, host=host) for _ in range(options.runs)]
    ratios = [ratio for benchmark in found for ratio in benchmark.ratios]
    truth = statistics.median(ratios) if ratios else 0.0
    intervals = [benchmark.interval for benchmark in found if benchmark.interval]
    for benchmark in found:
        text = benchmark.doubt
        if benchmark.interval is not None:
            bounds = benchmark.interval
            text = f"{bounds.median:7.2f} x  {bounds.low:7.2f} to {bounds.high:7.2f}"
        sys.stdout.write(
            f"{text}  {benchmark.processes} processes, {benchmark.dropped:.0%} dropped\n"
        )
    held = sum(bounds.low <= truth <= bounds.high for bounds in intervals)
    sys.stdout.write(
        f"grand median {truth:.2f} x; {held} of {len(intervals)} intervals hold it, "
        f"{len(found) - len(intervals)} inconclusive\n"
    )


if __name__ == "__main__":
    main()
