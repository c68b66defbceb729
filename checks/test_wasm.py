"""The WebAssembly module: what its binary shows, how many times as fast as JavaScript it is, its memory.

What is measured is named by [wasm] in flowhealth.toml; how, and which multipliers are honest: docs/wasm.md.
"""

from collections.abc import Callable

import pytest

from pytest_flowhealth import CheckFailed, Health, NotApplicable, Target
from pytest_flowhealth.probes.wasm import (
    SAMPLE,
    Benchmark,
    describe_disturbances,
    find_subject,
    read_conditions,
    read_evidence,
    rebuild_module,
    watch_memory,
)

MEGABYTE = 1_000_000

HIDDEN_GROWTH = 1 * MEGABYTE
"""Bytes by which memory that is not exported has to grow in the second half of the calls."""

SHOWN = 20
"""Growths that are shown."""

FREE = "free what each call allocates, or empty what it fills"


@pytest.mark.health("wasm", timeout=60)
def test_module(health: Health, target: Target) -> None:
    """The binary is there and one, and shows what it claims: SIMD where that is demanded."""
    subject = find_subject(target)
    settings = target.config.wasm
    found = read_evidence(subject.module, None if subject.adapter else subject.export)
    health.detail(
        measured="the sample that comes with pytest-flowhealth, not this package's own engine"
        if settings.module == SAMPLE
        else settings.module,
        exports=found.exports[:50],
        optimisation=found.optimisation,
        simd_in_loops=found.simd_in_loops,
        instructions=found.instructions,
        calls_through_tables=found.indirect,
    )
    if settings.simd and not found.simd_in_loops:
        elsewhere = f"; {found.simd_elsewhere} stand elsewhere" if found.simd_elsewhere else ""
        raise CheckFailed(
            f"no SIMD instruction computes in a loop that the export reaches{elsewhere}",
            remedy="build with SIMD: -msimd128 (clang, emscripten), +simd128 (Rust), --enable simd (AssemblyScript)",
        )
    if found.optimisation == "unoptimised":
        health.warn("the code is unoptimised: every value goes through a local variable")
        health.remedy("build with optimisation, or: npx wasm-opt -O3 IN.wasm -o OUT.wasm")


@pytest.mark.health("wasm", requires=("wasm.module", "system.node"), timeout=120, exclusive=True)
@pytest.mark.threshold("multiplier", fail=1, better="higher", unit="x")
def test_multiplier(
    health: Health, target: Target, wasm_benchmark: Callable[..., Benchmark]
) -> None:
    """How many times as fast as the JavaScript baseline the export is: results equal, several processes."""
    subject = find_subject(target)
    before = read_conditions()
    found = wasm_benchmark(subject, iterations=target.config.wasm.iterations)
    for note in describe_disturbances(before, read_conditions()):
        health.warn(note) if "throttled" in note else health.detail(machine=note)
    record(health, "multiplier", found)
    others = [kind for kind in found.baselines if kind != found.against]
    if others:
        other = wasm_benchmark(find_subject(target, others[0]))
        record(health, f"multiplier_{others[0]}", other)


def record(health: Health, name: str, found: Benchmark) -> None:
    """Note a multiplier with its interval and all that it was drawn from."""
    if found.interval is not None:
        bounds = (found.interval.low, found.interval.high)
        health.measure(name, found.interval.median, unit="x", interval=bounds, doubt=found.doubt)
    else:
        health.measure(name, found.js / found.wasm, unit="x", doubt=found.doubt)
    health.detail(
        **{
            name: {
                "baseline": found.against,
                "ratios": [round(ratio, 2) for ratio in found.ratios],
                "processes": found.processes,
                "samples_dropped": round(found.dropped, 3),
                "ms_a_call": {"javascript": found.js, "wasm": found.wasm},
                "iterations_a_call": found.n,
                "iterations": found.iterations,
                "node": found.node,
                "flags": found.flags,
                "seconds": round(found.seconds, 1),
            }
        }
    )


@pytest.mark.health("wasm", requires=("wasm.module", "system.node"), timeout=60, exclusive=True)
def test_memory(health: Health, target: Target) -> None:
    """Linear memory stops growing while the export is called for some seconds, from its first call on."""
    found = watch_memory(find_subject(target))
    health.measure("rss", found.rss[-1] / MEGABYTE, unit="MB")
    health.detail(
        linear_memory={"before": found.initial, "after": found.final},
        growth=[{"call": call, "bytes": size} for call, size in found.steps[-SHOWN:]],
        calls=found.calls,
        rss=found.rss,
    )
    grows = f"linear memory grows with the calls: {found.initial:,} to {found.final:,} B in {found.calls:,}"
    if found.error is not None:
        raise CheckFailed(
            f"call {found.calls:,} fails: {found.error}" + (f"; {grows}" if found.leaks else ""),
            remedy=FREE if found.leaks else "correct it where it fails",
        )
    if found.visible:
        health.measure("memory", found.final / MEGABYTE, unit="MB")
        if found.leaks:
            raise CheckFailed(grows, remedy=FREE)
        for call, size in found.late_steps:
            health.warn(
                f"linear memory grew late, at call {call:,} of {found.calls:,}, to {size:,} B"
            )
            health.remedy("call it for longer; if it grows on, free what each call allocates")
        return
    if found.external_growth > HIDDEN_GROWTH:
        health.warn(
            "memory outside of the heap still grows with the calls; linear memory is not exported"
        )
        health.remedy("export the memory, so that its growth can be told from the engine's")
        return
    raise NotApplicable(
        "the module neither exports nor imports its memory: its growth is invisible"
    )


@pytest.mark.health("wasm", requires="wasm.module", critical=False, timeout=180)
def test_build(health: Health, target: Target) -> None:
    """The committed binary is what its source builds: it is built again, and the hashes compared."""
    build = target.config.wasm.build
    if build is None:
        raise NotApplicable("no build is configured ([wasm.build] command in flowhealth.toml)")
    digest = rebuild_module(build.command, find_subject(target).module, target.root)
    health.detail(sha256=digest, level=build.level or "not told")
