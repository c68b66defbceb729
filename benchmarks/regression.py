"""How often a regression is raised for unchanged work, and found for work that is 20 % slower.

Runs processes that time a fixed piece of work, 30 samples each, in turn with ones that do 20 % more
of it. Each run is compared with the twelve before it, as `--health-compare` does; beside it the
naive rule that a user would write: the mean is over 10 % above the mean of the last run.

    python benchmarks/regression.py [--runs 62]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

from pytest_flowhealth.history.regression import compare

EARLIER = 12
SLOWER = 1.2
WORK = """
import hashlib, json, sys, time
rounds = int(2_000 * float(sys.argv[1]))
taken = []
for _ in range(30):
    began = time.perf_counter()
    for number in range(rounds):
        hashlib.sha256(b"x" * 64).digest()
    taken.append(1_000 * (time.perf_counter() - began))
print(json.dumps(taken))
"""


def main() -> None:
    """Run, compare, and print how often each rule was right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=50 + EARLIER)
    options = parser.parse_args()
    same: list[list[float]] = []
    slow: list[list[float]] = []
    for _ in range(options.runs):
        same.append(_measure(1.0))
        slow.append(_measure(SLOWER))
    judged = range(EARLIER, options.runs)
    rules = {"ours": _ours, "naive: mean over 10 % above the last": _naive}
    medians = [statistics.median(one) for one in same]
    spread = statistics.stdev(medians) / statistics.mean(medians)
    sys.stdout.write(f"{len(judged)} runs, spread of their medians {100 * spread:.1f} %\n")
    for name, rule in rules.items():
        false = sum(rule(same[index - EARLIER : index], same[index]) for index in judged)
        found = sum(rule(same[index - EARLIER : index], slow[index]) for index in judged)
        sys.stdout.write(f"{name:<40} false alarms {false}, found {found} of {len(judged)}\n")


def _measure(amount: float) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", WORK, str(amount)], capture_output=True, check=True
    )
    taken: list[float] = json.loads(done.stdout)
    return taken


def _ours(past: list[list[float]], now: list[float]) -> bool:
    return compare("work", "ms", now, past, "lower").outcome == "worse"


def _naive(past: list[list[float]], now: list[float]) -> bool:
    return statistics.fmean(now) > 1.1 * statistics.fmean(past[-1])


if __name__ == "__main__":
    main()
