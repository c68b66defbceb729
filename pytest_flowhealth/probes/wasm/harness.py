"""The multiplier of a WebAssembly export over a JavaScript baseline, measured by Node in several processes.

The protocol, in short: equal results are demanded before timing and after each
sample; both sides are warmed up and sampled in turn; a short sentinel loop
around each sample tells when something else slowed the machine, and such
samples are dropped; T(2n)/T(n) shows an engine that remembers results. A
process's ratio is median over median; the estimate is the median over the
processes, its interval by order statistics (interval.py).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pytest_flowhealth.probes.wasm.host import HostBaseline
from pytest_flowhealth.probes.wasm.interval import FEWEST, Interval, interval
from pytest_flowhealth.probes.wasm.node_runner import (
    BenchmarkSubject,
    base_spec,
    find_flags,
    require_files,
    run_process,
)

COUNTS = (6, 9, 12, 15, 18)
"""Valid processes at which it may stop."""

_GROWTH = (1.6, 3.0)
_SLOWED = 1.15
_FEWEST_SAMPLES = 5
_PRECISE = 0.05
_DRIFT = 0.02
"""By which share of the median benchmarks on one quiet machine differ from each other: an interval from
one of them is no narrower."""


class BenchmarkPlan(msgspec.Struct, frozen=True):
    """How much is done; seconds and milliseconds.

    Attributes:
        iterations: Iterations over all processes at the least.
        hard: Seconds after which no other process is started.
        process: Seconds that one process may take.
        rounds: Samples of each side in one process.
        sample: Milliseconds of a sample at the least.
        warm_up: Milliseconds of warming up at the least, for each side.
    """

    iterations: int = 1_000_000
    hard: float = 15.0
    process: float = 10.0
    rounds: int = 11
    sample: float = 3.0
    warm_up: float = 60.0


class Sampled(msgspec.Struct, frozen=True):
    """What one process measured: samples as (ms a call, sentinel's ms)."""

    js: tuple[tuple[float, float], ...]
    wasm: tuple[tuple[float, float], ...]
    growth: dict[str, float]
    steady: dict[str, bool]
    iterations: int
    baselines: tuple[str, ...]
    node: str


class Benchmark(msgspec.Struct, frozen=True):
    """A measured multiplier: how many times as fast as the baseline the export is.

    Attributes:
        interval: The estimate with its interval; None where too few processes were undisturbed.
        ratios: The ratio of each valid process.
        processes: How many were started.
        dropped: The share of samples that something else on the machine slowed.
        doubt: Why the figure can't be relied on, None where it can.
        js, wasm: Median milliseconds of a call.
        n: Iterations of a call.
        iterations: Iterations over all samples.
        baselines: The kinds of baseline that there are.
        against: The one measured against.
        flags: Node's flags. `node`: its version. `seconds`: what it all took.
    """

    interval: Interval | None
    ratios: tuple[float, ...]
    processes: int
    dropped: float
    doubt: str | None
    js: float
    wasm: float
    n: int
    iterations: int
    baselines: tuple[str, ...]
    against: str
    flags: tuple[str, ...]
    node: str
    seconds: float


def run_benchmark(
    subject: BenchmarkSubject,
    effort: BenchmarkPlan = BenchmarkPlan(),  # noqa: B008  # frozen
    clock: Callable[[], float] = time.monotonic,
    host: HostBaseline = HostBaseline(None),  # noqa: B008  # keeps nothing
) -> Benchmark:
    """Measure `subject`; `host` knows how long the sentinel took here before.

    Raises:
        CheckFailed: The module, the baseline or the adapter can't be used, traps,
            does not end, or the two sides give different results.
        MeasurementUnavailable: Node gave no answer.
    """
    require_files(subject)
    begun = clock()
    n = subject.n or _fitting(subject, effort)
    found: list[Sampled] = []
    known: float | None = None
    while not _enough(found, known, effort, clock() - begun):
        found.append(_sample(subject, n, effort))
        known = host.reference(found[0].node)
    host.keep(found[0].node, _reference(found, None))
    return _result(subject, n, (found, known), clock() - begun)


def _enough(
    found: Sequence[Sampled], known: float | None, effort: BenchmarkPlan, seconds: float
) -> bool:
    if seconds >= effort.hard:
        return bool(found)
    ratios = _ratios(found, known)
    if len(ratios) < FEWEST or sum(sampled.iterations for sampled in found) < effort.iterations:
        return False
    estimate = interval(ratios)
    precise = estimate is not None and estimate.half_width <= _PRECISE
    return (len(ratios) in COUNTS and precise) or len(ratios) >= COUNTS[-1]


def _ratios(found: Sequence[Sampled], known: float | None) -> list[float]:
    """Return the ratio of each process that has enough undisturbed samples on both sides."""
    limit = _SLOWED * _reference(found, known)
    ratios = []
    for sampled in found:
        js = [sample for sample, sentinel in sampled.js if sentinel <= limit]
        wasm = [sample for sample, sentinel in sampled.wasm if sentinel <= limit]
        if min(len(js), len(wasm)) >= _FEWEST_SAMPLES:
            ratios.append(statistics.median(js) / statistics.median(wasm))
    return ratios


def _reference(found: Sequence[Sampled], known: float | None) -> float:
    """Return what the sentinel takes undisturbed, at the most what it took here before.

    The lower half's median of the processes' 5th percentiles.
    """
    lows = sorted(
        _low([sentinel for _, sentinel in (*sampled.js, *sampled.wasm)]) for sampled in found
    )
    own = statistics.median(lows[: (len(lows) + 1) // 2]) if lows else 0.0
    return own if known is None else min(own, known)


def _low(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 20] if values else 0.0


def _result(
    subject: BenchmarkSubject, n: int, taken: tuple[Sequence[Sampled], float | None], seconds: float
) -> Benchmark:
    found, known = taken
    ratios = _ratios(found, known)
    last = found[-1]
    samples = [sentinel for sampled in found for _, sentinel in (*sampled.js, *sampled.wasm)]
    limit = _SLOWED * _reference(found, known)
    dropped = sum(sentinel > limit for sentinel in samples) / len(samples) if samples else 1.0
    return Benchmark(
        interval=_widen(interval(ratios)),
        ratios=tuple(ratios),
        processes=len(found),
        dropped=dropped,
        doubt=_doubt(found, ratios, dropped),
        js=statistics.median(sample for sampled in found for sample, _ in sampled.js),
        wasm=statistics.median(sample for sampled in found for sample, _ in sampled.wasm),
        n=n,
        iterations=sum(sampled.iterations for sampled in found),
        baselines=last.baselines,
        against=subject.against,
        flags=find_flags(),
        node=last.node,
        seconds=seconds,
    )


def _widen(found: Interval | None) -> Interval | None:
    if found is None:
        return None
    return msgspec.structs.replace(
        found,
        low=min(found.low, (1 - _DRIFT) * found.median),
        high=max(found.high, (1 + _DRIFT) * found.median),
    )


def _doubt(found: Sequence[Sampled], ratios: Sequence[float], dropped: float) -> str | None:
    if len(ratios) < FEWEST:
        return (
            f"inconclusive: only {len(ratios)} of {len(found)} processes were undisturbed "
            f"({dropped:.0%} of the samples were slowed by something else), {FEWEST} are needed"
        )
    for side in ("js", "wasm"):
        growth = statistics.median(sampled.growth[side] for sampled in found)
        if not _GROWTH[0] <= growth <= _GROWTH[1]:
            return (
                f"inconclusive: twice the work took {growth:.2f} times as long on the {side} side, "
                "so that not the work itself was measured"
            )
    return None


def _fitting(subject: BenchmarkSubject, effort: BenchmarkPlan) -> int:
    """Return how many iterations a call gets: fewer where one of the usual number takes long."""
    usual = 65_536
    trial = _sample(subject, 1_024, msgspec.structs.replace(effort, rounds=1, warm_up=20.0))
    slowest = max(sample for sample, _ in (*trial.js, *trial.wasm)) / 1_024 * usual
    n = usual
    while slowest > 4 * effort.sample and n > 1_024:
        n, slowest = n // 2, slowest / 2
    return n


def _sample(subject: BenchmarkSubject, n: int, effort: BenchmarkPlan) -> Sampled:
    measured = run_process(subject, _spec(subject, n, effort), effort.process)
    return Sampled(
        js=tuple((ms, sentinel) for ms, sentinel in measured["samples"]["js"]),
        wasm=tuple((ms, sentinel) for ms, sentinel in measured["samples"]["wasm"]),
        growth=measured["growth"],
        steady=measured["steady"],
        iterations=measured["iterations"],
        baselines=tuple(measured["baselines"]),
        node=measured["node"],
    )


def _spec(subject: BenchmarkSubject, n: int, effort: BenchmarkPlan) -> dict[str, Any]:
    return {
        **base_spec(subject, n),
        "rounds": effort.rounds,
        "sampleMs": effort.sample,
        "warmUpMs": effort.warm_up,
        "budgetMs": effort.process * 600,
    }
