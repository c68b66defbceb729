"""Probes of a WebAssembly module: its speed against JavaScript, its memory, and what its binary shows.

The session fixture `wasm_benchmark` runs `run_benchmark` for a module of the target. Names are
imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

if TYPE_CHECKING:
    from pytest_flowhealth.probes.wasm.binary import Evidence, read_evidence
    from pytest_flowhealth.probes.wasm.harness import (
        Benchmark,
        BenchmarkPlan,
        run_benchmark,
    )
    from pytest_flowhealth.probes.wasm.interval import Interval
    from pytest_flowhealth.probes.wasm.machine import (
        MachineConditions,
        describe_disturbances,
        read_conditions,
    )
    from pytest_flowhealth.probes.wasm.memory import MemoryUse, watch_memory
    from pytest_flowhealth.probes.wasm.node_runner import BenchmarkSubject
    from pytest_flowhealth.probes.wasm.rebuild import rebuild_module
    from pytest_flowhealth.probes.wasm.subject import SAMPLE, find_subject

__all__ = [
    "SAMPLE",
    "Benchmark",
    "BenchmarkPlan",
    "BenchmarkSubject",
    "Evidence",
    "Interval",
    "MachineConditions",
    "MemoryUse",
    "describe_disturbances",
    "find_subject",
    "read_conditions",
    "read_evidence",
    "rebuild_module",
    "run_benchmark",
    "watch_memory",
]

_MODULES = {
    "SAMPLE": "subject",
    "Benchmark": "harness",
    "BenchmarkPlan": "harness",
    "BenchmarkSubject": "node_runner",
    "Evidence": "binary",
    "Interval": "interval",
    "MachineConditions": "machine",
    "MemoryUse": "memory",
    "watch_memory": "memory",
    "describe_disturbances": "machine",
    "find_subject": "subject",
    "read_conditions": "machine",
    "read_evidence": "binary",
    "rebuild_module": "rebuild",
    "run_benchmark": "harness",
}

__getattr__ = make_getattr(__name__, _MODULES)
