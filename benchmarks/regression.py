"""How often a regression is raised for unchanged work, and found for work that is 20 % slower.

Runs processes that do a fixed piece of work 30 times and time it, in turn with ones that do 20 % more
of it: hashing in Python, JSON in Node, bytes sent to another process and back. Each is compared with
the unchanged ones before it, as `--health-compare` does; beside it naive rules that a user would
write. `--calm` waits with each process until nothing else has used the machine for a second, and runs
one again that something else came between; without it, the noise is that of whatever runs besides.

    python benchmarks/regression.py [--runs 62] [--calm] [--keep FILE]
    python benchmarks/regression.py --kept FILE
    python benchmarks/regression.py --noise

`--noise` runs nothing: it says what the rule makes of noise of a known size, from a seeded generator.

Needs `node`, and psutil as the plugin does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from pytest_flowhealth.history.regression import compare, estimate_spread

EARLIER = (5, 12, 50)
SLOWER = 1.2
NOISE = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.08, 0.12)
SIMULATED = 400
ELSE = 0.1
"""Processors' worth of other work that still counts as nothing."""

HASH = """
import hashlib, json, sys, time
rounds, taken = int(10_000 * float(sys.argv[1])), []
for _ in range(30):
    began = time.perf_counter()
    for number in range(rounds):
        hashlib.sha256(b"x" * 64).digest()
    taken.append(1_000 * (time.perf_counter() - began))
print(json.dumps(taken))
"""
ECHO = """
import json, os, socket, sys, time
rounds, taken = int(300 * float(sys.argv[1])), []
ours, theirs = socket.socketpair()
if os.fork() == 0:
    ours.close()
    while theirs.recv(1):
        theirs.send(b"x")
    os._exit(0)
theirs.close()
for _ in range(30):
    began = time.perf_counter()
    for number in range(rounds):
        ours.send(b"x")
        ours.recv(1)
    taken.append(1_000 * (time.perf_counter() - began))
ours.close()
os.wait()
print(json.dumps(taken))
"""
NODE = """
const rounds = Math.round(1200 * Number(process.argv[1])), taken = [];
const data = {a: [1, 2, 3], b: {c: "text", d: null}, e: Array(20).fill("value")};
let sum = 0;
for (let turn = 0; turn < 30; turn++) {
  const began = performance.now();
  for (let n = 0; n < rounds; n++) sum += JSON.stringify(JSON.parse(JSON.stringify(data))).length;
  taken.push(performance.now() - began);
}
console.log(JSON.stringify(taken));
"""
WORK = {
    "hashing in Python": [sys.executable, "-c", HASH],
    "JSON in Node": ["node", "-e", NODE],
    "round trips": [sys.executable, "-c", ECHO],
}

Run = list[float]
Rule = Callable[[Sequence[Run], Run], bool]


def main() -> None:
    """Measure or read, compare, and print how often each rule was right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=50 + 12)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--noise", action="store_true")
    options = parser.parse_args()
    if options.noise:
        _told_of_noise()
        return
    if options.kept:
        taken = json.loads(options.kept.read_text())
    else:
        taken = _taken(options.runs, options.keep, calm=options.calm)
    for name, (same, slow) in taken.items():
        _told(name, same, slow)


def _told_of_noise() -> None:
    """Print how often the rule is right where runs differ by normal noise of a known size."""
    chance = random.Random(1)

    def run(amount: float, noise: float) -> Run:
        whole = amount * max(0.2, chance.gauss(1, noise))
        return [whole * chance.lognormvariate(0, 0.05) for _ in range(30)]

    for noise in NOISE:
        for earlier in EARLIER:
            false = found = 0
            for _ in range(SIMULATED):
                past = [run(1, noise) for _ in range(earlier)]
                false += _ours_says(past, run(1, noise))
                found += _ours_says(past, run(SLOWER, noise))
            sys.stdout.write(
                f"{noise:6.1%} noise, {earlier:>2} earlier: of 50, false alarms "
                f"{50 * false / SIMULATED:.1f}, found {50 * found / SIMULATED:.1f}\n"
            )


def _taken(runs: int, keep: Path | None, *, calm: bool) -> dict[str, tuple[list[Run], list[Run]]]:
    """Return the runs of unchanged and of slower work, by its name; `keep` has them at any time."""
    taken: dict[str, tuple[list[Run], list[Run]]] = {name: ([], []) for name in WORK}
    measure = _measured_calmly if calm else _measured
    for _ in range(runs):
        for name, argv in WORK.items():
            for amount, runs_of in zip((1.0, SLOWER), taken[name], strict=True):
                runs_of.append(measure([*argv, str(amount)]))
        if keep:
            keep.write_text(json.dumps(taken))
    return taken


def _measured(argv: list[str]) -> Run:
    done = subprocess.run(argv, capture_output=True, check=True)
    taken: Run = json.loads(done.stdout)
    return taken


def _measured_calmly(argv: list[str]) -> Run:
    while True:
        _others(lambda: time.sleep(1))
        if _others(lambda: time.sleep(1))[0] > ELSE:
            continue
        others, taken = _others(lambda: _measured(argv))
        if others <= 2 * ELSE:
            return taken


def _others(do: Callable[[], Run | None]) -> tuple[float, Run]:
    """Return how many processors others kept busy meanwhile, and what `do` returned."""
    began, busy, ours = time.monotonic(), _busy(), _ours()
    taken = do()
    seconds = time.monotonic() - began
    return (_busy() - busy - (_ours() - ours)) / seconds, taken or []


def _busy() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


def _ours() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _ours_says(past: Sequence[Run], now: Run) -> bool:
    return compare("work", "ms", now, past, "lower").outcome == "worse"


def _above_the_last(past: Sequence[Run], now: Run) -> bool:
    return statistics.fmean(now) > 1.1 * statistics.fmean(past[-1])


def _above_the_mean(past: Sequence[Run], now: Run) -> bool:
    return statistics.fmean(now) > 1.1 * statistics.fmean(map(statistics.fmean, past))


RULES: dict[str, Rule] = {
    "--health-compare": _ours_says,
    "mean over 10 % above the last run's": _above_the_last,
    "mean over 10 % above all runs' mean": _above_the_mean,
}


def _told(name: str, same: list[Run], slow: list[Run]) -> None:
    figures = [statistics.median(one) for one in same]
    noise = estimate_spread(figures, "lower") / statistics.median(figures)
    write = sys.stdout.write
    write(f"{name}: {len(same)} runs, from one to the next {100 * noise:.1f} % noise\n")
    for earlier in EARLIER:
        judged = range(earlier, min(len(same), len(slow)))
        if len(judged) < 10:
            continue
        for rule, says in RULES.items():
            past = [same[one - earlier : one] for one in judged]
            false = sum(map(says, past, (same[one] for one in judged)))
            found = sum(map(says, past, (slow[one] for one in judged)))
            write(
                f"  {earlier:>2} earlier, {rule:<36} false alarms {false:>3} of {len(judged)}, "
                f"found {found:>3} of {len(judged)}\n"
            )


if __name__ == "__main__":
    main()
