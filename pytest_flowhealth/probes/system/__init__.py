"""The machine, or the part of it that a container may use: memory, CPU, load, disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flowhealth.lazy_names import make_getattr

if TYPE_CHECKING:
    from pytest_flowhealth.probes.system.resources import (
        Cpu,
        CpuMeter,
        Disk,
        Load,
        Memory,
        measure_cpu,
        read_disk,
        read_load,
        read_memory,
    )

__all__ = [
    "Cpu",
    "CpuMeter",
    "Disk",
    "Load",
    "Memory",
    "measure_cpu",
    "read_disk",
    "read_load",
    "read_memory",
]

__getattr__ = make_getattr(__name__, dict.fromkeys(__all__, "resources"))
